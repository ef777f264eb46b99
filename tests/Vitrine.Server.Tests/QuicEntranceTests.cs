using System.Net;
using System.Net.Sockets;
using System.Text;
using Vitrine.Transports;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Quic;
using Vitrine.Transports.Tests.Quic;
using Vitrine.Viewer;

namespace Vitrine.Server.Tests;

/// <summary>Viewers over QUIC, from the source to the picture. Where QUIC's libraries are missing there is nothing to test; in CI they must be.</summary>
public sealed class QuicEntranceTests
{
    private static readonly HeadlessViewerOptions Quic = new() { Transport = PacketTransport.Quic };

    [QuicFact]
    public async Task ViewerOverQuic_ShowsTheDisplay()
    {
        await using Host host = await Host.StartAsync();
        Assert.Equal("", host.Server.QuicFailure);
        await using HeadlessViewer viewer = await host.ConnectAsync(Quic);
        Assert.Equal(("quic", ""), (viewer.Transport, viewer.ConnectionNote));
        await host.AssertShownByAsync(viewer);
        for (int i = 0; i < 20; i++)
        {
            host.Display.PaintNoise(new(i * 8, i * 4, 100, 60), i);
            await host.AssertShownByAsync(viewer, $"after change {i}");
        }

        await Host.AssertAsync(viewer, seen => seen.Clock.Count > 0, "The clock is not known.");
        host.Display.Resize(400, 300);
        host.Display.PaintNoise(new(0, 0, 400, 300), 99);
        await host.AssertShownByAsync(viewer, "after a new size");
        await host.Server.StopAsync();
        await Host.AssertAsync(viewer, seen => seen.Goodbye is not null && !seen.IsConnected, "Nobody said goodbye.");
    }

    [QuicFact]
    public async Task MachineHasAnotherAddress_QuicStaysAWebSocketIsMadeAnew()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer staying = await host.ConnectAsync(Quic with { Reconnect = true });
        await using HeadlessViewer renewed = await host.ConnectAsync(new() { Reconnect = true });
        await host.AssertShownByAsync(staying);
        await host.AssertShownByAsync(renewed);
        Assert.Equal(TransportCapabilities.Datagrams | TransportCapabilities.Migration, staying.Connection!.Capabilities & (TransportCapabilities.Datagrams | TransportCapabilities.Migration));
        Assert.Equal(TransportCapabilities.None, renewed.Connection!.Capabilities);
        staying.NoteAddressChange();
        renewed.NoteAddressChange();
        await Host.AssertAsync(renewed, seen => seen is { ConnectionCount: 2, IsConnected: true }, "It is not connected again.");
        host.Display.PaintNoise(new(10, 10, 100, 60), 1);
        await host.AssertShownByAsync(staying, "after the change");
        await host.AssertShownByAsync(renewed, "after the new connection");
        Assert.Equal(1, staying.ConnectionCount);
    }

    [QuicFact]
    public async Task WrongTokenAndTooManyViewers_Refused()
    {
        await using Host host = await Host.StartAsync(options: new() { ViewersMax = 1 });
        Uri direct = new($"quic://127.0.0.1:{host.Server.QuicEndPoint!.Port}/?t=");
        HeadlessViewerOptions options = Quic with { CertificateFingerprint = host.Server.QuicFingerprint };
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(new(direct + host.Server.Token), options);
        await host.AssertShownByAsync(viewer);
        Assert.Equal(ConnectStatus.TooManyViewers, (await Assert.ThrowsAsync<ViewerConnectException>(() => HeadlessViewer.ConnectAsync(new(direct + host.Server.Token), options))).Status);
        ConnectStatus last = ConnectStatus.Connected;
        for (int i = 0; i < 12; i++)
        {
            last = (await Assert.ThrowsAsync<ViewerConnectException>(() => HeadlessViewer.ConnectAsync(new(direct + "wrong"), options))).Status;
            Assert.True(last is ConnectStatus.AccessDenied or ConnectStatus.RateLimited);
        }

        Assert.Equal(ConnectStatus.RateLimited, last);
        Assert.Equal(ConnectStatus.CertificateRefused, (await Assert.ThrowsAsync<ViewerConnectException>(
            () => HeadlessViewer.ConnectAsync(new(direct + host.Server.Token), options with { CertificateFingerprint = new string('0', 64) }))).Status);
    }

    [QuicFact]
    public async Task OtherCongestionControlIsAskedFor_ItIsServedOnAPortOfItsOwn()
    {
        await using Host host = await Host.StartAsync();
        PacketConnectOptions options = new();
        string stream = $"http://127.0.0.1:{host.Server.EndPoint.Port}/stream?t=";
        (QuicOffer? cubic, _) = await QuicOffer.AskAsync(new(stream + host.Server.Token + "&congestion=cubic"), options, CancellationToken.None);
        (QuicOffer? bbr, _) = await QuicOffer.AskAsync(new(stream + host.Server.Token + "&congestion=bbr"), options, CancellationToken.None);
        (QuicOffer? again, _) = await QuicOffer.AskAsync(new(stream + host.Server.Token + "&congestion=bbr"), options, CancellationToken.None);
        Assert.Equal((host.Server.QuicEndPoint!.Port, "cubic"), (cubic!.Port, cubic.Congestion));
        Assert.Equal("bbr", bbr!.Congestion);
        Assert.NotEqual(cubic.Port, bbr.Port);
        Assert.Equal(bbr, again);
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(
            new($"quic://127.0.0.1:{bbr.Port}/?t={host.Server.Token}"), Quic with { CertificateFingerprint = bbr.Certificate });
        await host.AssertShownByAsync(viewer);

        (QuicOffer? none, ConnectResult refusal) = await QuicOffer.AskAsync(new(stream + host.Server.Token + "&congestion=magic"), options, CancellationToken.None);
        Assert.Equal((null, ConnectStatus.NotVitrine), (none, refusal.Status));
        (none, refusal) = await QuicOffer.AskAsync(new(stream + "wrong&congestion=bbr"), options, CancellationToken.None);
        Assert.Equal((null, ConnectStatus.AccessDenied), (none, refusal.Status));
    }

    [QuicFact]
    public async Task LimitsAreReached_MetricsTell()
    {
        await using Host host = await Host.StartAsync();
        using HttpClient http = new();
        const string Failed = "vitrine_quic_handshakes_total{result=\"failed\"}", Negotiated = "vitrine_quic_answers_total{kind=\"version-negotiation\"}",
            Metadata = "vitrine_grpc_limits_total{limit=\"metadata\"}", Heads = "vitrine_web_closed_total{reason=\"max_request_headers_total_size_exceeded\"}";
        string page = await PageAsync();
        Assert.Contains("vitrine_quic_refusals_total{limit=\"connections\"} ", page, StringComparison.Ordinal);
        (long failed, long negotiated, long metadata, long heads) = (ValueOf(Failed), ValueOf(Negotiated), ValueOf(Metadata), ValueOf(Heads));

        Uri direct = new($"quic://127.0.0.1:{host.Server.QuicEndPoint!.Port}/?t={host.Server.Token}");
        await Assert.ThrowsAsync<ViewerConnectException>(() => HeadlessViewer.ConnectAsync(direct, Quic with { CertificateFingerprint = new string('0', 64) }));

        // A version that nobody speaks (RFC 9000, section 15), in a packet of the least length.
        using UdpClient udp = new();
        byte[] packet = new byte[1200];
        new byte[] { 0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0 }.CopyTo(packet, 0);
        await udp.SendAsync(packet, host.Server.QuicEndPoint);

        using HttpRequestMessage call = new(HttpMethod.Post, new Uri(host.Server.Url, "/vitrine.v1.Echo/Unary"))
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(new byte[5]) { Headers = { ContentType = new("application/grpc") } },
        };
        call.Headers.Add("authorization", "Bearer " + host.Server.Token);
        for (int i = 0; i <= CallMetadata.EntriesMax; i++)
        {
            call.Headers.Add("a" + i, "b");
        }

        using HttpResponseMessage refused = await http.SendAsync(call);
        using TcpClient large = new();
        await large.ConnectAsync(host.Server.EndPoint);
        await large.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET /healthz HTTP/1.1\r\nHost: a\r\nx-large: {new string('a', 20_000)}\r\n\r\n"));

        await Host.AssertSoonAsync(
            async () =>
            {
                page = await PageAsync();
                return ValueOf(Failed) > failed && ValueOf(Negotiated) > negotiated && ValueOf(Metadata) > metadata && ValueOf(Heads) > heads;
            },
            "The counters did not move.");

        Task<string> PageAsync() => http.GetStringAsync(new Uri(host.Server.Url, "/metrics"));

        long ValueOf(string series) => page.Split('\n').FirstOrDefault(line => line.StartsWith(series + " ", StringComparison.Ordinal)) is { } found
            ? long.Parse(found.AsSpan(series.Length + 1), System.Globalization.CultureInfo.InvariantCulture)
            : 0;
    }

    [QuicFact]
    public async Task SeveralThreads_EachListens_ViewersOnAnyOfThemShowTheDisplay()
    {
        await using Host host = await Host.StartAsync(options: new() { QuicThreads = 3 });
        string name = $"quic {host.Server.QuicEndPoint!.Port}.";
        Assert.Equal(3, Directory.GetDirectories("/proc/self/task").Count(task => NameOf(task).StartsWith(name, StringComparison.Ordinal)));
        for (int i = 0; i < 8; i++)
        {
            await using HeadlessViewer viewer = await host.ConnectAsync(Quic);
            await host.AssertShownByAsync(viewer, $"viewer {i}");
        }

        static string NameOf(string task)
        {
            try
            {
                return File.ReadAllText(Path.Combine(task, "comm"));
            }
            catch (IOException)
            {
                return ""; // it has ended
            }
        }
    }

    [QuicFact]
    public async Task OnLoopback_SpokenFromWhenAViewerAsks()
    {
        SyntheticDisplay display = new(320, 200);
        await using ShareSession session = new(display.TryOpen, new() { Name = "test" });
        await session.StartAsync();
        await using VitrineServer server = await VitrineServer.StartAsync(session, new() { Port = 0 });
        Assert.Null(server.QuicEndPoint);
        await using (HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(server.Url))
        {
            Assert.Null(server.QuicEndPoint); // nobody asked for it
        }

        await using HeadlessViewer quic = await HeadlessViewer.ConnectAsync(server.Url, Quic);
        Assert.Equal("quic", quic.Transport);
        Assert.Equal(server.EndPoint.Port, server.QuicEndPoint!.Port);
    }

    [QuicFact]
    public async Task UdpPortIsTaken_SpokenOnAnotherOneThatIsTold()
    {
        SyntheticDisplay display = new(320, 200);
        await using ShareSession session = new(display.TryOpen, new() { Name = "test" });
        await session.StartAsync();
        await using VitrineServer server = await VitrineServer.StartAsync(session, new() { Port = 0 });
        using Socket taken = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        taken.Bind(server.EndPoint);
        Assert.True(server.OpenQuic(), server.QuicFailure);
        Assert.Equal("", server.QuicFailure);
        Assert.NotEqual(server.EndPoint.Port, server.QuicEndPoint!.Port);
        (QuicOffer? offer, _) = await QuicOffer.AskAsync(PacketConnector.StreamAddress(server.Url), new(), CancellationToken.None);
        Assert.Equal(server.QuicEndPoint.Port, offer!.Port);
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(server.Url, Quic);
        Assert.Equal(("quic", ""), (viewer.Transport, viewer.ConnectionNote));
        await Host.AssertAsync(viewer, seen => seen.FrameCount > 0, "No picture came.");
        Assert.Equal(server.QuicEndPoint, ((QuicPacketConnection)viewer.Connection!).Connection.RemoteEndPoint);
    }

    [Fact]
    public async Task QuicOff_AWebSocketAndTheReason()
    {
        await using Host host = await Host.StartAsync(options: new() { Quic = false });
        Assert.Null(host.Server.QuicEndPoint);
        await using HeadlessViewer viewer = await host.ConnectAsync(new() { Transport = PacketTransport.Best });
        Assert.Equal("websocket", viewer.Transport);
        Assert.Contains("QUIC", viewer.ConnectionNote, StringComparison.Ordinal);
        await host.AssertShownByAsync(viewer);
        Assert.Equal(ConnectStatus.Unreachable, (await Assert.ThrowsAsync<ViewerConnectException>(() => host.ConnectAsync(Quic))).Status);
    }

    [QuicFact]
    public async Task UdpDoesNotPass_AWebSocketAndTheReason()
    {
        await using Host host = await Host.StartAsync();
        using Socket silent = UdpRelay.Bind();
        await using HeadlessViewer viewer = await host.ConnectAsync(new() { Transport = PacketTransport.Best, QuicPort = ((IPEndPoint)silent.LocalEndPoint!).Port });
        Assert.Equal("websocket", viewer.Transport);
        Assert.Contains("QUIC does not pass", viewer.ConnectionNote, StringComparison.Ordinal);
        await host.AssertShownByAsync(viewer);
    }

    [QuicFact]
    public async Task UdpBlockedInTheMiddle_TheSameSessionGoesOnOverAWebSocket()
    {
        await using Host host = await Host.StartAsync();
        await using UdpRelay relay = new(host.Server.QuicEndPoint!);
        await using HeadlessViewer viewer = await host.ConnectAsync(new() { Transport = PacketTransport.Best, QuicPort = relay.EndPoint.Port, Reconnect = true });
        Assert.Equal("quic", viewer.Transport);
        await host.AssertShownByAsync(viewer);
        Guid session = viewer.Hello!.Value.SessionId;
        relay.ToClient = relay.ToServer = _ => false;
        host.Display.PaintNoise(new(10, 10, 200, 100), 7);
        await host.AssertShownByAsync(viewer, "after UDP was blocked");
        Assert.Equal(("websocket", session), (viewer.Transport, viewer.Hello!.Value.SessionId));
        Assert.Contains("QUIC does not pass", viewer.ConnectionNote, StringComparison.Ordinal);
    }

    [QuicFact]
    public async Task ChangeOfPath_TheStreamGoesOnOnTheSameConnection()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync(Quic);
        await host.AssertShownByAsync(viewer);
        for (int i = 0; i < 30; i++)
        {
            host.Display.PaintNoise(new(i * 4, i * 4, 100, 60), i);
            if (i % 10 == 5)
            {
                Assert.True(await ((QuicPacketConnection)viewer.Connection!).Connection.MigrateAsync(new(IPAddress.Loopback, 0)));
            }

            await host.AssertShownByAsync(viewer, $"after change {i}");
        }

        Assert.Equal(1, viewer.ConnectionCount);
    }

    [QuicFact]
    public async Task VideoThroughALossyNetwork_ExactWhenItRests()
    {
        SyntheticDisplay display = new(640, 480);
        await using Host host = await Host.StartAsync(display);
        await using UdpRelay relay = new(host.Server.QuicEndPoint!);
        await using HeadlessViewer viewer = await host.ConnectAsync(Quic with { QuicPort = relay.EndPoint.Port });
        await host.AssertShownByAsync(viewer);
        Random random = new(1);
        relay.ToClient = _ =>
        {
            lock (random)
            {
                return random.Next(20) != 0;
            }
        };
        for (int i = 0; i < 150; i++)
        {
            display.PaintNoise(new(128, 128, 256, 192), i); // what keeps moving
            if (i % 10 == 0)
            {
                display.Paint(new(i, 400, 40, 20), (uint)(i * 1000)); // and what does not
            }

            await Task.Delay(15);
        }

        relay.ToClient = _ => true;
        await host.AssertShownByAsync(viewer, "at rest");
        Assert.False(viewer.HasSeenMalformed);
        Assert.Equal(1, viewer.ConnectionCount);
    }
}
