using Vitrine.Frames;
using Vitrine.Server.Sharing;
using Vitrine.Transports;
using Vitrine.Wire;

namespace Vitrine.Server.Tests.Sharing;

public sealed class ViewerSessionTests
{
    [Fact]
    public async Task NothingIsReadOrAcknowledgedFor60Seconds_ClosedAsStalled()
    {
        await using SilentConnection connection = new();
        ShareSession share = new(new SyntheticDisplay(64, 64).TryOpen, new());
        using ViewerSession viewer = new(share, 1, connection, ViewerGrants.View, TimeProvider.System);
        Task running = viewer.RunAsync();
        Assert.Equal(WireStatus.Ok, connection.Give(Packed(new ViewerHello(0, "silent"))));
        await connection.Taken.WaitAsync(Host.Patience);
        long nowNs = TimeProvider.System.GetMonotonicNanoseconds();

        viewer.Tick(nowNs + 59_000_000_000, 1, 1, 0);
        Assert.Null(connection.Goodbye);
        viewer.Tick(nowNs + 61_000_000_000, 1, 1, 0);
        await running.WaitAsync(Host.Patience);
        Assert.Equal(GoodbyeReason.Stalled, connection.Goodbye?.Reason);
        await share.DisposeAsync();
    }

    [Fact]
    public async Task ViewerLeavesAfterTheSessionEnded_NothingFails()
    {
        await using SilentConnection connection = new() { IsStuck = true };
        ShareSession share = new(new SyntheticDisplay(64, 64).TryOpen, new());
        await share.StartAsync();
        Task serving = share.ServeAsync(connection, ViewerGrants.View);
        Assert.Equal(WireStatus.Ok, connection.Give(Packed(new ViewerHello(0, "stuck"))));
        await connection.Taken.WaitAsync(Host.Patience);
        await share.DisposeAsync();
        Assert.False(serving.IsCompleted);
        connection.LetGo();
        await serving.WaitAsync(Host.Patience);
        Assert.Empty(share.Viewers);
    }

    [Fact]
    public async Task LinkCarriesNextToNothing_RateFallsToTheFloorOfTheOptions()
    {
        SteppedTime time = new();
        ShareOptions options = new() { VideoBitsPerSecondMax = 3_000_000, VideoBitsPerSecondMin = 700_000 };
        ShareSession share = new(new SyntheticDisplay(64, 64).TryOpen, options, time);
        await share.StartAsync();
        await using SilentConnection connection = new();
        Task serving = share.ServeAsync(connection, ViewerGrants.View);
        Assert.Equal(WireStatus.Ok, connection.Give(Packed(new ViewerHello(0, "silent"))));
        await Host.AssertSoonAsync(() => connection.LastSequence > 0, "No frame came.");
        ViewerSession viewer = Assert.Single(share.Viewers);
        Assert.Equal(3_000_000, viewer.VideoBitsPerSecond);
        time.Advance(TimeSpan.FromSeconds(2));
        long nowNs = time.GetMonotonicNanoseconds();
        Assert.Equal(WireStatus.Ok, connection.Give(Packed(new Presented(nowNs, nowNs, 0), connection.LastSequence)));
        await Host.AssertSoonAsync(() => viewer.VideoBitsPerSecond < 3_000_000, "The rate does not fall.");
        Assert.Equal(700_000, viewer.VideoBitsPerSecond);
        await share.DisposeAsync();
        await serving.WaitAsync(Host.Patience);
    }

    [Theory]
    [InlineData(null, 3_000_000)]
    [InlineData(50_000_000L, 3_000_000)]
    [InlineData(2_000_000L, 1_400_000)]
    [InlineData(1L, 700_000)]
    public void ConnectionHasLittleRoom_VideoGetsSevenTenthsOfIt(long? room, long expected)
    {
        ShareOptions options = new() { VideoBitsPerSecondMax = 3_000_000, VideoBitsPerSecondMin = 700_000 };
        ShareSession share = new(new SyntheticDisplay(64, 64).TryOpen, options);
        using ViewerSession viewer = new(share, 1, new SilentConnection { RoomBitsPerSecond = room }, ViewerGrants.View, TimeProvider.System);
        Assert.Equal(expected, viewer.VideoBitsPerSecond);
    }

    [Fact]
    public void QualityOfVideo_MovesAreTold()
    {
        using ViewerSession viewer = new(new ShareSession(new SyntheticDisplay(64, 64).TryOpen, new()), 1, new SilentConnection(), ViewerGrants.View, TimeProvider.System);
        const long second = 1_000_000_000;
        Assert.False(viewer.DecideQuality(isLow: false, isBack: true, 100 * second));
        Assert.True(viewer.DecideQuality(isLow: true, isBack: false, 101 * second));
        Assert.False(viewer.DecideQuality(isLow: true, isBack: false, 102 * second)); // still
        Assert.False(viewer.DecideQuality(isLow: false, isBack: true, 106 * second)); // too early
        Assert.True(viewer.DecideQuality(isLow: false, isBack: true, 107 * second));
        Assert.Equal(5 * second, viewer.QualityPauseNs);
        Assert.True(viewer.DecideQuality(isLow: true, isBack: false, 108 * second));
        Assert.Equal(10 * second, viewer.QualityPauseNs);
        Assert.Equal(1, viewer.VideoQuality);
    }

    [Theory]
    [InlineData(20_000_000, 99_999, false)]
    [InlineData(20_000_000, 100_000, true)]
    [InlineData(500_000, 500_000, true)]
    [InlineData(500_000, 500_001, false)]
    public void FloorOfTheRate_IsNotAboveItsCeiling(int most, int least, bool isGood)
    {
        IReadOnlyList<OptionError> errors = new ShareOptions { VideoBitsPerSecondMax = most, VideoBitsPerSecondMin = least }.Validate();
        Assert.Equal(isGood ? [] : ["bitrate-min"], errors.Select(error => error.Key));
    }

    private static byte[] Packed<T>(T message, uint sequence = 0)
        where T : IWireMessage
    {
        byte[] packet = new byte[PacketHeader.SizeBytes + message.SizeBytesMax];
        return packet[..Packet.Write(packet, message, 0, 0, sequence)];
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void ToldToLeaveWhenItHasLeft_ConnectionOfAnotherIsNotTouched(bool isToldFirst)
    {
        HeldTime time = new();
        ShareSession share = new(new SyntheticDisplay(64, 64).TryOpen, new());
        SilentConnection connection = new();
        ViewerSession viewer = new(share, 1, connection, ViewerGrants.View, time);
        if (isToldFirst)
        {
            viewer.Close(GoodbyeReason.Closing, "");
        }

        viewer.Dispose();
        viewer.Close(GoodbyeReason.Closing, "");
        time.Fire();
        Assert.False(connection.IsAborted);
    }

    [Fact]
    public void ToldToLeaveAndStays_CutOff()
    {
        HeldTime time = new();
        SilentConnection connection = new();
        using ViewerSession viewer = new(new ShareSession(new SyntheticDisplay(64, 64).TryOpen, new()), 1, connection, ViewerGrants.View, time);
        viewer.Close(GoodbyeReason.Closing, "");
        time.Fire();
        Assert.True(connection.IsAborted);
    }

    /// <summary>A clock that goes on when it is told to.</summary>
    private sealed class SteppedTime : TimeProvider
    {
        private long _nowNs = 1_000_000_000_000;

        public override long TimestampFrequency => 1_000_000_000;

        public override long GetTimestamp() => Interlocked.Read(ref _nowNs);

        public void Advance(TimeSpan time) => Interlocked.Add(ref _nowNs, (long)time.TotalNanoseconds);
    }

    /// <summary>Timers that fire when they are told to, also after they were stopped, as timers may.</summary>
    private sealed class HeldTime : TimeProvider
    {
        private readonly List<Action> _timers = [];

        public void Fire() => _timers.ForEach(timer => timer());

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _timers.Add(() => callback(state));
            return new Held();
        }

        private sealed class Held : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => default;
        }
    }

    /// <summary>A viewer that takes everything and says only what it is given to say.</summary>
    private sealed class SilentConnection : IPacketConnection
    {
        private readonly System.Threading.Channels.Channel<byte[]> _given = System.Threading.Channels.Channel.CreateBounded<byte[]>(4);

        private readonly TaskCompletionSource _taken = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _asked;
        private uint _lastSequence;

        /// <summary>Ends when the first packet given was looked at: the next one is asked for.</summary>
        public Task Taken => _taken.Task;

        public Goodbye? Goodbye { get; private set; }

        /// <summary>Of the last frame that came whole; 0 before the first.</summary>
        public uint LastSequence => Volatile.Read(ref _lastSequence);

        public string Transport => "silent";

        public long? RoomBitsPerSecond { get; init; }

        public string Peer => "silent";

        public WireStatus Give(byte[] packet) => _given.Writer.TryWrite(packet) ? WireStatus.Ok : WireStatus.Incomplete;

        public ValueTask<PacketSendStatus> SendAsync(ReadOnlyMemory<byte> packet)
        {
            Assert.Equal(WireStatus.Ok, PacketHeader.TryRead(packet.Span, out PacketHeader header));
            if (header.Sequence != 0 && !header.Flags.HasFlag(PacketFlags.More))
            {
                Volatile.Write(ref _lastSequence, header.Sequence);
            }

            if (header.Type == PacketType.Goodbye)
            {
                Assert.Equal(WireStatus.Ok, Wire.Goodbye.TryRead(packet.Span[PacketHeader.SizeBytes..], out Goodbye goodbye));
                Goodbye = goodbye;
            }

            return new(PacketSendStatus.Sent);
        }

        public async ValueTask<PacketReceived> ReceiveAsync(Memory<byte> buffer)
        {
            if (++_asked == 2)
            {
                _taken.SetResult();
            }

            if (!await _given.Reader.WaitToReadAsync() || !_given.Reader.TryRead(out byte[]? packet))
            {
                return new(PacketReceiveStatus.Closed, 0);
            }

            packet.CopyTo(buffer);
            return new(PacketReceiveStatus.Packet, packet.Length);
        }

        /// <summary>Whether it stays open when it is closed or aborted, until <see cref="LetGo"/>.</summary>
        public bool IsStuck { get; init; }

        public void LetGo() => _given.Writer.TryComplete();

        public ValueTask CloseAsync(PacketCloseReason reason, TimeSpan timeout)
        {
            if (!IsStuck)
            {
                LetGo();
            }

            return default;
        }

        public bool IsAborted { get; private set; }

        public void Abort()
        {
            IsAborted = true;
            if (!IsStuck)
            {
                LetGo();
            }
        }

        public ValueTask DisposeAsync() => default;
    }
}
