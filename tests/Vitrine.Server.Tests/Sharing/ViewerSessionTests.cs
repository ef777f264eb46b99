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

    private static byte[] Packed<T>(T message)
        where T : IWireMessage
    {
        byte[] packet = new byte[PacketHeader.SizeBytes + message.SizeBytesMax];
        return packet[..Packet.Write(packet, message, 0)];
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

        /// <summary>Ends when the first packet given was looked at: the next one is asked for.</summary>
        public Task Taken => _taken.Task;

        public Goodbye? Goodbye { get; private set; }

        public string Transport => "silent";

        public string Peer => "silent";

        public WireStatus Give(byte[] packet) => _given.Writer.TryWrite(packet) ? WireStatus.Ok : WireStatus.Incomplete;

        public ValueTask<PacketSendStatus> SendAsync(ReadOnlyMemory<byte> packet)
        {
            Assert.Equal(WireStatus.Ok, PacketHeader.TryRead(packet.Span, out PacketHeader header));
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

        public ValueTask CloseAsync(PacketCloseReason reason, TimeSpan timeout)
        {
            _given.Writer.TryComplete();
            return default;
        }

        public bool IsAborted { get; private set; }

        public void Abort()
        {
            IsAborted = true;
            _given.Writer.TryComplete();
        }

        public ValueTask DisposeAsync() => default;
    }
}
