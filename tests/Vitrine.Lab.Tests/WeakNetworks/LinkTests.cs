using Microsoft.Win32.SafeHandles;
using Vitrine.Frames;
using Vitrine.Lab.WeakNetworks;
using Vitrine.Measurement;

namespace Vitrine.Lab.Tests.WeakNetworks;

public sealed class LinkTests : IDisposable
{
    private const int Nobody = -1; // a descriptor that takes nothing
    private readonly SafeFileHandle _everybody = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
    private readonly LatencyHistogram _lateness = new();
    private readonly byte[] _packet = new byte[1500];

    [Fact]
    public void PacketsInSteadyState_AllocateNothing()
    {
        LinkProfile profile = new()
        {
            Delay = TimeSpan.FromMilliseconds(2),
            Jitter = TimeSpan.FromMilliseconds(1),
            RateBitsPerSecond = 1_000_000_000,
            Loss = LossModel.Random(0.05),
            DuplicateShare = 0.1,
            ReorderShare = 0.1,
        };
        using var link = new Link(profile, 1);
        var clock = new SteppedTime();
        Carry(1_000);
        Assert.Equal(0, Allocation.BytesOf(() => Carry(20_000)));
        clock.Advance(TimeSpan.FromSeconds(1));
        while (link.NextDueNs < long.MaxValue)
        {
            Release(link, clock);
        }

        LinkCounters counters = link.Counters;
        Assert.True(counters.Arrived >= 21_000);
        Assert.Equal(counters.Arrived + counters.Duplicated, counters.Forwarded + counters.Lost + counters.TailDropped + counters.Overflowed);
        Assert.True(counters.Lost > 0 && counters.Duplicated > 0 && counters.Reordered > 0 && counters.InFlight == 0);

        void Carry(int count)
        {
            for (int i = 0; i < count; i++)
            {
                clock.Advance(TimeSpan.FromTicks(200));
                link.Arrive(_packet, clock.GetMonotonicNanoseconds(), isCut: false);
                Release(link, clock);
            }
        }
    }

    [Fact]
    public void NothingIsHandedOverBeforeItIsDue()
    {
        using var link = new Link(new() { Delay = TimeSpan.FromMilliseconds(5) }, 1);
        var clock = new SteppedTime();
        link.Arrive(_packet, clock.GetMonotonicNanoseconds(), isCut: false);
        Assert.Equal(5_000_000, link.NextDueNs);
        clock.Advance(TimeSpan.FromTicks(49_999));
        Release(link, clock);
        Assert.Equal((0, 1), (link.Counters.Forwarded, link.Counters.InFlight));
        clock.Advance(TimeSpan.FromTicks(1));
        Release(link, clock);
        Assert.Equal((1, 0, 1_500), (link.Counters.Forwarded, link.Counters.InFlight, link.Counters.ForwardedBytes));
        Assert.Equal(long.MaxValue, link.NextDueNs);
        Assert.Equal((1, 0), (_lateness.Count, _lateness.MaxNs));
    }

    [Fact]
    public void FullOrRefusedOrCut_EachCountedAsWhatItIs()
    {
        using var link = new Link(new() { Delay = TimeSpan.FromMilliseconds(5) }, 1);
        var clock = new SteppedTime();
        for (int i = 0; i < WeakNetwork.PacketsInFlightMax + 10; i++)
        {
            link.Arrive(_packet.AsSpan(0, 20), 0, isCut: false);
        }

        link.Arrive(_packet, 0, isCut: true);
        clock.Advance(TimeSpan.FromMilliseconds(5));
        link.Release((int)_everybody.DangerousGetHandle(), clock, 3, isCut: false, _lateness);
        link.Release(Nobody, clock, 4, isCut: false, _lateness);
        link.Release(Nobody, clock, 5, isCut: true, _lateness);
        LinkCounters counters = link.Counters;
        Assert.Equal((3, 4, 6, 10), (counters.Forwarded, counters.Refused, counters.Cut, counters.Overflowed));
        Assert.Equal(WeakNetwork.PacketsInFlightMax - 12, counters.InFlight);
    }

    public void Dispose() => _everybody.Dispose();

    private void Release(Link link, TimeProvider clock) => link.Release((int)_everybody.DangerousGetHandle(), clock, 64, isCut: false, _lateness);

    private sealed class SteppedTime : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(TimeSpan time) => _ticks += time.Ticks;

        public override long GetTimestamp() => _ticks;
    }
}
