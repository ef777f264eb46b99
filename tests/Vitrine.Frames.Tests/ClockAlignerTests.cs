using FsCheck;
using FsCheck.Fluent;

namespace Vitrine.Frames.Tests;

public sealed class ClockAlignerTests
{
    private const long Second = 1_000_000_000;
    private const long Frame = Second / 60;

    [Fact]
    public void NothingSeen_Zero() => Assert.Equal(0, new ClockAligner().ToLocal(123));

    [Fact]
    public void FirstObservation_IsTheAnchor()
    {
        ClockAligner aligner = new();
        Assert.Equal(5_000, aligner.Align(1_000, 5_000));
        Assert.Equal(5_010, aligner.ToLocal(1_010));
        Assert.False(aligner.IsAcquired);
    }

    [Theory]
    [InlineData(50)]
    [InlineData(-50)]
    [InlineData(0)]
    public void SteadyDriftAndJitter_LineFromBelow(int driftPpm)
    {
        TwoClocks clocks = new(7, driftPpm);
        ClockAligner aligner = new();
        long worst = 0;
        for (int i = 0; i < 60 * 120; i++)
        {
            (long remote, long local, long truth) = clocks.Next(Frame, 15_000_000);
            long error = Math.Abs(aligner.Align(remote, local) - truth);
            worst = i < 60 * 5 ? worst : Math.Max(worst, error);
        }

        Assert.True(aligner.IsAcquired);
        Assert.InRange(worst, 0, 1_000_000);
        Assert.InRange(aligner.DriftPpm, driftPpm - 20, driftPpm + 20);
        Assert.InRange(aligner.JitterNs, 3_000_000, 12_000_000); // uniform up to 15 ms: 7.5 on average
        Assert.Equal(0, aligner.DiscontinuityCount);
    }

    [Fact]
    public void Acquired_CorrectionIsClamped()
    {
        ClockAligner aligner = new();
        long t = 0, last = 0;
        for (; t < 5 * Second; t += Frame)
        {
            last = aligner.Align(t, t + 20_000_000);
        }

        // The way gets 10 ms shorter: followed at no more than 500 + 200 ppm, and in the end whole.
        long end = t + (60 * Second);
        for (; t < end; t += Frame)
        {
            long answer = aligner.Align(t, t + 10_000_000);
            Assert.InRange(answer - last, Frame - (long)(Frame * 700e-6) - 1, Frame + (long)(Frame * 700e-6) + 1);
            last = answer;
        }

        Assert.InRange(last - (t - Frame), 9_900_000, 10_100_000);
        Assert.Equal(0, aligner.DiscontinuityCount);
    }

    [Theory]
    [InlineData(3600 * Second)] // the remote clock is set an hour ahead
    [InlineData(-3600 * Second)] // or back, or the host was started again
    [InlineData(300_000_000)]
    [InlineData(-300_000_000)]
    public void ClockJumps_CountedAndFollowedWithinASecond(long jumpNs)
    {
        TwoClocks clocks = new(3, 20);
        ClockAligner aligner = new();
        for (int i = 0; i < 600; i++)
        {
            (long remote, long local, _) = clocks.Next(Frame, 5_000_000);
            aligner.Align(remote, local);
        }

        int offFor = 0;
        for (int i = 0; i < 240; i++)
        {
            (long remote, long local, long truth) = clocks.Next(Frame, 5_000_000);
            long answer = aligner.Align(remote + jumpNs, local);
            Assert.True(answer <= local + new ClockAlignerOptions().DiscontinuityNs);
            offFor = Math.Abs(answer - truth) > 6_000_000 ? i + 1 : offFor;
        }

        Assert.Equal(1, aligner.DiscontinuityCount);
        Assert.InRange(offFor, 1, 60);
    }

    [Fact]
    public void LocalClockFalls_FollowedToo()
    {
        ClockAligner aligner = new();
        long answer = 0, local = 0;
        for (long t = 0; t < 4 * Second; t += Frame)
        {
            local = t < 2 * Second ? t + (9000 * Second) : t;
            answer = aligner.Align(t, local);
        }

        Assert.InRange(answer - local, -1_000_000, 1_000_000);
        Assert.Equal(1, aligner.DiscontinuityCount);
    }

    [Fact]
    public void NetworkStands400Milliseconds_NoDiscontinuity()
    {
        ClockAligner aligner = new();
        for (long t = 0; t < 20 * Second; t += Frame)
        {
            bool isHeld = t is > 10 * Second and < (10 * Second) + 400_000_000;
            long answer = aligner.Align(t, isHeld ? (10 * Second) + 400_000_000 : t);
            Assert.InRange(answer - t, -100_000, 100_000);
        }

        Assert.Equal(0, aligner.DiscontinuityCount);
        Assert.True(aligner.IgnoredCount > 10);
    }

    [Fact]
    public void OutOfOrder_AnsweredAndHarmless()
    {
        TwoClocks clocks = new(11, -30);
        ClockAligner aligner = new();
        (long Remote, long Local, long Truth) held = default;
        for (int i = 0; i < 3000; i++)
        {
            (long remote, long local, long truth) next = clocks.Next(Frame, 4_000_000);
            if (i % 10 == 5)
            {
                held = (next.remote, next.local, next.truth);
                continue;
            }

            Check(aligner.Align(next.remote, next.local), next.truth, i);
            if (i % 10 == 8)
            {
                Check(aligner.Align(held.Remote, held.Local + (3 * Frame)), held.Truth, i);
            }
        }

        static void Check(long answer, long truth, int i) => Assert.InRange(Math.Abs(answer - truth), 0, i < 300 ? 5_000_000 : 1_000_000);
    }

    [Fact]
    public void Reset_ForgetsAllButTheCounters()
    {
        ClockAligner aligner = new();
        for (long t = 0; t < 5 * Second; t += Frame)
        {
            aligner.Align(t, t + 1);
        }

        aligner.Reset();
        Assert.False(aligner.IsAcquired);
        Assert.Equal(0, aligner.DriftPpm);
        Assert.Equal(7_000, aligner.Align(99 * Second, 7_000));
        Assert.Equal(0, aligner.DiscontinuityCount);
    }

    [Fact]
    public void StampsAndLocalTimesRise_ResultsDoNotFall() => Prop.ForAll(Steps.ToArbitrary(), steps =>
    {
        ClockAligner aligner = new();
        long remote = 0, local = 0, last = long.MinValue;
        foreach ((long remoteStep, long localStep) in steps)
        {
            remote += remoteStep;
            local += localStep;
            long answer = aligner.Align(remote, local);
            if (answer < last || answer > local + 100_000_000)
            {
                return false;
            }

            last = answer;
        }

        return true;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void AnyNumbers_SameInputsGiveSameResults() => Prop.ForAll(
        (from remote in Gen.OneOf(ArbMap.Default.GeneratorFor<long>(), Gen.Elements(long.MinValue, long.MaxValue, 0L))
         from local in Gen.OneOf(ArbMap.Default.GeneratorFor<long>(), Gen.Elements(long.MinValue, long.MaxValue, 0L))
         select (remote, local)).ArrayOf().ToArbitrary(),
        inputs =>
        {
            ClockAligner one = new(), other = new();
            return inputs.All(input => one.Align(input.remote, input.local) == other.Align(input.remote, input.local))
                && one.DriftPpm is >= -200 and <= 200;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Observations_AllocateNothing()
    {
        TwoClocks clocks = new(1, 10);
        ClockAligner aligner = new();
        Feed(100);
        Assert.Equal(0, Allocation.BytesOf(() => Feed(10_000)));

        void Feed(int count)
        {
            for (int i = 0; i < count; i++)
            {
                (long remote, long local, _) = clocks.Next(Frame, 15_000_000);
                aligner.Align(remote, local);
            }
        }
    }

    // Mostly frames, with stalls, bursts, and clocks that jump ahead.
    private static Gen<(long RemoteStep, long LocalStep)[]> Steps { get; } = Gen.ArrayOf(Gen.Frequency(
        (20, from local in Gen.Choose(0, 40_000_000) select (Frame, (long)local)),
        (3, Gen.Constant((Frame, 0L))),
        (2, from local in Gen.Choose(0, 2_000_000_000) select (Frame, (long)local)),
        (1, from remote in Gen.Choose(0, 2_000_000_000) select ((long)remote, Frame)),
        (1, from hours in Gen.Choose(0, 50) select (hours * 3600 * Second, Frame)),
        (1, Gen.Constant((0L, 0L)))));

    /// <summary>A remote clock that is fast by some parts in a million, an offset, 2 ms of way, and jitter on top.</summary>
    private sealed class TwoClocks(int seed, int driftPpm)
    {
        private readonly Random _random = new(seed);
        private long _local = 12_345 * Second;
        private double _remote;

        public (long Remote, long Local, long Truth) Next(long stepNs, int jitterNs)
        {
            _local += stepNs;
            _remote += stepNs * (1 - (driftPpm * 1e-6));
            long truth = _local + 2_000_000;
            return ((long)_remote, truth + _random.Next(jitterNs), truth);
        }
    }
}
