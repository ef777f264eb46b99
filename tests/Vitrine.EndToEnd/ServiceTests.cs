using System.Globalization;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Lab;
using Vitrine.Lab.Content;
using Vitrine.Transports;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Http2;
using Vitrine.Transports.Quic;
using Vitrine.Viewer;
using Vitrine.Wire.V1;

namespace Vitrine.EndToEnd;

/// <summary>The service of a real shared screen, by stock tools and over every transport.</summary>
public sealed class ServiceTests : IDisposable
{
    private static readonly DeviceSize s_size = new(800, 500);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly ServiceDescriptor s_desktop = DesktopReflection.Descriptor.Services[0];
    private readonly CancellationToken _deadline = new CancellationTokenSource(TimeSpan.FromMinutes(3)).Token;
    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-service-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Curl_OverHttp2_EveryMethodAnswersAndFailuresAreProblems(bool tls)
    {
        using PrivateDisplay display = PrivateDisplay.Start(s_size);
        await using ShareProcess share = await StartAsync(display, tls);
        using var painter = new RandomPainter(display.Painter, seed: 21);
        using var truth = new ScreenTruth(display, TimeProvider.System);
        Paint(painter);
        string api = $"{(tls ? "https" : "http")}://127.0.0.1:{share.Url.Port}/api/v1/desktop/";

        using JsonDocument session = JsonDocument.Parse(await CurlAsync(tls, share.Token, api + "session"));
        Assert.Equal((s_size.Width, s_size.Height), (session.RootElement.GetProperty("widthPixels").GetInt32(), session.RootElement.GetProperty("heightPixels").GetInt32()));
        using JsonDocument displays = JsonDocument.Parse(await CurlAsync(tls, share.Token, api + "displays"));
        Assert.Equal(s_size.Width, displays.RootElement.GetProperty("displays")[0].GetProperty("boundsPixels").GetProperty("width").GetInt32());
        using JsonDocument viewers = JsonDocument.Parse(await CurlAsync(tls, share.AdministerToken!, api + "viewers"));
        Assert.Equal(0, viewers.RootElement.GetProperty("viewers").GetArrayLength());

        // A picture as a file, and the same as a message.
        string file = Path.Combine(_folder, "picture.png");
        await CurlAsync(tls, share.Token, api + "picture", "--header", "accept: image/png", "--output", file);
        AssertShows(truth, await File.ReadAllBytesAsync(file, _deadline));
        Paint(painter);
        using JsonDocument picture = JsonDocument.Parse(await CurlAsync(tls, share.Token, api + "picture", "--header", "content-type: application/json", "--data", "{\"format\":\"PNG\"}"));
        AssertShows(truth, picture.RootElement.GetProperty("data").GetBytesFromBase64());

        // Lines come one by one, until curl goes.
        string lines = await CurlAsync(tls, share.Token, api + "statistics?intervalMilliseconds=100", "--no-buffer", "--max-time", "1");
        Assert.True(lines.Split('\n').Count(line => line.StartsWith('{')) >= 3, lines);

        using JsonDocument stopped = JsonDocument.Parse(await CurlAsync(tls, share.AdministerToken!, api + "stop-sharing", "--request", "POST"));
        Assert.Equal("STOPPED", stopped.RootElement.GetProperty("state").GetString());
        Assert.Equal((400, "FAILED_PRECONDITION"), await CurlProblemAsync(tls, share.Token, api + "picture"));
        using JsonDocument started = JsonDocument.Parse(await CurlAsync(tls, share.AdministerToken!, api + "start-sharing", "--request", "POST"));
        Assert.Equal("RESTING", started.RootElement.GetProperty("state").GetString());

        Assert.Equal((401, "UNAUTHENTICATED"), await CurlProblemAsync(tls, null, api + "session"));
        Assert.Equal((401, "UNAUTHENTICATED"), await CurlProblemAsync(tls, "wrong", api + "session"));
        Assert.Equal((403, "PERMISSION_DENIED"), await CurlProblemAsync(tls, share.Token, api + "viewers"));
        Assert.Equal((403, "PERMISSION_DENIED"), await CurlProblemAsync(tls, share.Token, api + "stop-sharing", "--request", "POST"));
        Assert.Equal((404, "UNIMPLEMENTED"), await CurlProblemAsync(tls, share.Token, api + "nothing"));
        Assert.Equal((400, "INVALID_ARGUMENT"), await CurlProblemAsync(tls, share.Token, api + "picture?colour=red"));
        Assert.Equal((405, "UNIMPLEMENTED"), await CurlProblemAsync(tls, share.Token, api + "start-sharing"));
        Assert.Equal((415, "INVALID_ARGUMENT"), await CurlProblemAsync(tls, share.Token, api + "picture", "--data", "{}"));
        Assert.Equal((504, "DEADLINE_EXCEEDED"), await CurlProblemAsync(tls, share.Token, api.Replace("desktop", "echo", StringComparison.Ordinal) + "unary?delayMicros=5000000", "--header", "grpc-timeout: 100m"));
    }

    [Fact]
    public async Task EveryMethod_TheSameAnswerOverEveryTransport()
    {
        using PrivateDisplay display = PrivateDisplay.Start(s_size);
        await using ShareProcess share = await StartAsync(display, tls: false);
        using var painter = new RandomPainter(display.Painter, seed: 22);
        Paint(painter);
        Uri address = new(share.Url.GetLeftPart(UriPartial.Authority));
        await using GrpcChannel grpc = new(address, new() { Token = share.AdministerToken });
        await using HttpJsonChannel json = new(address, new() { Token = share.AdministerToken });
        await using QuicCallChannel? quic = await ConnectQuicAsync(share);
        foreach ((string method, IMessage request) in ((string, IMessage)[])
            [
                ("GetPicture", new GetPictureRequest()), // the first picture of a screen at rest is taken, and then known to both
                ("ListDisplays", new ListDisplaysRequest()),
                ("GetSession", new GetSessionRequest()),
                ("ListViewers", new ListViewersRequest()),
                ("GetPicture", new GetPictureRequest { Format = GetPictureRequest.Types.Format.Raw, Rectangle = new() { X = 790, Y = 490, Width = 30, Height = 30 } }),
                ("StopSharing", new StopSharingRequest()),
                ("GetSession", new GetSessionRequest()),
                ("StartSharing", new StartSharingRequest()),
            ])
        {
            IMessage answer = await CallAsync(grpc, method, request);
            Assert.Equal(answer, await CallAsync(json, method, request));
            if (quic is not null)
            {
                Assert.Equal(answer, await CallAsync(quic, method, request));
            }
        }
    }

    [Theory]
    [InlineData("http2", false)]
    [InlineData("http2", true)]
    [InlineData("grpc", false)]
    [InlineData("grpc", true)]
    public async Task LiveStream_EqualsTheScreenAtEveryPixel(string transport, bool tls)
    {
        using PrivateDisplay display = PrivateDisplay.Start(s_size);
        await using ShareProcess share = await StartAsync(display, tls);
        UriBuilder address = new(share.Url) { Host = "127.0.0.1" };
        address.Query = address.Query.TrimStart('?') + "&transport=" + transport;
        string? fingerprint = tls ? await FingerprintAsync() : null;
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(address.Uri, new() { CertificateFingerprint = fingerprint }, cancellationToken: _deadline);
        using var painter = new RandomPainter(display.Painter, seed: 23);
        using var truth = new ScreenTruth(display, TimeProvider.System);
        for (int burst = 0; burst < 4; burst++)
        {
            Paint(painter);
            Assert.True(await viewer.WaitUntilAsync(v => truth.CountDifferences(v.CopyPicture()) == 0, s_patience), $"Not exact over {transport}.");
        }

        display.Resize(new(640, 480));
        painter.ChangeScreen(new(640, 480));
        Paint(painter);
        Assert.True(await viewer.WaitUntilAsync(v => truth.CountDifferences(v.CopyPicture()) == 0, s_patience), $"Not exact after a resize over {transport}.");
    }

    /// <summary>Where the host says that it speaks QUIC; null where the libraries are missing, which they must not in CI.</summary>
    private async Task<QuicCallChannel?> ConnectQuicAsync(ShareProcess share)
    {
        if (!QuicSupport.TryLoad(out string missing))
        {
            Assert.True(Environment.GetEnvironmentVariable("CI") != "true", missing);
            return null;
        }

        (QuicOffer? offer, ConnectResult refusal) = await QuicOffer.AskAsync(PacketConnector.StreamAddress(share.Url), new(), _deadline);
        Assert.True(offer is not null, refusal.Detail);
        return new(new Uri($"quic://127.0.0.1:{offer.Port}"), new() { Token = share.AdministerToken, CertificateFingerprint = offer.Certificate });
    }

    private Task<ShareProcess> StartAsync(PrivateDisplay display, bool tls) => ShareProcess.StartAsync(
        new LabOptions(),
        ["share", "--display", display.Name, "--administer", "on", .. tls ? (string[])["--listen", "0.0.0.0"] : []],
        new Dictionary<string, string?> { ["XDG_CONFIG_HOME"] = _folder },
        _deadline);

    private static void Paint(RandomPainter painter)
    {
        for (int i = 0; i < 40; i++)
        {
            painter.Step();
        }

        Assert.True(painter.TrySynchronize());
    }

    private static void AssertShows(ScreenTruth truth, byte[] png)
    {
        Assert.Equal(PngStatus.Decoded, PngFile.Decode(png, out Imaging.Picture? picture, out string error));
        Assert.Equal("", error);
        Assert.Equal(0, truth.CountDifferences(picture!.Pixels));
    }

    private async Task<string> FingerprintAsync()
    {
        string pem = await File.ReadAllTextAsync(Path.Combine(_folder, "vitrine", "certificate.pem"), _deadline);
        using var certificate = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPem(pem);
        return certificate.GetCertHashString(System.Security.Cryptography.HashAlgorithmName.SHA256);
    }

    private async Task<string> CurlAsync(bool tls, string? token, string address, params string[] more)
    {
        (int exitCode, string output, string errors) = await ChildProcess.RunAsync(
            "curl",
            [
                "--silent", "--show-error", .. tls ? (string[])["--http2", "--insecure"] : ["--http2-prior-knowledge"],
                .. token is null ? (string[])[] : ["--header", "authorization: Bearer " + token],
                "--write-out", "%{stderr}HTTP/%{http_version}", address, .. more,
            ],
            null, _deadline);
        Assert.True(exitCode is 0 or 28, $"curl ended with {exitCode}: {errors}"); // 28: --max-time
        Assert.EndsWith("HTTP/2", errors, StringComparison.Ordinal);
        return output;
    }

    private async Task<(int Status, string Code)> CurlProblemAsync(bool tls, string? token, string address, params string[] more)
    {
        string output = await CurlAsync(tls, token, address, [.. more, "--write-out", "%{stderr}HTTP/%{http_version}%{stdout}\n%{http_code} %{content_type}"]);
        string[] parts = output.Split('\n');
        Assert.EndsWith(" application/problem+json", parts[^1], StringComparison.Ordinal);
        using JsonDocument problem = JsonDocument.Parse(parts[0]);
        int status = int.Parse(parts[^1].Split(' ')[0], CultureInfo.InvariantCulture);
        Assert.Equal(status, problem.RootElement.GetProperty("status").GetInt32());
        return (status, problem.RootElement.GetProperty("code").GetString()!);
    }

    private async Task<IMessage> CallAsync(ICallChannel channel, string name, IMessage request)
    {
        MethodDescriptor method = s_desktop.FindMethodByName(name);
        IMessage response = method.OutputType.Parser.ParseFrom(ByteString.Empty);
        await channel.CallAsync(new(method), request, response, CallOptions.Default, _deadline);
        return response;
    }
}
