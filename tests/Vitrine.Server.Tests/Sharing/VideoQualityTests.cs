using System.Collections.Concurrent;
using System.Threading.Channels;
using Vitrine.Codecs.Regions;
using Vitrine.Codecs.Tests.Regions;
using Vitrine.Frames;
using Vitrine.Server.Sharing;
using Vitrine.Transports;
using Vitrine.Wire;

namespace Vitrine.Server.Tests.Sharing;

/// <summary>Which of the two qualities a viewer gets, by what its link carries.</summary>
public sealed class VideoQualityTests
{
    private const long Second = 1_000_000_000;

    [Fact]
    public void FirstQualityTriedTooEarly_ThePauseDoublesUpToFiveMinutes()
    {
        using ViewerSession viewer = Viewer();
        long nowNs = 1_000 * Second;
        foreach (int pause in (int[])[5, 10, 20, 40, 80, 160, 300, 300])
        {
            AssertIsBackAfter(viewer, pause, ref nowNs);
            nowNs += Second; // and falls again at once
        }

        nowNs += 300 * Second; // it carried it for long
        AssertIsBackAfter(viewer, 5, ref nowNs);
        nowNs += Second;
        AssertIsBackAfter(viewer, 10, ref nowNs);
    }

    [Fact]
    public void LinkIsLowAgainAndAgain_ThePauseBeginsWithTheLastTime()
    {
        using ViewerSession viewer = Viewer();
        for (int second = 0; second <= 20; second++)
        {
            viewer.DecideQuality(isLow: true, isBack: false, second * Second);
            viewer.DecideQuality(isLow: false, isBack: true, (second * Second) + (Second / 2));
            Assert.Equal(1, viewer.VideoQuality);
        }

        viewer.DecideQuality(isLow: false, isBack: true, (25 * Second) - 1);
        Assert.Equal(1, viewer.VideoQuality);
        viewer.DecideQuality(isLow: false, isBack: true, 25 * Second);
        Assert.Equal(0, viewer.VideoQuality);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void LinkIsNeitherLowNorBack_ItsQualityStays(int quality)
    {
        using ViewerSession viewer = Viewer();
        viewer.DecideQuality(isLow: quality == 1, isBack: false, Second);
        for (int second = 2; second < 1_000; second++)
        {
            viewer.DecideQuality(isLow: false, isBack: false, second * Second);
            Assert.Equal(quality, viewer.VideoQuality);
        }
    }

    [Fact]
    public async Task SlowLinks_ShareTheSecondQualityAndWhoIsFastAgainGetsTheFirst()
    {
        await using Screening screening = await Screening.StartAsync();
        Link fast = screening.Links[0], slow = screening.Join(1_500_000), slower = screening.Join(1_000_000);
        screening.PlayUntil(() => slow.IsHalf && slower.IsHalf, "The slow links do not get the second quality.");
        Assert.Equal([0, 1, 1], screening.Qualities);
        slow.BitsPerSecond = 1_000_000_000;
        screening.PlayUntil(() => !slow.IsHalf, "The link that is fast again does not get the first quality.");
        Assert.Equal([0, 0, 1], screening.Qualities);
        Assert.False(fast.HasEverBeenHalf);
        Assert.True(slower.IsHalf);
        Assert.Equal([(2, 1), (2, 0), (3, 1)], screening.Moves.Select(move => ((int)move.Viewer, move.Quality)).OrderBy(move => move.Item1));

        // Of every picture there were two streams at most, and each is one quality.
        ILookup<long, (long OriginNs, uint Stream, bool IsHalf)> streams = screening.Links.SelectMany(link => link.Units).Distinct().ToLookup(unit => unit.OriginNs);
        Assert.Contains(streams, picture => picture.Count() == 2);
        Assert.All(streams, picture => Assert.True(picture.Count(unit => unit.IsHalf) <= 1 && picture.Count(unit => !unit.IsHalf) <= 1));
    }

    private static ViewerSession Viewer() =>
        new(new ShareSession(new SyntheticDisplay(64, 64).TryOpen, new()), 1, new Link(1, default), ViewerGrants.View, TimeProvider.System);

    private static void AssertIsBackAfter(ViewerSession viewer, int pause, ref long nowNs)
    {
        viewer.DecideQuality(isLow: true, isBack: false, nowNs);
        Assert.Equal(1, viewer.VideoQuality);
        viewer.DecideQuality(isLow: false, isBack: true, nowNs + (pause * Second) - 1);
        Assert.Equal(1, viewer.VideoQuality);
        nowNs += pause * Second;
        viewer.DecideQuality(isLow: false, isBack: true, nowNs);
        Assert.Equal(0, viewer.VideoQuality);
    }

    /// <summary>A film of noise, 30 frames a second by a clock that goes on with every frame.</summary>
    private sealed class Screening : IAsyncDisposable
    {
        private static readonly DeviceSize s_size = new(256, 192);
        private readonly SyntheticDisplay _display = new(s_size.Width, s_size.Height) { ReadTimes = [] };
        private readonly StepClock _clock = new();
        private readonly ShareSession _session;
        private readonly List<Task> _serving = [];
        private int _regions;
        private int _painted;

        private Screening() => _session = new(_display.TryOpen, new() { Name = "test", FramesPerSecondMax = 240, VideoBitsPerSecondMax = 4_000_000, Trace = Note, TraceQuality = Moves.Enqueue }, _clock);

        public List<Link> Links { get; } = [];

        /// <summary>Between the qualities.</summary>
        public ConcurrentQueue<QualityDecision> Moves { get; } = new();

        /// <summary>Of the links, in the order in which they joined. The first one is fast: each frame waits for it to have the one before.</summary>
        public IEnumerable<int> Qualities => _session.Viewers.Select(viewer => viewer.VideoQuality);

        public static async Task<Screening> StartAsync()
        {
            Screening screening = new();
            await screening._session.StartAsync();
            Link fast = screening.Join(1_000_000_000);
            Wait(() => fast.HasPicture, "The first picture does not come.");
            return screening;
        }

        public Link Join(long bitsPerSecond)
        {
            Link link = new(bitsPerSecond, s_size);
            Links.Add(link);
            _serving.Add(_session.ServeAsync(link, ViewerGrants.View));
            link.Say(new ViewerHello(ViewerCapabilities.H264, "link"));
            return link;
        }

        /// <summary>Plays for up to a minute.</summary>
        public void PlayUntil(Func<bool> condition, string what)
        {
            for (int frame = 0; !condition(); frame++)
            {
                Assert.True(frame < 1_800, what);
                Step();
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _session.DisposeAsync();
            await Task.WhenAll(_serving).WaitAsync(Host.Patience);
        }

        private void Step()
        {
            int seen = _display.FrameCount;
            _clock.AdvanceMs(33);
            Links.ForEach(link => link.Deliver(_clock.GetTimestamp()));
            _display.PaintNoise(DeviceRectangle.Of(s_size), ++_painted);
            Wait(() => _display.FrameCount > seen, "The frame is not read.");
            long originNs = _display.ReadTimes![^1];
            // The clock must not go on while the frame is coded: it would seem to take that long.
            Wait(() => Volatile.Read(ref _regions) > 0 ? Links[0].VideoOriginNs == originNs : Links[0].FrameOriginNs == originNs, "The fast link does not get the frame.");
        }

        private static void Wait(Func<bool> condition, string what) => Assert.True(SpinWait.SpinUntil(condition, Host.Patience), what);

        private void Note(RegionDecision decision)
        {
            if (decision.Step == RegionStep.Begins)
            {
                Interlocked.Increment(ref _regions);
            }
            else if (decision.Step is >= RegionStep.EndsAtRest and <= RegionStep.EndsByFailure)
            {
                Interlocked.Decrement(ref _regions);
            }
        }
    }

    /// <summary>A viewer behind a link of a rate and 2 ms: what is sent waits until what was sent before it has left, and what has arrived is acknowledged.</summary>
    private sealed class Link(long bitsPerSecond, DeviceSize size) : IPacketConnection
    {
        private const long TravelNs = 2_000_000;
        private readonly Channel<byte[]> _toHost = Channel.CreateUnbounded<byte[]>();
        private readonly Queue<(uint Sequence, long ArrivesNs)> _travelling = new();
        private readonly List<(long OriginNs, uint Stream, bool IsHalf)> _units = [];
        private readonly Lock _lock = new();
        private long _freeNs;
        private long _frameOriginNs;
        private long _videoOriginNs;
        private volatile bool _isHalf;
        private volatile bool _hasPicture;

        public long BitsPerSecond { get; set; } = bitsPerSecond;

        /// <summary>Whether the last access unit was one of the second quality.</summary>
        public bool IsHalf => _isHalf;

        public bool HasEverBeenHalf => Units.Any(unit => unit.IsHalf);

        public IReadOnlyList<(long OriginNs, uint Stream, bool IsHalf)> Units
        {
            get
            {
                lock (_lock)
                {
                    return [.. _units];
                }
            }
        }

        /// <summary>Whether a frame came whole.</summary>
        public bool HasPicture => _hasPicture;

        /// <summary>Of the last one; 0 where the host does not say.</summary>
        public long FrameOriginNs => Volatile.Read(ref _frameOriginNs);

        /// <summary>Of the last access unit.</summary>
        public long VideoOriginNs => Volatile.Read(ref _videoOriginNs);

        public string Transport => "test";

        public string Peer => "test";

        public void Say<T>(T message, uint sequence = 0)
            where T : IWireMessage
        {
            byte[] packet = new byte[PacketHeader.SizeBytes + message.SizeBytesMax];
            Assert.True(_toHost.Writer.TryWrite(packet[..Packet.Write(packet, message, 0, 0, sequence)]));
        }

        /// <summary>Acknowledges what has arrived.</summary>
        public void Deliver(long nowNs)
        {
            lock (_lock)
            {
                while (_travelling.TryPeek(out var first) && first.ArrivesNs <= nowNs)
                {
                    _travelling.Dequeue();
                    Say(new Presented(first.ArrivesNs, first.ArrivesNs, first.ArrivesNs), first.Sequence);
                }
            }
        }

        public ValueTask<PacketSendStatus> SendAsync(ReadOnlyMemory<byte> packet)
        {
            Assert.Equal(WireStatus.Ok, PacketHeader.TryRead(packet.Span, out PacketHeader header));
            lock (_lock)
            {
                _freeNs = Math.Max(_freeNs, header.SentNs) + (packet.Length * 8 * Second / BitsPerSecond);
                if (header.Type == PacketType.Video)
                {
                    Assert.Equal(WireStatus.Ok, VideoPacket.TryRead(packet.Span[PacketHeader.SizeBytes..], size, out VideoPacket video));
                    _isHalf = video.Head.Flags.HasFlag(VideoFlags.HalfSize);
                    _units.Add((header.OriginNs, video.Head.Stream, _isHalf));
                    Volatile.Write(ref _videoOriginNs, header.OriginNs);
                }

                if (header.Sequence != 0 && !header.Flags.HasFlag(PacketFlags.More))
                {
                    _travelling.Enqueue((header.Sequence, _freeNs + TravelNs));
                    Volatile.Write(ref _frameOriginNs, header.OriginNs);
                    _hasPicture = true;
                }
            }

            return new(PacketSendStatus.Sent);
        }

        public async ValueTask<PacketReceived> ReceiveAsync(Memory<byte> buffer)
        {
            if (!await _toHost.Reader.WaitToReadAsync() || !_toHost.Reader.TryRead(out byte[]? packet))
            {
                return new(PacketReceiveStatus.Closed, 0);
            }

            packet.CopyTo(buffer);
            return new(PacketReceiveStatus.Packet, packet.Length);
        }

        public ValueTask CloseAsync(PacketCloseReason reason, TimeSpan timeout)
        {
            _toHost.Writer.TryComplete();
            return default;
        }

        public void Abort() => _toHost.Writer.TryComplete();

        public ValueTask DisposeAsync() => default;
    }
}
