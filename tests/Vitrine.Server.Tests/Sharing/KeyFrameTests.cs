using Vitrine.Codecs.Regions;
using Vitrine.Frames;
using Vitrine.Server.Metrics;
using Vitrine.Transports;
using Vitrine.Transports.WebSocket;
using Vitrine.Viewer;
using Vitrine.Wire;

namespace Vitrine.Server.Tests.Sharing;

/// <summary>Video over real connections, and what is counted of it.</summary>
public sealed class KeyFrameTests
{
    // Large enough that video is cheaper for two viewers, whatever else the machine does.
    private static readonly DeviceSize s_size = new(640, 480);
    private static readonly DeviceRectangle s_film = new(64, 64, 512, 384);

    [Fact]
    public async Task ViewerAsksForKeyFramesAllTheTime_FourASecondAreMadeAndOthersGoOn()
    {
        await using Host host = await Host.StartAsync(new(s_size.Width, s_size.Height));
        await using HeadlessViewer healthy = await host.ConnectAsync();
        ConnectResult connected = await WebSocketConnector.ConnectAsync(new UriBuilder(host.Server.Url) { Path = "/stream" }.Uri, new(), CancellationToken.None);
        await using IPacketConnection connection = connected.Connection ?? throw new InvalidOperationException(connected.Detail);
        long counted = ShareMeter.KeyFramesAsked.Value;
        using KeyFrameFlood flood = new(connection);
        Task flooding = flood.RunAsync();
        for (int i = 0; flood.MostKeyFrames < 5; i++)
        {
            Assert.True(i < 20_000 && !flooding.IsCompleted, $"{flood.MostKeyFrames} key frames, and {flood.Asked} were asked for.");
            long seen = healthy.FrameCount;
            host.Display.PaintNoise(s_film, i);
            await Host.AssertAsync(healthy, v => v.FrameCount > seen, $"The other viewer got no frame {i}.");
        }

        connection.Abort();
        await flooding.WaitAsync(Host.Patience);
        Assert.True(flood.Asked > 10 * flood.KeyFrames.Values.Sum(frames => frames.Count), $"{flood.Asked} were asked for.");
        // What was sent last may be lost with the connection.
        await Host.AssertSoonAsync(() => ShareMeter.KeyFramesAsked.Value - counted >= flood.Asked / 2, "What was asked for was not counted.");
        Assert.All(flood.KeyFrames.Values, frames => Assert.True(
            frames[^1].EncodedNs - frames[0].CapturedNs >= (frames.Count - 1) * RegionCoder.KeyFrameNsMin,
            $"{frames.Count} key frames in {(frames[^1].EncodedNs - frames[0].CapturedNs) / 1e9:F2} s"));
        Assert.True(healthy.VideoCounts is { Decoded: > 20, Resets: 0 }, healthy.VideoCounts.ToString());
        await host.AssertShownByAsync(healthy, "at rest");
    }

    [Fact]
    public async Task FilmRests_RefinedTilesAreCounted()
    {
        long counted = ShareMeter.TilesRefined.Value;
        await using (Host host = await Host.StartAsync(new(s_size.Width, s_size.Height)))
        {
            await using HeadlessViewer viewer = await host.ConnectAsync(), other = await host.ConnectAsync();
            for (int i = 0; viewer.Regions.Count == 0; i++)
            {
                Assert.InRange(i, 0, 20_000);
                long seen = viewer.FrameCount;
                host.Display.PaintNoise(s_film, i);
                await Host.AssertAsync(viewer, v => v.FrameCount > seen, $"No frame {i} came.");
            }

            await host.AssertShownByAsync(viewer, "at rest");
            await host.AssertShownByAsync(other, "at rest");
        }

        Assert.True(ShareMeter.TilesRefined.Value > counted); // at the latest when the session ends
    }

    /// <summary>A viewer that asks for a key frame 500 times a second: half of the messages that it may send.</summary>
    private sealed class KeyFrameFlood(IPacketConnection connection) : IDisposable
    {
        private readonly SemaphoreSlim _sending = new(1);
        private readonly byte[] _sent = new byte[256];
        private long _asked;
        private int _mostKeyFrames;
        private int _region = -1;

        /// <summary>Those that came, by stream. For when it has ended.</summary>
        public Dictionary<uint, List<(long CapturedNs, long EncodedNs)>> KeyFrames { get; } = [];

        /// <summary>Of one stream.</summary>
        public int MostKeyFrames => Volatile.Read(ref _mostKeyFrames);

        public long Asked => Interlocked.Read(ref _asked);

        /// <summary>Until the connection ends.</summary>
        public async Task RunAsync()
        {
            byte[] received = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer];
            await SayAsync(new ViewerHello(ViewerCapabilities.H264, "flood"));
            Task asking = AskAsync();
            while (await connection.ReceiveAsync(received) is { Status: PacketReceiveStatus.Packet })
            {
                Assert.Equal(WireStatus.Ok, PacketHeader.TryRead(received, out PacketHeader header));
                if (header.Type == PacketType.Video)
                {
                    Note(header, received.AsSpan(PacketHeader.SizeBytes, header.PayloadBytes));
                }

                if (header.Sequence != 0 && !header.Flags.HasFlag(PacketFlags.More))
                {
                    await SayAsync(new Presented(header.SentNs + 1, header.SentNs + 2, header.SentNs + 3), header.Sequence);
                }
            }

            await asking;
        }

        public void Dispose() => _sending.Dispose();

        private async Task AskAsync()
        {
            using PeriodicTimer pace = new(TimeSpan.FromMilliseconds(2));
            PacketSendStatus status = PacketSendStatus.Sent;
            while (status == PacketSendStatus.Sent && await pace.WaitForNextTickAsync())
            {
                if (Volatile.Read(ref _region) is >= 0 and var region)
                {
                    status = await SayAsync(new KeyFrameRequest((ushort)region, KeyFrameReason.Missing));
                    Interlocked.Increment(ref _asked);
                }
            }
        }

        private async Task<PacketSendStatus> SayAsync<T>(T message, uint sequence = 0)
            where T : IWireMessage
        {
            await _sending.WaitAsync();
            try
            {
                return await connection.SendAsync(_sent.AsMemory(0, Packet.Write(_sent, message, 0, 0, sequence)));
            }
            finally
            {
                _sending.Release();
            }
        }

        private void Note(in PacketHeader header, ReadOnlySpan<byte> payload)
        {
            Assert.Equal(WireStatus.Ok, FramePrefix.TryRead(payload, out FramePrefix prefix));
            Assert.Equal(WireStatus.Ok, VideoPacket.TryRead(payload, s_size, out VideoPacket video));
            Volatile.Write(ref _region, video.Head.Region);
            if (video.Head.IsKeyFrame)
            {
                if (!KeyFrames.TryGetValue(video.Head.Stream, out List<(long CapturedNs, long EncodedNs)>? frames))
                {
                    KeyFrames[video.Head.Stream] = frames = [];
                }

                frames.Add((header.OriginNs + prefix.CapturedAfterNs, header.OriginNs + prefix.EncodedAfterNs));
                Volatile.Write(ref _mostKeyFrames, Math.Max(_mostKeyFrames, frames.Count));
            }
        }
    }
}
