using System.Collections.Concurrent;
using System.Diagnostics;
using FsCheck;
using FsCheck.Fluent;

namespace Vitrine.Frames.Tests;

public sealed class FramePacerTests
{
    private const long Millisecond = 1_000_000;

    [Fact]
    public void KernelWakesInTime_EveryDeadlineAndNoDrift()
    {
        using ScriptedClock clock = new();
        List<FrameTick> ticks = Run(clock, 10 * Millisecond, 100, _ => { });
        Assert.All(ticks.Index(), tick => Assert.Equal((tick.Index + 1) * 10 * Millisecond, tick.Item.DeadlineNs));
        Assert.All(ticks, tick => Assert.InRange(tick.LatenessNs, 0, 5_000));
        Assert.All(ticks, tick => Assert.Equal(0, tick.Dropped));
    }

    [Fact]
    public void KernelWakesLate_DeliveredAndNoLaterFrameLate()
    {
        using ScriptedClock clock = new() { WakeLatencyNs = n => n == 20 ? 3 * Millisecond : 60_000 };
        List<FrameTick> ticks = Run(clock, 10 * Millisecond, 40, _ => { });
        Assert.Single(ticks, tick => tick.LatenessNs > Millisecond);
        Assert.All(ticks.Index(), tick => Assert.Equal((tick.Index + 1) * 10 * Millisecond, tick.Item.DeadlineNs));
    }

    [Fact]
    public void WakesHalfAPeriodLate_DroppedAndCounted()
    {
        using ScriptedClock clock = new() { WakeLatencyNs = n => n == 20 ? 8 * Millisecond : 60_000 };
        FramePacer? pacer = null;
        List<FrameTick> ticks = Run(clock, 10 * Millisecond, 40, _ => { }, made => pacer = made);
        Assert.Equal(1, pacer!.DroppedCount);
        Assert.Equal([1L], ticks.Select(tick => tick.Dropped).Where(dropped => dropped > 0));
        Assert.All(ticks, tick => Assert.InRange(tick.LatenessNs, 0, 5 * Millisecond));
    }

    [Theory]
    [InlineData(35 * Millisecond, 3)] // 10, 20 and 30 ms later had passed, the last by half a period
    [InlineData(3600_000 * Millisecond, 360_000)] // stopped for an hour: no catching up
    public void CallbackTakesLong_WhatPassedIsDroppedAndThePhaseStays(long takesNs, long dropped)
    {
        using ScriptedClock clock = new();
        List<FrameTick> ticks = Run(clock, 10 * Millisecond, 10, n =>
        {
            if (n == 5)
            {
                clock.Advance(takesNs);
            }
        });
        Assert.InRange(ticks[5].Dropped, dropped - 1, dropped);
        Assert.InRange(ticks[5].LatenessNs, 0, 5 * Millisecond);
        Assert.All(ticks, tick => Assert.Equal(0, tick.DeadlineNs % (10 * Millisecond)));
    }

    [Fact]
    public void RateChanges_FromTheLastFrameOn()
    {
        using ScriptedClock clock = new();
        FramePacer? pacer = null;
        List<FrameTick> ticks = Run(clock, 20 * Millisecond, 40, n =>
        {
            if (n == 10)
            {
                pacer!.SetRate(5 * Millisecond);
            }
            else if (n == 20)
            {
                pacer!.SetRate(8 * Millisecond, anchorNs: 1_000_003);
            }
        }, made => pacer = made);
        long[] gaps = [.. ticks.Zip(ticks.Skip(1), (one, next) => next.DeadlineNs - one.DeadlineNs)];
        Assert.All(gaps[..9], gap => Assert.Equal(20 * Millisecond, gap));
        Assert.All(gaps[11..19], gap => Assert.Equal(5 * Millisecond, gap));
        Assert.All(gaps[21..], gap => Assert.Equal(8 * Millisecond, gap));
        Assert.All(ticks.Skip(22), tick => Assert.Equal(0, (tick.DeadlineNs - 1_000_003) % (8 * Millisecond)));
        Assert.All(gaps, gap => Assert.True(gap >= 4 * Millisecond));
        Assert.Equal(0, pacer!.DroppedCount);
    }

    [Fact]
    public void MachineClock_FramesComeAndTheThreadEnds()
    {
        using BlockingCollection<FrameTick> ticks = [];
        using (FramePacer pacer = new(new() { PeriodNs = 5 * Millisecond }, ticks.Add))
        {
            for (int i = 0; i < 20; i++)
            {
                Assert.True(ticks.TryTake(out FrameTick tick, TimeSpan.FromSeconds(20)), "No frame came within 20 s.");
                Assert.InRange(tick.LatenessNs, 0, (5 * Millisecond / 2) + Millisecond);
            }

            Assert.True(pacer.DeliveredCount >= 20);
            Assert.NotEqual(KernelGrant.NotAsked, pacer.RealTime);
            Assert.Equal(KernelGrant.NotAsked, pacer.CpuLatency);
        }

        while (ticks.TryTake(out _))
        {
        }

        Assert.False(ticks.TryTake(out _, 20));
    }

    [Fact]
    public void ProcessorsAwake_AskedForUntilThePacerEnds()
    {
        CpuLatencyRequest.TryHold(1_000, out KernelGrant granted)?.Dispose();
        using ManualResetEventSlim isDue = new();
        using (FramePacer pacer = new(new() { PeriodNs = Millisecond, CpuLatencyUsMax = 0 }, _ => isDue.Set()))
        {
            Assert.True(isDue.Wait(TimeSpan.FromSeconds(20)));
            Assert.Equal(granted, pacer.CpuLatency);
            Assert.Equal(granted == KernelGrant.Granted ? 1 : 0, HeldCount());
            if (granted == KernelGrant.Granted)
            {
                // The device tells the least bound that anybody holds.
                Assert.Equal(new byte[sizeof(int)], File.ReadAllBytes("/dev/cpu_dma_latency").AsSpan(0, sizeof(int)).ToArray());
            }
        }

        Assert.Equal(0, HeldCount());

        static int HeldCount() => Directory.EnumerateFiles("/proc/self/fd").Count(file => new FileInfo(file).LinkTarget == "/dev/cpu_dma_latency");
    }

    [Fact]
    public void DisposedFromTheCallback_NoDeadLock()
    {
        FramePacer? pacer = null;
        using ManualResetEventSlim isMade = new(), isDone = new();
        pacer = new(new() { PeriodNs = Millisecond, RealTimePriority = 0 }, _ =>
        {
            isMade.Wait();
            pacer!.Dispose();
            isDone.Set();
        });
        isMade.Set();
        Assert.True(isDone.Wait(TimeSpan.FromSeconds(20)));
        pacer.Dispose();
        Assert.Equal(1, pacer.DeliveredCount);
        Assert.Equal(KernelGrant.NotAsked, pacer.RealTime);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(999_999)]
    [InlineData(1_000_000_001)]
    public void PeriodOutOfRange_Refused(long periodNs) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new FramePacer(new() { PeriodNs = periodNs }, _ => { }));

    [Fact]
    public void LatencyBelowNothing_Refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new FramePacer(new() { PeriodNs = Millisecond, CpuLatencyUsMax = -1 }, _ => { }));

    [Fact]
    public void Skipping_LandsOnTheGridAndNearNow() => Prop.ForAll(
        (from period in Gen.Choose(1, 1_000_000_000)
         from first in Gen.Choose(-1_000_000_000, 1_000_000_000)
         from now in Gen.Choose(-1_000_000_000, 1_000_000_000)
         select (Period: (long)period, First: (long)first, Now: now * 1000L)).ToArbitrary(),
        sample =>
        {
            PaceGrid grid = new(sample.First, sample.Period);
            long skipped = grid.SkipPast(sample.Now, sample.Period / 2);
            return grid.NextNs == sample.First + (skipped * sample.Period)
                && (skipped == 0 || (grid.NextNs >= sample.Now - (sample.Period / 2) && grid.NextNs - sample.Period < sample.Now - (sample.Period / 2)));
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Changing_NeverCloserThanHalfAPeriodAndInPhase() => Prop.ForAll(
        (from old in Gen.Choose(1, 1_000_000)
         from period in Gen.Choose(2, 1_000_000)
         from next in Gen.Choose(-1_000_000, 1_000_000)
         from now in Gen.Choose(-2_000_000, 2_000_000)
         from anchor in Gen.Choose(-10_000_000, 10_000_000)
         select (Old: (long)old, Period: (long)period, Next: (long)next, Now: (long)now, Anchor: (long)anchor)).ToArbitrary(),
        sample =>
        {
            PaceGrid grid = new(sample.Next, sample.Old);
            grid.Change(sample.Period, sample.Anchor, sample.Now);
            return (grid.NextNs - sample.Anchor) % sample.Period == 0 && grid.NextNs >= sample.Now
                && grid.NextNs >= sample.Next - sample.Old + (sample.Period / 2)
                && grid.NextNs < Math.Max(sample.Now, sample.Next - sample.Old + (sample.Period / 2)) + sample.Period;
        }).QuickCheckThrowOnFailure();

    private static List<FrameTick> Run(ScriptedClock clock, long periodNs, int count, Action<int> onFrame, Action<FramePacer>? onMade = null)
    {
        List<FrameTick> ticks = [];
        using ManualResetEventSlim isMade = new(), isDone = new();
        DeadlineTimer timer = new(clock, clock.SleepUntil, 500_000);
        using FramePacer pacer = new(new() { PeriodNs = periodNs, RealTimePriority = 0 }, tick =>
        {
            isMade.Wait();
            if (ticks.Count < count)
            {
                ticks.Add(tick);
                onFrame(ticks.Count);
                if (ticks.Count == count)
                {
                    isDone.Set();
                    clock.Stop();
                }
            }
        }, timer);
        onMade?.Invoke(pacer);
        isMade.Set();
        Assert.True(isDone.Wait(TimeSpan.FromSeconds(60)));
        return ticks;
    }
}

public sealed class DeadlineTimerTests
{
    [Fact]
    public void PassedDeadline_AtOnceAndMissed()
    {
        using ScriptedClock clock = new();
        clock.Advance(1_000_000);
        DeadlineTimer timer = new(clock, _ => Assert.Fail("It slept."), 500_000);
        DeadlineWake wake = timer.WaitUntil(400_000);
        Assert.True(wake.Missed);
        Assert.InRange(wake.LatenessNs, 600_000, 610_000);
    }

    [Theory]
    [InlineData(60_000)]
    [InlineData(250_000)]
    public void Margin_FollowsTheKernel(int usuallyNs)
    {
        Random random = new(5);
        using ScriptedClock clock = new() { WakeLatencyNs = _ => usuallyNs + random.Next(30_000) };
        DeadlineTimer timer = new(clock, clock.SleepUntil, 500_000);
        int missed = 0;
        for (int i = 1; i <= 2000; i++)
        {
            missed += timer.WaitUntil(i * 10_000_000L).Missed ? 1 : 0;
        }

        Assert.InRange(missed, 0, 30);
        Assert.InRange(timer.MarginNs, usuallyNs + 20_000, usuallyNs + 80_000);
    }

    [Fact]
    public void KernelAlwaysTooLate_SpinStaysBounded()
    {
        using ScriptedClock clock = new() { WakeLatencyNs = _ => 5_000_000 };
        DeadlineTimer timer = new(clock, clock.SleepUntil, 300_000);
        for (int i = 1; i <= 200; i++)
        {
            Assert.True(timer.WaitUntil(i * 20_000_000L).Missed);
            Assert.InRange(timer.MarginNs, 0, 300_000);
        }
    }

    [Fact]
    public void SpinOfZero_NeverSpins()
    {
        using ScriptedClock clock = new() { WakeLatencyNs = _ => 1_000 };
        DeadlineTimer timer = new(clock, clock.SleepUntil, 0);
        for (int i = 1; i <= 100; i++)
        {
            Assert.True(timer.WaitUntil(i * 1_000_000L).Missed);
        }

        Assert.Equal(0, timer.MarginNs);
    }

    [Fact]
    public void MachineClock_NeverEarly()
    {
        DeadlineTimer timer = new();
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < 20; i++)
        {
            long deadline = timer.NowNs + 1_000_000;
            DeadlineWake wake = timer.WaitUntil(deadline);
            Assert.True(wake.LatenessNs >= 0 && wake.WokeNs >= deadline);
        }

        Assert.True(Stopwatch.GetElapsedTime(started) >= TimeSpan.FromMilliseconds(20));
    }

    [Fact]
    public void Waits_AllocateNothing()
    {
        DeadlineTimer timer = new();
        timer.WaitUntil(timer.NowNs + 1_000_000);
        Assert.Equal(0, Allocation.BytesOf(() =>
        {
            for (int i = 0; i < 20; i++)
            {
                timer.WaitUntil(timer.NowNs + 500_000);
            }
        }));
    }
}

/// <summary>A clock that moves when somebody sleeps, and by a microsecond with every look.</summary>
internal sealed class ScriptedClock : TimeProvider, IDisposable
{
    private readonly ManualResetEventSlim _isStopped = new();
    private long _nowNs = -1_000; // the first look shows 0
    private int _sleeps;

    /// <summary>How late the kernel is, by number of the sleep.</summary>
    public Func<int, long> WakeLatencyNs { get; init; } = _ => 60_000;

    public override long TimestampFrequency => 1_000_000_000;

    public override long GetTimestamp() => Interlocked.Add(ref _nowNs, 1_000);

    public void Advance(long ns) => Interlocked.Add(ref _nowNs, ns);

    public void SleepUntil(long timeNs)
    {
        long target = timeNs + WakeLatencyNs(++_sleeps);
        long now = Interlocked.Read(ref _nowNs);
        Interlocked.Exchange(ref _nowNs, Math.Max(now, target));
        if (_isStopped.IsSet)
        {
            Thread.Yield(); // whoever waits for the end gets the processor
        }
    }

    public void Stop() => _isStopped.Set();

    public void Dispose() => _isStopped.Dispose();
}
