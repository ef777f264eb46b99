using System.Net;
using Google.Protobuf;
using Vitrine.Imaging;
using Vitrine.Server.Metrics;
using Vitrine.Transports.Calls;
using Vitrine.Viewer;
using Vitrine.Wire;
using Vitrine.Wire.V1;

namespace Vitrine.Server.Tests.Service;

/// <summary>The same answers over every transport.</summary>
public sealed class DesktopServiceTests
{
    private static readonly Google.Protobuf.Reflection.ServiceDescriptor s_service = DesktopReflection.Descriptor.Services[0];

    public static TheoryData<string> Transports => Channels.Names;

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Displays_AreThoseOfTheTopology(string transport)
    {
        await using Host host = await Host.StartAsync();
        await using ICallChannel channel = Channels.Open(transport, host.Server, host.Server.Token);
        Assert.Empty((await CallAsync<ListDisplaysResponse>(channel, "ListDisplays", new ListDisplaysRequest())).Displays);
        host.Display.Observer!.OnTopology("two", [Host.Monitor(-10, 0, 200, 100, "DP-1"), new(new(190, 0, 100, 100), 1500, 90, true, "HDMI-1")]);
        ListDisplaysResponse response = await CallAsync<ListDisplaysResponse>(channel, "ListDisplays", new ListDisplaysRequest());
        Assert.Equal(
            [
                new Display { Name = "DP-1", BoundsPixels = new() { X = -10, Y = 0, Width = 200, Height = 100 }, Scale = 1 },
                new Display { Name = "HDMI-1", BoundsPixels = new() { X = 190, Y = 0, Width = 100, Height = 100 }, Scale = 1.5, RotationDegrees = 90, IsPrimary = true },
            ],
            response.Displays);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Session_SaysWhatIsSharedAndHowThatGoes(string transport)
    {
        await using Host host = await Host.StartAsync(options: new() { Administer = true, ViewersMax = 7 });
        await using ICallChannel channel = Channels.Open(transport, host.Server, AdministerToken(host));
        Session resting = await CallAsync<Session>(channel, "GetSession", new GetSessionRequest());
        Session expected = new()
        {
            SessionId = host.Session.SessionId.ToString("n"), HostName = "test", SourceName = "synthetic", State = Session.Types.State.Resting,
            WidthPixels = 320, HeightPixels = 200, Generation = 1, ViewersMax = 7,
        };
        expected.Grants.AddRange([Grant.View, Grant.Control, Grant.Administer]);
        Assert.Equal(expected, resting);

        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);
        Session live = await CallAsync<Session>(channel, "GetSession", new GetSessionRequest());
        Assert.Equal((Session.Types.State.Live, 1u), (live.State, live.ViewerCount));
        host.Display.Kill();
        await Host.AssertAsync(viewer, v => v.Topology?.State == TopologyState.DisplayGone, "The display is not gone.");
        Assert.Equal(Session.Types.State.DisplayGone, (await CallAsync<Session>(channel, "GetSession", new GetSessionRequest())).State);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task NoEncoder_SessionSaysWhyThereIsNoVideo(string transport)
    {
        using BrokenEncoders encoders = new("none here");
        await using Host host = await Host.StartAsync(new(640, 480), new() { FramesPerSecondMax = 240, Encoders = encoders });
        await using ICallChannel channel = Channels.Open(transport, host.Server, host.Server.Token);
        Assert.Empty((await CallAsync<Session>(channel, "GetSession", new GetSessionRequest())).VideoFailure);
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.PlayUntilAsync(viewer, new(64, 64, 512, 384), () => host.Session.Status.VideoFailure.Length > 0, "No encoder was asked for.");
        Assert.Equal("none here", (await CallAsync<Session>(channel, "GetSession", new GetSessionRequest())).VideoFailure);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Viewers_AreListedWithWhatTheyWereSent(string transport)
    {
        await using Host host = await Host.StartAsync(options: new() { Administer = true });
        await using ICallChannel channel = Channels.Open(transport, host.Server, AdministerToken(host));
        Assert.Empty((await CallAsync<ListViewersResponse>(channel, "ListViewers", new ListViewersRequest())).Viewers);
        host.Display.PaintNoise(new(0, 0, 100, 100), 3); // a black picture would be shown before the first frame
        await using HeadlessViewer viewer = await host.ConnectAsync(new() { Name = "me", DecodesVideo = false });
        await host.AssertShownByAsync(viewer);
        Wire.V1.Viewer listed = Assert.Single((await CallAsync<ListViewersResponse>(channel, "ListViewers", new ListViewersRequest())).Viewers);
        Assert.Equal((1ul, "me", "websocket", false), (listed.ViewerId, listed.Name, listed.Transport, listed.DecodesVideo));
        await Host.AssertSoonAsync(() => ShareMeter.ViewersWithoutVideo.Value >= 1, "It is not counted."); // and those of tests beside this one
        Assert.Equal([Grant.View], listed.Grants);
        Assert.StartsWith("127.0.0.1:", listed.Peer, StringComparison.Ordinal);
        Assert.True(listed is { BytesSent: > 0, FramesSent: > 0, ConnectedSeconds: > 0, VideoBitsPerSecondMax: > 0 }, listed.ToString());
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Statistics_ComeUntilTheCallerEnds(string transport)
    {
        await using Host host = await Host.StartAsync();
        await using ICallChannel channel = Channels.Open(transport, host.Server, host.Server.Token);
        await using (ClientCall call = await StartAsync(channel, "WatchStatistics", new WatchStatisticsRequest { IntervalMilliseconds = 100 }))
        {
            Statistics first = new();
            Assert.True(await call.ReadAsync(first));
            Assert.True(first is { ResidentMemoryBytes: > 0, FramesCaptured: 0, BytesSentPerSecond: 0, ViewerCount: 0 }, first.ToString());
            await using HeadlessViewer viewer = await host.ConnectAsync();
            await host.AssertShownByAsync(viewer);
            Statistics next = new();
            while (next is not { FramesCaptured: > 0, BytesSent: > 0, FramesSent: > 0, ViewerCount: 1 })
            {
                next = new();
                Assert.True(await call.ReadAsync(next).AsTask().WaitAsync(Host.Patience));
            }

            Assert.True(next.RunningSeconds > first.RunningSeconds);
        }

        CallException refused = await Assert.ThrowsAsync<CallException>(async () =>
        {
            await using ClientCall call = await StartAsync(channel, "WatchStatistics", new WatchStatisticsRequest { IntervalMilliseconds = 99 });
            await call.ReadAsync(new Statistics());
        });
        Assert.Equal(CallStatusCode.InvalidArgument, refused.Code);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Picture_IsWhatTheDisplayShows(string transport)
    {
        await using Host host = await Host.StartAsync();
        await using ICallChannel channel = Channels.Open(transport, host.Server, host.Server.Token);
        host.Display.PaintNoise(new(13, 17, 200, 100), 1);
        Wire.V1.Picture raw = await CallAsync<Wire.V1.Picture>(channel, "GetPicture", new GetPictureRequest { Format = GetPictureRequest.Types.Format.Raw });
        Assert.Equal("application/octet-stream", raw.MediaType);
        Assert.Equal(new Rectangle { Width = 320, Height = 200 }, raw.BoundsPixels);
        Assert.True(host.Display.IsShownBy(raw.Data.Span, host.Display.Size));

        host.Display.PaintNoise(new(50, 60, 100, 100), 2);
        Wire.V1.Picture png = await CallAsync<Wire.V1.Picture>(channel, "GetPicture", new GetPictureRequest());
        Assert.Equal("image/png", png.MediaType);
        Assert.Equal(PngStatus.Decoded, PngFile.Decode(png.Data.Span, out Imaging.Picture? decoded, out _));
        Assert.True(host.Display.IsShownBy(decoded!.Pixels, decoded.Format.Size));
        Assert.True(png.Frame > raw.Frame);

        Wire.V1.Picture part = await CallAsync<Wire.V1.Picture>(channel, "GetPicture", new GetPictureRequest
        {
            Format = GetPictureRequest.Types.Format.Raw, Rectangle = new() { X = 300, Y = -5, Width = 100, Height = 15 },
        });
        Assert.Equal(new Rectangle { X = 300, Y = 0, Width = 20, Height = 10 }, part.BoundsPixels);
        Assert.Equal(20 * 10 * 4, part.Data.Length);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task PictureCannotBeHad_CodeSaysWhy(string transport)
    {
        await using Host host = await Host.StartAsync(options: new() { Administer = true });
        await using ICallChannel channel = Channels.Open(transport, host.Server, AdministerToken(host));
        GetPictureRequest raw = new() { Format = GetPictureRequest.Types.Format.Raw };
        await AssertFailsAsync(CallStatusCode.ResourceExhausted, channel, "GetPicture", new GetPictureRequest(raw) { BytesMax = 255_999 });
        await AssertFailsAsync(CallStatusCode.InvalidArgument, channel, "GetPicture", new GetPictureRequest(raw) { BytesMax = (64 << 20) + 1 });
        await AssertFailsAsync(CallStatusCode.InvalidArgument, channel, "GetPicture", new GetPictureRequest { Format = (GetPictureRequest.Types.Format)9 });
        foreach (Rectangle rectangle in (Rectangle[])[new() { X = 320, Width = 1, Height = 1 }, new(), new() { X = int.MinValue, Y = int.MinValue, Width = int.MaxValue, Height = int.MaxValue }, new() { Width = -1, Height = 5 }])
        {
            await AssertFailsAsync(CallStatusCode.OutOfRange, channel, "GetPicture", new GetPictureRequest { Rectangle = rectangle });
        }

        await CallAsync<Session>(channel, "StopSharing", new StopSharingRequest());
        await AssertFailsAsync(CallStatusCode.FailedPrecondition, channel, "GetPicture", raw);
        await CallAsync<Session>(channel, "StartSharing", new StartSharingRequest());
        host.Display.Kill();
        await AssertFailsAsync(CallStatusCode.Unavailable, channel, "GetPicture", raw);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task SharingIsStoppedAndStarted_ViewersAreTold(string transport)
    {
        await using Host host = await Host.StartAsync(options: new() { Administer = true });
        await using ICallChannel channel = Channels.Open(transport, host.Server, AdministerToken(host));
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);
        Session stopped = await CallAsync<Session>(channel, "StopSharing", new StopSharingRequest { Reason = new string('x', 5000) });
        Assert.Equal(Session.Types.State.Stopped, stopped.State);
        await Host.AssertAsync(viewer, v => v.Goodbye is not null, "The viewer was not told.");
        Assert.Equal(new string('x', 512), viewer.Goodbye!.Value.Text);
        Assert.Equal(Session.Types.State.Stopped, (await CallAsync<Session>(channel, "StopSharing", new StopSharingRequest())).State);
        Assert.Equal(Session.Types.State.Resting, (await CallAsync<Session>(channel, "StartSharing", new StartSharingRequest())).State);
        await using HeadlessViewer next = await host.ConnectAsync();
        await host.AssertShownByAsync(next);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task GrantIsMissing_Refused(string transport)
    {
        await using Host host = await Host.StartAsync(options: new() { Administer = true, Control = true });
        foreach ((string? token, bool isKnown) in ((string?, bool)[])[(null, false), ("wrong", false), ("", false), (host.Server.Token, true), (Token(host.Server.ControlUrl!), true)])
        {
            await using ICallChannel channel = Channels.Open(transport, host.Server, token);
            foreach (string name in (string[])["ListViewers", "StartSharing", "StopSharing"])
            {
                await AssertFailsAsync(isKnown ? CallStatusCode.PermissionDenied : CallStatusCode.Unauthenticated, channel, name, Empty(name));
            }

            if (!isKnown)
            {
                await AssertFailsAsync(CallStatusCode.Unauthenticated, channel, "GetSession", Empty("GetSession"));
                break; // ten failures and the address has to wait
            }
        }

        Assert.True(host.Session.Status.IsSharing);
        await using ICallChannel stranger = Channels.Open(transport, host.Server, "wrong");
        CallStatusCode last = CallStatusCode.Unauthenticated;
        for (int i = 0; i < 12; i++)
        {
            last = (await Assert.ThrowsAsync<CallException>(() => CallAsync<Session>(stranger, "GetSession", new GetSessionRequest()))).Code;
        }

        Assert.Equal(CallStatusCode.ResourceExhausted, last);
        await using ICallChannel known = Channels.Open(transport, host.Server, host.Server.Token);
        await CallAsync<Session>(known, "GetSession", new GetSessionRequest()); // a right token always passes
    }

    [Theory]
    [InlineData("websocket")]
    [InlineData("http2")]
    [InlineData("grpc")]
    public async Task LiveStream_IsExactOverEveryTransport(string transport)
    {
        await using Host host = await Host.StartAsync(options: new() { Administer = true });
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(new Uri(host.Server.Url + "&transport=" + transport));
        for (int i = 0; i < 30; i++)
        {
            host.Display.PaintNoise(new(i * 7, i * 4, 60, 60), i);
            await host.AssertShownByAsync(viewer, $"over {transport}");
        }

        await using ICallChannel channel = Channels.Open("grpc", host.Server, AdministerToken(host));
        Assert.Equal(transport, Assert.Single((await CallAsync<ListViewersResponse>(channel, "ListViewers", new ListViewersRequest())).Viewers).Transport);
        host.Display.Resize(400, 300);
        host.Display.PaintNoise(new(100, 100, 300, 200), 99);
        await host.AssertShownByAsync(viewer, $"after a resize over {transport}");
        Assert.False(viewer.HasSeenMalformed);

        // The host stops: the viewer is told, and the connection ends in order.
        host.Session.StopSharing("Enough.");
        await Host.AssertAsync(viewer, v => !v.IsConnected, "The connection did not end.");
        Assert.Equal("Enough.", viewer.Goodbye?.Text);
        await Host.AssertSoonAsync(() => host.Session.Status.Viewers == 0, "The viewer is still counted.");
    }

    // A seat is free a moment after its viewer is not counted any more.
    private static async Task<HeadlessViewer> ConnectSoonAsync(Uri address)
    {
        HeadlessViewer? viewer = null;
        await Host.AssertSoonAsync(
            async () =>
            {
                try
                {
                    viewer = await HeadlessViewer.ConnectAsync(address);
                    return true;
                }
                catch (ViewerConnectException full) when (full.Status == Vitrine.Transports.ConnectStatus.TooManyViewers)
                {
                    return false;
                }
            },
            "The seat is not free.");
        return viewer!;
    }

    [Theory]
    [InlineData("http2")]
    [InlineData("grpc")]
    public async Task ViewerLeavesOrIsRefused_SeatIsFreeAndReasonIsTold(string transport)
    {
        await using Host host = await Host.StartAsync(options: new() { ViewersMax = 1 });
        Uri address = new(host.Server.Url + "&transport=" + transport);
        for (int i = 0; i < 3; i++)
        {
            await using HeadlessViewer viewer = await ConnectSoonAsync(address);
            await host.AssertShownByAsync(viewer);
            ViewerConnectException full = await Assert.ThrowsAsync<ViewerConnectException>(() => HeadlessViewer.ConnectAsync(address));
            Assert.Equal(Vitrine.Transports.ConnectStatus.TooManyViewers, full.Status);
            await viewer.DisposeAsync();
            await Host.AssertSoonAsync(() => host.Session.Status.Viewers == 0, "The viewer is still counted.");
        }

        ViewerConnectException wrong = await Assert.ThrowsAsync<ViewerConnectException>(() => HeadlessViewer.ConnectAsync(new Uri(host.Server.Url, "/?t=wrong&transport=" + transport)));
        Assert.Equal(Vitrine.Transports.ConnectStatus.AccessDenied, wrong.Status);
        host.Session.StopSharing("");
        ViewerConnectException stopped = await Assert.ThrowsAsync<ViewerConnectException>(() => HeadlessViewer.ConnectAsync(address));
        Assert.Equal(Vitrine.Transports.ConnectStatus.TooManyViewers, stopped.Status);
        await Assert.ThrowsAsync<ArgumentException>(() => HeadlessViewer.ConnectAsync(new Uri(host.Server.Url + "&transport=pigeon")));
    }

    [Theory]
    [InlineData("http2")]
    [InlineData("grpc")]
    public async Task ViewerOverTls_ExactAndCertificateIsChecked(string transport)
    {
        using TemporaryFolder folder = new();
        await using Host host = await Host.StartAsync(options: new() { Listen = IPAddress.Any, ConfigDirectory = folder.Path });
        Uri local = new($"https://127.0.0.1:{host.Server.EndPoint.Port}/?t={host.Server.Token}&transport={transport}");
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(local, new() { CertificateFingerprint = host.Server.CertificateFingerprint });
        await host.AssertShownByAsync(viewer, $"over TLS and {transport}");
        foreach (string? fingerprint in (string?[])[null, new string('0', 64)])
        {
            ViewerConnectException refused = await Assert.ThrowsAsync<ViewerConnectException>(() => HeadlessViewer.ConnectAsync(local, new() { CertificateFingerprint = fingerprint }));
            Assert.Equal(Vitrine.Transports.ConnectStatus.CertificateRefused, refused.Status);
        }
    }

    [Theory]
    [InlineData("http2")]
    [InlineData("grpc")]
    public async Task ViewerStopsToRead_OthersAreServedAndItEndsWithTheHost(string transport)
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer stalled = await HeadlessViewer.ConnectAsync(new Uri(host.Server.Url + "&transport=" + transport), new() { Acknowledge = false });
        await using HeadlessViewer other = await host.ConnectAsync();
        stalled.IsStalled = true;
        for (int i = 0; i < 50; i++)
        {
            host.Display.PaintNoise(new(0, 0, 320, 200), i);
            await host.AssertShownByAsync(other, "beside a stalled one");
        }

        await host.Server.StopAsync().WaitAsync(Host.Patience);
    }

    private static string Token(Uri url) => url.Query["?t=".Length..];

    private static string AdministerToken(Host host) => Token(host.Server.AdministerUrl!);

    private static CallMethod Method(string name) => new(s_service.FindMethodByName(name));

    private static IMessage Empty(string name) => s_service.FindMethodByName(name).InputType.Parser.ParseFrom(ByteString.Empty);

    private static async Task<T> CallAsync<T>(ICallChannel channel, string name, IMessage request)
        where T : IMessage, new()
    {
        T response = new();
        await channel.CallAsync(Method(name), request, response, CallOptions.Default).AsTask().WaitAsync(Host.Patience);
        return response;
    }

    private static async Task<ClientCall> StartAsync(ICallChannel channel, string name, IMessage request)
    {
        ClientCall call = await channel.StartAsync(Method(name), CallOptions.Default);
        await call.WriteAsync(request);
        await call.CompleteWritesAsync();
        return call;
    }

    private static async Task AssertFailsAsync(CallStatusCode code, ICallChannel channel, string name, IMessage request)
    {
        IMessage response = s_service.FindMethodByName(name).OutputType.Parser.ParseFrom(ByteString.Empty);
        CallException failure = await Assert.ThrowsAsync<CallException>(() =>
            channel.CallAsync(Method(name), request, response, CallOptions.Default).AsTask().WaitAsync(Host.Patience));
        Assert.True(code == failure.Code, $"{name}: {failure.Code} {failure.Message}");
    }
}
