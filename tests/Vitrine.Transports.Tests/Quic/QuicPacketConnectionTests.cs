using System.Net;
using System.Threading.Channels;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Quic;
using Vitrine.Wire;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>The live stream between our two ends, over real sockets.</summary>
public sealed class QuicPacketConnectionTests
{
    private const string Token = "a-token-of-22-characters";

    [QuicFact]
    public async Task Packets_BothWaysAndTheEnd()
    {
        await using LivePair pair = await LivePair.StartAsync();
        Assert.Equal("quic", pair.Viewer.Transport);
        Assert.Equal("quic", pair.Host.Transport);
        Assert.Equal("Hello 0", await pair.AtViewerAsync());
        await pair.Viewer.SendAsync(LivePackets.ViewerHello());
        await pair.Viewer.SendAsync(LivePackets.Message(new ClockRequest(5)));
        Assert.Equal("ViewerHello 0", await pair.AtHostAsync());
        Assert.Equal("ClockRequest 0", await pair.AtHostAsync());
        await pair.Host.SendAsync(LivePackets.Regions(1, true, 1));
        await pair.Host.SendAsync(LivePackets.Tiles(1, true, 200_000));
        await pair.Host.SendAsync(LivePackets.Video(1, false, 1, 1, 1, isKeyFrame: true, bytes: 100_000));
        await pair.Host.SendAsync(LivePackets.Tiles(2, false));
        Assert.Equal(["Regions 1+", "Tiles 1+", "Video 1 #1", "Tiles 2"], [await pair.AtViewerAsync(), await pair.AtViewerAsync(), await pair.AtViewerAsync(), await pair.AtViewerAsync()]);
        await pair.Host.CloseAsync(PacketCloseReason.Normal, TimeSpan.FromSeconds(5));
        Assert.Equal(PacketReceiveStatus.Closed, (await pair.Viewer.ReceiveAsync(new byte[1000])).Status);
        await pair.Viewer.CloseAsync(PacketCloseReason.Normal, TimeSpan.FromSeconds(5));
        Assert.Equal(PacketReceiveStatus.Closed, (await pair.Host.ReceiveAsync(new byte[1000])).Status);
    }

    [QuicFact]
    public async Task CursorThatRests_ItsLastPositionComesForSure()
    {
        await using LivePair pair = await LivePair.StartAsync();
        for (int i = 0; i < 50; i++)
        {
            await pair.Host.SendAsync(LivePackets.Position(i, 100 + i));
        }

        Assert.Equal("Hello 0", await pair.AtViewerAsync());
        int x = -1;
        while (x != 49)
        {
            Assert.Equal("CursorPosition 0", await pair.AtViewerAsync());
            Assert.True(BitConverter.ToInt32(pair.ViewerBuffer, PacketHeader.SizeBytes) > x);
            x = BitConverter.ToInt32(pair.ViewerBuffer, PacketHeader.SizeBytes);
        }
    }

    [QuicFact]
    public async Task KeyFrame_ResetsWhatItMakesStale()
    {
        await using LivePair pair = await LivePair.StartAsync(throughRelay: true);
        Assert.Equal("Hello 0", await pair.AtViewerAsync());
        const int bytes = 1_000_000;
        int passed = 0;
        pair.Relay!.ToClient = datagram => Interlocked.Add(ref passed, datagram.Length) < bytes / 10; // a part of it arrives
        await pair.Host.SendAsync(LivePackets.Video(1, false, 1, 1, 1, isKeyFrame: true, bytes: bytes));
        await UntilHeldAsync(pair.Host, held => held is > 0 and < bytes);
        Assert.Equal(0, pair.Host.UnitsReset);
        await pair.Host.SendAsync(LivePackets.Video(2, false, 1, 1, 2, isKeyFrame: true, bytes: 20_000));
        Assert.Equal(1, pair.Host.UnitsReset);
        pair.Relay.ToClient = _ => true;
        Assert.Equal("Video 2 #2", await pair.AtViewerAsync());
    }

    [QuicFact]
    public async Task CursorAndClock_TravelAsDatagrams()
    {
        const int count = 20, positionBytes = PacketHeader.SizeBytes + 8;
        await using LivePair pair = await LivePair.StartAsync(throughRelay: true);
        await pair.Host.SendAsync(LivePackets.Position(0, 100)); // the first one in order
        Assert.Equal(["Hello 0", "CursorPosition 0"], [await pair.AtViewerAsync(), await pair.AtViewerAsync()]);
        long held = await HeldOfAsync(pair.Host, acknowledges => pair.Relay!.ToServer = _ => acknowledges, async () =>
        {
            for (int i = 1; i <= count; i++)
            {
                await pair.Host.SendAsync(LivePackets.Message(new ClockReply(i, i, i)));
                Assert.Equal("ClockReply 0", await pair.AtViewerAsync());
            }
        });
        Assert.Equal(0, held);

        held = await HeldOfAsync(pair.Host, acknowledges => pair.Relay!.ToServer = _ => acknowledges, async () =>
        {
            for (int i = 1; i <= count; i++)
            {
                await pair.Host.SendAsync(LivePackets.Position(i, 100 + i));
            }

            do
            {
                Assert.Equal("CursorPosition 0", await pair.AtViewerAsync());
            }
            while (BitConverter.ToInt32(pair.ViewerBuffer, PacketHeader.SizeBytes) != count);
        });
        Assert.InRange(held, 0, count * positionBytes / 2); // where the cursor rests, its position goes in order as well

        await pair.Viewer.SendAsync(LivePackets.ViewerHello());
        Assert.Equal("ViewerHello 0", await pair.AtHostAsync());
        held = await HeldOfAsync(pair.Viewer, acknowledges => pair.Relay!.ToClient = _ => acknowledges, async () =>
        {
            for (int i = 1; i <= count; i++)
            {
                await pair.Viewer.SendAsync(LivePackets.Message(new ClockRequest(i)));
                Assert.Equal("ClockRequest 0", await pair.AtHostAsync());
            }
        });
        Assert.Equal(0, held);
    }

    [QuicFact]
    public async Task ManyFramesThroughALossyNetwork_AllComeInOrder()
    {
        // A busy machine must not make a viewer give up what is on its way. Some time has to pass: a unit that a key frame made stale does not come.
        await using LivePair pair = await LivePair.StartAsync(throughRelay: true, viewerTime: new SlowTime());
        Random random = new(1);
        pair.Relay!.ToClient = _ =>
        {
            lock (random)
            {
                return random.Next(20) != 0;
            }
        };
        const uint frames = 400;
        Task sending = Task.Run(async () =>
        {
            for (uint i = 1; i <= frames; i++)
            {
                await pair.Host.SendAsync(LivePackets.Tiles(i, true, 2000 + (int)i));
                await pair.Host.SendAsync(LivePackets.Video(i, false, 1, 1, i, isKeyFrame: i % 50 == 1, bytes: 5000));
            }

            await pair.Host.SendAsync(LivePackets.Tiles(frames + 1, false));
        });
        uint tiles = 0, number = 0;
        Assert.Equal("Hello 0", await pair.AtViewerAsync());
        while (tiles <= frames)
        {
            await pair.AtViewerAsync();
            Assert.Equal(WireStatus.Ok, PacketHeader.TryRead(pair.ViewerBuffer, out PacketHeader header));
            if (header.Type == PacketType.Tiles)
            {
                Assert.Equal(++tiles, header.Sequence);
            }
            else
            {
                uint next = BitConverter.ToUInt32(pair.ViewerBuffer, PacketHeader.SizeBytes + 24);
                Assert.True(next == number + 1 || next % 50 == 1, $"{next} after {number}");
                number = next;
            }
        }

        await sending;
    }

    [QuicFact]
    public async Task ViewerThatDoesNotRead_ItsHostWaitsMemoryIsBoundedAndOthersGoOn()
    {
        await using LivePair pair = await LivePair.StartAsync();
        await using LivePair other = await LivePair.StartAsync(pair);
        Assert.Equal("Hello 0", await other.AtViewerAsync());
        uint sent = 0;
        Task sending = Task.Run(async () =>
        {
            for (; sent < 400; sent++)
            {
                await pair.Host.SendAsync(LivePackets.Tiles(sent + 1, true, 100_000));
                await pair.Host.SendAsync(LivePackets.Video(sent + 1, false, 1, 1, sent + 1, isKeyFrame: sent == 0, bytes: 100_000));
            }
        });
        for (uint i = 1; i <= 300; i++)
        {
            await other.Host.SendAsync(LivePackets.Tiles(i, false, 10_000));
            Assert.Equal($"Tiles {i}", await other.AtViewerAsync());
            Assert.InRange(pair.Server.Listener.GetStatistics().BufferBytes, 0, 24 << 20);
        }

        Assert.False(sending.IsCompleted);
        Assert.Equal("Hello 0", await pair.AtViewerAsync());
        for (uint tiles = 0, units = 0; tiles < 400 || units < 400;)
        {
            string packet = await pair.AtViewerAsync(); // video may be late, but none is lost
            Assert.Equal(packet[0] == 'T' ? $"Tiles {++tiles}+" : $"#{++units}", packet[0] == 'T' ? packet : packet[packet.IndexOf('#', StringComparison.Ordinal)..]);
        }

        await sending;
    }

    [QuicFact]
    public async Task ChangeOfPath_StreamGoesOn()
    {
        await using LivePair pair = await LivePair.StartAsync();
        Assert.Equal("Hello 0", await pair.AtViewerAsync());
        for (uint i = 1; i <= 100; i++)
        {
            if (i % 30 == 10)
            {
                Assert.True(await pair.Viewer.Connection.MigrateAsync(new(IPAddress.Loopback, 0)));
            }

            await pair.Host.SendAsync(LivePackets.Tiles(i, true));
            await pair.Host.SendAsync(LivePackets.Video(i, false, 1, 1, i, isKeyFrame: i == 1));
            Assert.Equal($"Tiles {i}+", await pair.AtViewerAsync());
            Assert.Equal($"Video {i} #{i}", await pair.AtViewerAsync());
        }
    }

    [QuicFact]
    public async Task Refused_TheReasonIsKnown()
    {
        CallException? refusal = new(CallStatusCode.Unavailable, "The host has as many viewers as it takes.");
        await using QuicCallHost host = QuicCallHost.Start(new() { Access = Access, Live = (_, _) => throw refusal });
        Assert.Equal(ConnectStatus.TooManyViewers, (await ConnectAsync(host, Token)).Status);
        refusal = new(CallStatusCode.ResourceExhausted, "Too many failed attempts.");
        Assert.Equal(ConnectStatus.RateLimited, (await ConnectAsync(host, Token)).Status);
        Assert.Equal(ConnectStatus.AccessDenied, (await ConnectAsync(host, "wrong")).Status);
        Assert.Equal(ConnectStatus.AccessDenied, (await ConnectAsync(host, "")).Status);
        Assert.Equal(ConnectStatus.CertificateRefused, (await ConnectAsync(host, Token, new string('0', 64))).Status);
        await host.DisposeAsync();
        Assert.Equal(ConnectStatus.Unreachable, (await ConnectAsync(host, Token)).Status);
    }

    [QuicFact]
    public async Task Aborted_BothSidesEnd()
    {
        await using LivePair pair = await LivePair.StartAsync();
        Assert.Equal("Hello 0", await pair.AtViewerAsync());
        Task<PacketReceived> receiving = pair.Host.ReceiveAsync(new byte[1000]).AsTask();
        pair.Host.Abort();
        Assert.Equal(PacketReceiveStatus.Lost, (await receiving).Status);
        Assert.Equal(PacketSendStatus.Closed, await pair.Host.SendAsync(LivePackets.Tiles(1, false)));
        Assert.Equal(PacketReceiveStatus.Lost, (await pair.Viewer.ReceiveAsync(new byte[1000])).Status);
    }

    /// <summary>Bytes that a side has on streams after it sent something of which nothing is acknowledged.</summary>
    /// <param name="side">Who sends.</param>
    /// <param name="acknowledge">Whether the other side's datagrams go on.</param>
    /// <param name="send">Sends, and sees it arrive.</param>
    private static async Task<long> HeldOfAsync(QuicPacketConnection side, Action<bool> acknowledge, Func<Task> send)
    {
        await UntilHeldAsync(side, held => held == 0);
        acknowledge(false);
        await send();
        long held = await HeldAsync(side);
        acknowledge(true);
        return held;
    }

    /// <summary>Bytes on streams that were not acknowledged.</summary>
    private static async Task<long> HeldAsync(QuicPacketConnection side) => (await side.Connection.GetStatisticsAsync()).SendBytesHeld;

    private static async Task UntilHeldAsync(QuicPacketConnection side, Func<long, bool> condition)
    {
        while (!condition(await HeldAsync(side)))
        {
            await Task.Delay(5);
        }
    }

    private static ViewerGrants Access(string? token, IPAddress? address) => token == Token ? ViewerGrants.View : ViewerGrants.None;

    private static Task<ConnectResult> ConnectAsync(QuicCallHost host, string token, string? fingerprint = null, int? port = null, TimeProvider? time = null) => QuicConnector.ConnectAsync(
        new($"quic://127.0.0.1:{port ?? host.Server.Listener.LocalEndPoint.Port}/stream?t={token}"),
        new()
        {
            CertificateFingerprint = fingerprint ?? QuicPair.Fingerprint(QuicPair.Certificate),
            Timeout = TimeSpan.FromSeconds(fingerprint is null ? 5 : 30),
            Time = time ?? TimeProvider.System,
        },
        CancellationToken.None);

    /// <summary>A clock of which 20 s are one.</summary>
    private sealed class SlowTime : TimeProvider
    {
        public override long TimestampFrequency => System.TimestampFrequency;

        public override long GetTimestamp() => System.GetTimestamp() / 20;
    }

    /// <summary>A host and a viewer of it; the host has greeted.</summary>
    private sealed class LivePair : IAsyncDisposable
    {
        private readonly QuicCallHost _server;
        private readonly Channel<QuicPacketConnection> _hosts;
        private readonly TaskCompletionSource _end;
        private readonly bool _isOwner;
        private readonly byte[] _hostBuffer = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToHost];

        private LivePair(QuicCallHost server, Channel<QuicPacketConnection> hosts, TaskCompletionSource end, QuicPacketConnection host, QuicPacketConnection viewer, UdpRelay? relay, bool isOwner) =>
            (_server, _hosts, _end, Host, Viewer, Relay, _isOwner) = (server, hosts, end, host, viewer, relay, isOwner);

        public QuicCallServer Server => _server.Server;

        public QuicPacketConnection Host { get; }

        public QuicPacketConnection Viewer { get; }

        public UdpRelay? Relay { get; }

        public byte[] ViewerBuffer { get; } = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer];

        public static async Task<LivePair> StartAsync(LivePair? beside = null, bool throughRelay = false, TimeProvider? viewerTime = null)
        {
            Channel<QuicPacketConnection> hosts = beside?._hosts ?? Channel.CreateUnbounded<QuicPacketConnection>();
            TaskCompletionSource end = beside?._end ?? new(TaskCreationOptions.RunContinuationsAsynchronously);
            QuicCallHost server = beside?._server ?? QuicCallHost.Start(new()
            {
                Access = Access,
                Live = async (connection, grants) =>
                {
                    Assert.Equal(ViewerGrants.View, grants);
                    await connection.SendAsync(LivePackets.Hello());
                    hosts.Writer.TryWrite((QuicPacketConnection)connection);
                    await end.Task;
                },
            });
            UdpRelay? relay = throughRelay ? new(server.Server.Listener.LocalEndPoint) : null;
            ConnectResult result = await ConnectAsync(server, Token, port: relay?.EndPoint.Port, time: viewerTime);
            Assert.Equal((ConnectStatus.Connected, ""), (result.Status, result.Detail));
            return new(server, hosts, end, await hosts.Reader.ReadAsync(), (QuicPacketConnection)result.Connection!, relay, beside is null);
        }

        public async Task<string> AtViewerAsync() => Describe(await Viewer.ReceiveAsync(ViewerBuffer).AsTask().WaitAsync(QuicCallHost.Patience), ViewerBuffer);

        public async Task<string> AtHostAsync() => Describe(await Host.ReceiveAsync(_hostBuffer).AsTask().WaitAsync(QuicCallHost.Patience), _hostBuffer);

        public async ValueTask DisposeAsync()
        {
            await Viewer.DisposeAsync();
            if (_isOwner)
            {
                _end.TrySetResult();
                await _server.DisposeAsync();
                await (Relay?.DisposeAsync() ?? default);
            }
        }

        private static string Describe(PacketReceived received, byte[] buffer)
        {
            Assert.Equal(PacketReceiveStatus.Packet, received.Status);
            return LivePackets.Describe(buffer.AsSpan(0, received.Bytes));
        }
    }
}
