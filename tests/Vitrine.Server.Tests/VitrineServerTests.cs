using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Google.Protobuf.Reflection;
using Vitrine.Server.Tests.Service;
using Vitrine.Transports;
using Vitrine.Transports.Calls;
using Vitrine.Transports.WebSocket;
using Vitrine.Viewer;
using Vitrine.Wire;
using Vitrine.Wire.Health.V1;
using Vitrine.Wire.V1;

namespace Vitrine.Server.Tests;

public sealed class VitrineServerTests
{
    [Fact]
    public async Task TokenIsWrongOrMissing_Refused()
    {
        await using Host host = await Host.StartAsync();
        foreach (string query in (string[])["", "?t=", "?t=" + new string('A', 43), "?t=" + new string('A', 4000), "?t=a&t=b", "?x=" + host.Server.Token])
        {
            ViewerConnectException exception = await Assert.ThrowsAsync<ViewerConnectException>(() =>
                HeadlessViewer.ConnectAsync(new Uri(host.Server.Url, "/stream" + query)));
            Assert.True(exception.Status is ConnectStatus.AccessDenied or ConnectStatus.NotVitrine, $"{query}: {exception.Status}");
        }

        Assert.Equal(0, host.Session.Status.Viewers);
        Assert.Equal(43, host.Server.Token.Length); // 256 bits
    }

    [Fact]
    public async Task TooManyWrongTokens_RefusedWithRetryAfterButTheRightOnePasses()
    {
        await using Host host = await Host.StartAsync();
        using HttpClient http = new();
        HttpStatusCode last = HttpStatusCode.OK;
        for (int i = 0; i < 12; i++)
        {
            using HttpResponseMessage response = await http.GetAsync(new Uri(host.Server.Url, "/healthz?t=wrong"));
            last = response.StatusCode;
            if (last == HttpStatusCode.TooManyRequests)
            {
                Assert.InRange(response.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
            }
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, last);
        ViewerConnectException exception = await Assert.ThrowsAsync<ViewerConnectException>(() =>
            HeadlessViewer.ConnectAsync(new Uri(host.Server.Url, "/stream?t=wrong")));
        Assert.Equal(ConnectStatus.RateLimited, exception.Status);
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);
    }

    [Theory]
    [InlineData("http://evil.example", false)]
    [InlineData("null", false)]
    [InlineData("http://127.0.0.1:1", false)]
    [InlineData("own", true)]
    public async Task PageOfAnOriginConnects_OnlyItsOwnMay(string origin, bool isAllowed)
    {
        await using Host host = await Host.StartAsync();
        string value = origin == "own" ? host.Server.Url.GetLeftPart(UriPartial.Authority) : origin;
        ConnectResult result = await WebSocketConnector.ConnectAsync(
            PacketConnector.StreamAddress(host.Server.Url), new PacketConnectOptions { Origin = value }, CancellationToken.None);
        Assert.Equal(isAllowed ? ConnectStatus.Connected : ConnectStatus.AccessDenied, result.Status);
        if (result.Connection is { } connection)
        {
            await connection.DisposeAsync();
        }
    }

    [Fact]
    public async Task AsManyViewersAsAllowed_TheNextIsRefusedUntilOneLeaves()
    {
        await using Host host = await Host.StartAsync(options: new() { ViewersMax = 2 });
        HeadlessViewer first = await host.ConnectAsync();
        await using HeadlessViewer second = await host.ConnectAsync();
        ViewerConnectException exception = await Assert.ThrowsAsync<ViewerConnectException>(() => host.ConnectAsync());
        Assert.Equal(ConnectStatus.TooManyViewers, exception.Status);

        // A page asks here for the reason: a browser does not tell it.
        using HttpClient http = new();
        Uri health = new(host.Server.Url, $"/healthz?t={host.Server.Token}");
        using (HttpResponseMessage full = await http.GetAsync(health))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, full.StatusCode);
        }

        await first.DisposeAsync();
        await Host.AssertSoonAsync(() => http.GetAsync(health).GetAwaiter().GetResult().IsSuccessStatusCode, "The place was not given back.");
        await using HeadlessViewer third = await host.ConnectAsync();
        await host.AssertShownByAsync(third);
    }

    [Fact]
    public async Task PortIsBusy_StartFailsAndSaysWhatToDo()
    {
        using Socket other = new(SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        other.Listen();
        ShareSession session = new(new SyntheticDisplay(64, 64).TryOpen, new());
        int port = ((IPEndPoint)other.LocalEndPoint!).Port;
        ServerStartException exception = await Assert.ThrowsAsync<ServerStartException>(() => VitrineServer.StartAsync(session, new() { Port = port }));
        Assert.Equal(ServerStartFailure.PortBusy, exception.Failure);
        Assert.Contains("--port", exception.Message, StringComparison.Ordinal);
        await session.DisposeAsync();
    }

    [Fact]
    public async Task AddressIsNotOurs_StartFailsAndSaysWhatToDo()
    {
        ShareSession session = new(new SyntheticDisplay(64, 64).TryOpen, new());
        using TemporaryFolder folder = new();
        ServerStartException exception = await Assert.ThrowsAsync<ServerStartException>(() =>
            VitrineServer.StartAsync(session, new() { Listen = IPAddress.Parse("192.0.2.1"), Port = 0, ConfigDirectory = folder.Path }));
        Assert.Equal(ServerStartFailure.AddressUnavailable, exception.Failure);
        await session.DisposeAsync();
    }

    [Fact]
    public async Task OptionsCannotBeUsed_StartFailsAndNamesKeySourceAndAllowed()
    {
        ServerOptions options = new() { Port = 70_000, ViewersMax = 0, Token = "short" };
        IReadOnlyList<OptionError> errors = options.Validate(key => "--" + key);
        Assert.Equal(["port", "viewers", "token"], errors.Select(error => error.Key));
        Assert.Equal("port = 70000 (from --port) cannot be used: a number from 0 (any free port) to 65535.", errors[0].ToString());
        Assert.DoesNotContain("short", errors[2].ToString(), StringComparison.Ordinal);

        ShareSession session = new(new SyntheticDisplay(64, 64).TryOpen, new());
        ServerStartException exception = await Assert.ThrowsAsync<ServerStartException>(() => VitrineServer.StartAsync(session, options));
        Assert.Equal(ServerStartFailure.InvalidOptions, exception.Failure);
        await session.DisposeAsync();
    }

    [Fact]
    public async Task ListensBeyondLoopback_SpeaksTlsOnly()
    {
        using TemporaryFolder folder = new();
        await using Host host = await Host.StartAsync(options: new() { Listen = IPAddress.Any, ConfigDirectory = folder.Path });
        Assert.Equal("https", host.Server.Url.Scheme);
        string fingerprint = host.Server.CertificateFingerprint!;
        Uri local = new($"https://127.0.0.1:{host.Server.EndPoint.Port}/?t={host.Server.Token}");

        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(local, new() { CertificateFingerprint = fingerprint });
        await host.AssertShownByAsync(viewer, "over TLS");

        ViewerConnectException untrusted = await Assert.ThrowsAsync<ViewerConnectException>(() => HeadlessViewer.ConnectAsync(local));
        Assert.Equal(ConnectStatus.CertificateRefused, untrusted.Status);
        ViewerConnectException other = await Assert.ThrowsAsync<ViewerConnectException>(() =>
            HeadlessViewer.ConnectAsync(local, new() { CertificateFingerprint = new string('0', 64) }));
        Assert.Equal(ConnectStatus.CertificateRefused, other.Status);
        ViewerConnectException plain = await Assert.ThrowsAsync<ViewerConnectException>(() =>
            HeadlessViewer.ConnectAsync(new UriBuilder(local) { Scheme = "http" }.Uri));
        Assert.True(plain.Status is ConnectStatus.NotVitrine or ConnectStatus.Unreachable, $"Plain HTTP: {plain.Status}");

        using HttpClientHandler trusting = new() { ServerCertificateCustomValidationCallback = (_, certificate, _, _) => certificate is not null };
        using HttpClient http = new(trusting) { DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using HttpResponseMessage page = await http.GetAsync(new Uri(local, "/healthz"));
        Assert.Equal(HttpVersion.Version20, page.Version);
        // HSTS holds for every port of a host name, for a year: not ours to decide for what else the machine serves.
        Assert.False(page.Headers.Contains("Strict-Transport-Security"));
    }

    [Fact]
    public async Task Http2WithoutTls_SamePortAsHttp1AndWebSockets()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer, "over a WebSocket");
        foreach (Version version in (Version[])[HttpVersion.Version20, HttpVersion.Version11, HttpVersion.Version20])
        {
            using HttpClient http = new() { DefaultRequestVersion = version, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
            for (int i = 0; i < 3; i++)
            {
                using HttpResponseMessage page = await http.GetAsync(new Uri(host.Server.Url, "/healthz"));
                Assert.Equal((HttpStatusCode.OK, version), (page.StatusCode, page.Version));
            }
        }

        host.Display.Paint(new(5, 5, 30, 30), 0x123456);
        await host.AssertShownByAsync(viewer, "beside HTTP/2");
    }

    [Fact]
    public async Task ServerStopsWhileHttp2ConnectionsStand_EndsAtOnce()
    {
        Host host = await Host.StartAsync();
        using HttpClient http = new() { DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using HttpResponseMessage page = await http.GetAsync(new Uri(host.Server.Url, "/healthz"));
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        await host.DisposeAsync().AsTask().WaitAsync(Host.Patience);
    }

    [Fact]
    public async Task EveryAnswer_CarriesSecurityHeaders()
    {
        await using Host host = await Host.StartAsync();
        using HttpClient http = new();
        foreach (string path in (string[])["/", "/healthz", "/metrics", "/nothing", "/stream", "/stream?t=wrong"])
        {
            using HttpResponseMessage response = await http.GetAsync(new Uri(host.Server.Url, path));
            string policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
            Assert.Contains("script-src 'self'", policy, StringComparison.Ordinal);
            Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
            Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
            Assert.Equal("no-referrer", Assert.Single(response.Headers.GetValues("Referrer-Policy")));
            Assert.Equal("same-origin", Assert.Single(response.Headers.GetValues("Cross-Origin-Opener-Policy")));
            Assert.False(response.Headers.Contains("Server"));
            Assert.DoesNotContain(host.Server.Token, await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task PageWasNotBuilt_AnswersHowToBuildIt()
    {
        using TemporaryFolder folder = new();
        await using Host host = await Host.StartAsync(options: new() { WebRoot = folder.Path });
        using HttpClient http = new();
        Assert.Contains("./vitrine", await http.GetStringAsync(host.Server.Url), StringComparison.Ordinal);
    }

    [Fact]
    public async Task PageWasBuilt_ItsFilesAreServedAndNothingElse()
    {
        using TemporaryFolder folder = new();
        string root = Path.Combine(folder.Path, "wwwroot");
        Directory.CreateDirectory(Path.Combine(root, "assets"));
        await File.WriteAllTextAsync(Path.Combine(root, "index.html"), "<!doctype html>the page");
        await File.WriteAllTextAsync(Path.Combine(root, "assets", "viewer-1234.js"), "export {}");
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "secret.txt"), "secret");
        await using Host host = await Host.StartAsync(options: new() { WebRoot = root });
        using HttpClient http = new();

        using HttpResponseMessage page = await http.GetAsync(host.Server.Url);
        Assert.Equal("<!doctype html>the page", await page.Content.ReadAsStringAsync());
        Assert.True(page.Headers.CacheControl!.NoCache);
        using HttpResponseMessage script = await http.GetAsync(new Uri(host.Server.Url, "/assets/viewer-1234.js"));
        Assert.Equal("text/javascript", script.Content.Headers.ContentType!.MediaType);
        Assert.Contains("immutable", script.Headers.GetValues("Cache-Control").Single(), StringComparison.Ordinal);
        foreach (string path in (string[])["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/assets/"])
        {
            using HttpResponseMessage response = await http.GetAsync(new Uri(host.Server.Url.GetLeftPart(UriPartial.Authority) + path));
            Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        }
    }

    [Fact]
    public async Task HealthIsAsked_TellsStateViewersAndSource()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);
        using HttpClient http = new();
        JsonElement health = await http.GetFromJsonAsync<JsonElement>(new Uri(host.Server.Url, "/healthz"));
        Assert.Equal("ok", health.GetProperty("status").GetString());
        Assert.Equal("live", health.GetProperty("state").GetString());
        Assert.Equal(1, health.GetProperty("viewers").GetInt32());
        Assert.Equal("synthetic", health.GetProperty("source").GetString());
        Assert.Equal("320x200", health.GetProperty("size").GetString());

        host.Display.Kill();
        await Host.AssertAsync(viewer, v => v.Topology!.State == TopologyState.DisplayGone, "Gone was not told.");
        health = await http.GetFromJsonAsync<JsonElement>(new Uri(host.Server.Url, "/healthz"));
        Assert.Equal("display-gone", health.GetProperty("state").GetString());
    }

    [Fact]
    public async Task SessionHasFailed_HealthSaysSoOverHttpAndGrpc()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);
        await using ICallChannel channel = Channels.Open("grpc", host.Server, null);
        ServiceDescriptor health = HealthReflection.Descriptor.Services[0];
        CallMethod check = new(health.FindMethodByName("Check")), watch = new(health.FindMethodByName("Watch"));
        string desktop = DesktopReflection.Descriptor.Services[0].FullName, echo = EchoReflection.Descriptor.Services[0].FullName;
        await using ClientCall watching = await channel.StartAsync(watch, CallOptions.Default);
        await watching.WriteAsync(new HealthCheckRequest { Service = desktop });
        await watching.CompleteWritesAsync();
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, await NextAsync());
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, await StatusAsync(""));
        using HttpClient http = new();
        using (HttpResponseMessage well = await http.GetAsync(new Uri(host.Server.Url, "/healthz")))
        {
            Assert.Equal(HttpStatusCode.OK, well.StatusCode);
        }

        host.Display.Break();
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.NotServing, await NextAsync());
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.NotServing, await StatusAsync(""));
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.NotServing, await StatusAsync(desktop));
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, await StatusAsync(echo));
        using HttpResponseMessage failed = await http.GetAsync(new Uri(host.Server.Url, "/healthz"));
        Assert.Equal(HttpStatusCode.InternalServerError, failed.StatusCode);

        async Task<HealthCheckResponse.Types.ServingStatus> NextAsync()
        {
            HealthCheckResponse next = new();
            Assert.True(await watching.ReadAsync(next).AsTask().WaitAsync(Host.Patience));
            return next.Status;
        }

        async Task<HealthCheckResponse.Types.ServingStatus> StatusAsync(string service)
        {
            HealthCheckResponse answer = new();
            await channel.CallAsync(check, new HealthCheckRequest { Service = service }, answer, CallOptions.Default);
            return answer.Status;
        }
    }

    [Fact]
    public async Task MetricsAreAsked_PrometheusTextComes()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);
        await Host.AssertAsync(viewer, v => v.Clock.Count >= 8, "The clock exchanges did not come.");
        for (uint i = 1; i <= 20; i++)
        {
            long seen = viewer.FrameCount;
            host.Display.Paint(new(0, 0, 50, 50), i);
            await Host.AssertAsync(viewer, v => v.FrameCount > seen, "No frame came.");
        }

        using HttpClient http = new();
        string page = "";
        await Host.AssertSoonAsync(
            () =>
            {
                page = http.GetStringAsync(new Uri(host.Server.Url, "/metrics")).GetAwaiter().GetResult();
                return ValueOf(page, "vitrine_latency_seconds_count{stage=\"total\"}") >= 15;
            },
            "The latencies did not come.");
        Assert.True(ValueOf(page, "vitrine_frames_captured_total") >= 20);
        Assert.True(ValueOf(page, "vitrine_sent_bytes_total") > 0);
        Assert.True(ValueOf(page, "vitrine_viewers") >= 1);
        Assert.True(ValueOf(page, "process_cpu_seconds_total") > 0);
        Assert.Contains("# TYPE vitrine_encoders_used gauge\n", page, StringComparison.Ordinal);
        Assert.Contains("# TYPE vitrine_encoders_idle gauge\n", page, StringComparison.Ordinal);

        // Every line is one of the format's.
        Assert.All(page.Split('\n', StringSplitOptions.RemoveEmptyEntries), line =>
            Assert.Matches(@"^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+=""[^""]*""(,le=""[^""]+"")?\})? [-+.0-9eE]+)$", line));
    }

    [Fact]
    public async Task ViewerSendsGarbage_ClosedWithProtocolErrorAndOthersDoNotNotice()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer healthy = await host.ConnectAsync();
        await host.AssertShownByAsync(healthy);
        Random random = new(1);
        byte[] hello = Written(new ViewerHello(0, "test"));
        (string Name, byte[][] Messages)[] attacks =
        [
            ("noise", [[.. Enumerable.Range(0, 500).Select(_ => (byte)random.Next(256))]]),
            ("empty", [[]]),
            ("truncated header", [hello[..20]]),
            ("truncated payload", [hello[..^1]]),
            ("trailing bytes", [[.. hello, 0]]),
            ("hello twice", [hello, hello]),
            ("no hello", [Written(new ClockRequest(1))]),
            ("host's message", [hello, Written(new StatisticsMessage(1, 2, 3, 4, 5))[..40]]),
            ("oversize", [hello, new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToHost + 1]]),
            ("oversize by far", [new byte[1 << 20]]),
            ("short Presented", [hello, [.. Written(new Presented(1, 2, 3))[..8], 8, 0, 0, 0, .. new byte[28]]]),
        ];
        foreach ((string name, byte[][] messages) in attacks)
        {
            Goodbye goodbye = await AttackAsync(host, messages);
            Assert.True(goodbye.Reason == GoodbyeReason.ProtocolError, $"{name}: {goodbye.Reason}");
        }

        byte[] otherVersion = [.. hello];
        otherVersion[2] = 2;
        Assert.Equal(GoodbyeReason.VersionMismatch, (await AttackAsync(host, [otherVersion])).Reason);

        host.Display.Paint(new(1, 1, 50, 50), 0x123456);
        await host.AssertShownByAsync(healthy, "while others send garbage");
        await Host.AssertSoonAsync(() => host.Session.Status.Viewers == 1, "The attackers are still there.");
    }

    [Fact]
    public async Task ViewerSendsValidMessagesAtFullSpeed_ClosedWithProtocolError()
    {
        await using Host host = await Host.StartAsync();
        byte[] request = Written(new ClockRequest(1));
        Goodbye goodbye = await AttackAsync(host, [Written(new ViewerHello(0, "fast")), .. Enumerable.Repeat(request, 5_000)]);
        Assert.Equal(GoodbyeReason.ProtocolError, goodbye.Reason);
    }

    [Fact]
    public async Task UnknownMessageType_IsSkipped()
    {
        await using Host host = await Host.StartAsync();
        byte[] unknown = Written(new ClockRequest(1));
        unknown[3] = 0x7F;
        await using IPacketConnection connection = await OpenAsync(host);
        await connection.SendAsync(Written(new ViewerHello(0, "newer")));
        await connection.SendAsync(unknown);
        await connection.SendAsync(Written(new ClockRequest(42)));
        byte[] buffer = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer];
        while (true)
        {
            PacketReceived received = await connection.ReceiveAsync(buffer).AsTask().WaitAsync(Host.Patience);
            Assert.Equal(PacketReceiveStatus.Packet, received.Status);
            Assert.Equal(WireStatus.Ok, PacketHeader.TryRead(buffer, out PacketHeader header));
            if (header.Type == PacketType.ClockReply)
            {
                Assert.Equal(WireStatus.Ok, ClockReply.TryRead(buffer.AsSpan(PacketHeader.SizeBytes, header.PayloadBytes), out ClockReply reply));
                Assert.Equal(42, reply.RequestSentNs);
                return;
            }
        }
    }

    [Fact]
    public async Task MessageIsFragmented_IsPutTogether()
    {
        await using Host host = await Host.StartAsync();
        using ClientWebSocket socket = new();
        socket.Options.AddSubProtocol(WebSocketPacketConnection.SubProtocol);
        UriBuilder address = new(PacketConnector.StreamAddress(host.Server.Url)) { Scheme = "ws" };
        await socket.ConnectAsync(address.Uri, CancellationToken.None);
        byte[] hello = Written(new ViewerHello(0, "fragmented"));
        for (int i = 0; i < hello.Length; i++)
        {
            await socket.SendAsync(hello.AsMemory(i, 1), WebSocketMessageType.Binary, i == hello.Length - 1, CancellationToken.None);
        }

        await Host.AssertSoonAsync(() => host.Session.Status.Viewers == 1, "The viewer did not join.");
        await socket.SendAsync(Encoding.UTF8.GetBytes("text"), WebSocketMessageType.Text, true, CancellationToken.None);
        await Host.AssertSoonAsync(() => host.Session.Status.Viewers == 0, "A text message was taken.");
    }

    [Fact]
    public async Task ViewersJoinAndLeaveManyTimes_NoDescriptorIsLeft()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer stays = await host.ConnectAsync();
        await host.AssertShownByAsync(stays);
        await JoinAndLeaveAsync(host, 20);
        int before = Descriptors();
        await JoinAndLeaveAsync(host, 200);
        await Host.AssertSoonAsync(() => host.Session.Status.Viewers == 1, "Viewers did not leave.");
        await Host.AssertSoonAsync(() => Descriptors() <= before + 4, $"{Descriptors() - before} descriptors more than before.");

        static async Task JoinAndLeaveAsync(Host host, int count)
        {
            for (int i = 0; i < count; i++)
            {
                await using HeadlessViewer viewer = await host.ConnectAsync();
            }
        }

        static int Descriptors() => Directory.GetFiles("/proc/self/fd").Length;
    }

    private static async Task<Goodbye> AttackAsync(Host host, IEnumerable<byte[]> messages)
    {
        await using IPacketConnection connection = await OpenAsync(host);
        Task sending = Task.Run(async () =>
        {
            foreach (byte[] message in messages)
            {
                if (await connection.SendAsync(message) == PacketSendStatus.Closed)
                {
                    break;
                }
            }
        });
        byte[] buffer = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer];
        Goodbye goodbye = default;
        while (true)
        {
            PacketReceived received = await connection.ReceiveAsync(buffer).AsTask().WaitAsync(Host.Patience);
            if (received.Status != PacketReceiveStatus.Packet)
            {
                break;
            }

            Assert.Equal(WireStatus.Ok, PacketHeader.TryRead(buffer, out PacketHeader header));
            if (header.Type == PacketType.Goodbye)
            {
                Assert.Equal(WireStatus.Ok, Goodbye.TryRead(buffer.AsSpan(PacketHeader.SizeBytes, header.PayloadBytes), out goodbye));
            }
        }

        connection.Abort();
        await sending;
        return goodbye;
    }

    private static async Task<IPacketConnection> OpenAsync(Host host)
    {
        ConnectResult result = await WebSocketConnector.ConnectAsync(PacketConnector.StreamAddress(host.Server.Url), new(), CancellationToken.None);
        Assert.Equal(ConnectStatus.Connected, result.Status);
        return result.Connection!;
    }

    private static byte[] Written<T>(T message)
        where T : IWireMessage
    {
        byte[] packet = new byte[PacketHeader.SizeBytes + message.SizeBytesMax];
        return packet[..Packet.Write(packet, message, 0)];
    }

    private static double ValueOf(string page, string series) =>
        page.Split('\n').Where(line => line.StartsWith(series + " ", StringComparison.Ordinal))
            .Select(line => double.Parse(line[(series.Length + 1)..], CultureInfo.InvariantCulture)).FirstOrDefault();
}
