using Vitrine.Server.Sharing;

namespace Vitrine.Server.Tests.Sharing;

public sealed class LinkMeterTests
{
    private const long Ms = 1_000_000;

    [Fact]
    public void LinkCarriesLess_TheTargetFallsBelowItAndTheQueueGoes()
    {
        Link link = new(bitsPerSecond: 2_000_000, travelMs: 5);
        LinkMeter meter = new(250_000, 20_000_000);
        link.Play(meter, seconds: 10);
        Assert.InRange(meter.TargetBitsPerSecond, 800_000, 2_000_000);
        Assert.InRange(link.WorstQueueMsOfLastSecond, 0, 120);
    }

    [Fact]
    public void FastLink_TheTargetStaysAtItsCeiling()
    {
        Link link = new(bitsPerSecond: 1_000_000_000, travelMs: 1);
        LinkMeter meter = new(250_000, 20_000_000);
        link.Play(meter, seconds: 5);
        Assert.Equal(20_000_000, meter.TargetBitsPerSecond);
    }

    [Fact]
    public void LinkIsFastAgain_TheTargetRises()
    {
        Link link = new(bitsPerSecond: 1_000_000, travelMs: 5);
        LinkMeter meter = new(250_000, 20_000_000);
        link.Play(meter, seconds: 6);
        long low = meter.TargetBitsPerSecond;
        link.BitsPerSecond = 50_000_000;
        link.Play(meter, seconds: 10);
        Assert.True(low < 1_300_000 && meter.TargetBitsPerSecond > 2 * low, $"{low} to {meter.TargetBitsPerSecond}");
    }

    [Fact]
    public void NothingGetsThrough_TheTargetStaysAtItsFloor()
    {
        Link link = new(bitsPerSecond: 60_000, travelMs: 5);
        LinkMeter meter = new(250_000, 20_000_000);
        link.Play(meter, seconds: 20);
        Assert.Equal(250_000, meter.TargetBitsPerSecond);
    }

    [Fact]
    public void OneLateFrame_TheTargetHardlyFallsAndIsSoonBack()
    {
        Link link = new(bitsPerSecond: 1_000_000_000, travelMs: 1);
        LinkMeter meter = new(250_000, 20_000_000);
        link.Play(meter, seconds: 2);
        link.HiccupMs = 80;
        link.Play(meter, seconds: 1);
        Assert.True(meter.TargetBitsPerSecond >= 0.8 * 20_000_000, $"{meter.TargetBitsPerSecond}");
        link.Play(meter, seconds: 5);
        Assert.Equal(20_000_000, meter.TargetBitsPerSecond);
    }

    [Fact]
    public void TimesThatCannotBe_AreIgnored()
    {
        LinkMeter meter = new(250_000, 20_000_000);
        FrameInFlight frame = new(1, 0, 0, 0, 100 * Ms, 1_000) { FirstSentNs = 100 * Ms, DeliveredNs = 100 * Ms };
        meter.Add(frame, 1_000, 0, 200 * Ms);
        meter.Add(frame, 1_000, 99 * Ms, 200 * Ms);
        meter.Add(frame, 1_000, long.MaxValue, 200 * Ms);
        Assert.Equal((20_000_000L, 0L), (meter.TargetBitsPerSecond, meter.QueueNs));
    }

    [Theory]
    [InlineData(3_600_000)]
    [InlineData(60_000)]
    [InlineData(-60_000)]
    [InlineData(-3_600_000)]
    public void ViewersClockJumpsFar_WhatItSaysIsIgnoredUntilItIsRightAgain(long jumpMs)
    {
        Link link = new(bitsPerSecond: 1_000_000_000, travelMs: 5);
        LinkMeter meter = new(250_000, 20_000_000);
        link.Play(meter, seconds: 3);
        link.ViewersClockAheadMs = jumpMs;
        link.Play(meter, seconds: 5);
        Assert.Equal(20_000_000, meter.TargetBitsPerSecond);
        Assert.InRange(meter.QueueNs, 0, Ms);
        (link.ViewersClockAheadMs, link.BitsPerSecond) = (0, 2_000_000);
        link.Play(meter, seconds: 10);
        Assert.InRange(meter.TargetBitsPerSecond, 800_000, 2_000_000);
    }

    [Theory]
    [InlineData(40)]
    [InlineData(-40)]
    public void ViewersClockJumpsByLessThanAQueue_TheTargetStays(long jumpMs)
    {
        Link link = new(bitsPerSecond: 1_000_000_000, travelMs: 60) { ReturnMs = 60 };
        LinkMeter meter = new(250_000, 20_000_000);
        for (int i = 0; i < 10; i++)
        {
            link.ViewersClockAheadMs = i % 2 == 0 ? 0 : jumpMs;
            link.Play(meter, seconds: 1);
            Assert.Equal(20_000_000, meter.TargetBitsPerSecond);
        }
    }

    [Theory]
    [InlineData(100)]
    [InlineData(-100)]
    public void ViewersClockJumpsAsAQueueWould_TheTargetIsBackWhenThatIsForgotten(long jumpMs)
    {
        Link link = new(bitsPerSecond: 1_000_000_000, travelMs: 120) { ReturnMs = 120 };
        LinkMeter meter = new(250_000, 20_000_000);
        long least = long.MaxValue;
        foreach (long aheadMs in (long[])[0, jumpMs, 0])
        {
            link.ViewersClockAheadMs = aheadMs;
            for (int second = 0; second < 40; second++)
            {
                link.Play(meter, seconds: 1);
                least = Math.Min(least, meter.TargetBitsPerSecond);
            }

            Assert.Equal(20_000_000, meter.TargetBitsPerSecond);
        }

        Assert.InRange(least, 250_000, 19_000_000); // a frame that seems to travel longer cannot be told from one that does
    }

    /// <summary>30 frames a second of the size that the target allows, over a link with a queue; a closed window sends none.</summary>
    private sealed class Link(long bitsPerSecond, long travelMs)
    {
        private readonly FlowWindow _window = new();
        private readonly Queue<(uint Sequence, long ArrivesNs, long SaysNs)> _travelling = new();
        private long _nowNs = 1_000 * Ms;
        private long _freeNs;
        private uint _sequence;

        public long BitsPerSecond { get; set; } = bitsPerSecond;

        public double WorstQueueMsOfLastSecond { get; private set; }

        /// <summary>The next frame travels so much longer.</summary>
        public long HiccupMs { get; set; }

        /// <summary>What the viewer takes the host's clock for is so much later than it is.</summary>
        public long ViewersClockAheadMs { get; set; }

        /// <summary>What an acknowledgement takes.</summary>
        public long ReturnMs { get; init; }

        public void Play(LinkMeter meter, int seconds)
        {
            for (int frame = 0; frame < seconds * 30; frame++)
            {
                for (long until = _nowNs + (33 * Ms); _nowNs < until; _nowNs += Ms)
                {
                    while (_travelling.TryPeek(out var first) && first.ArrivesNs + (ReturnMs * Ms) <= _nowNs)
                    {
                        _travelling.Dequeue();
                        if (_window.TryAcknowledge(first.Sequence, _nowNs, out FrameInFlight arrived))
                        {
                            meter.Add(arrived, _window.DeliveredBytes, first.SaysNs, _nowNs);
                            WorstQueueMsOfLastSecond = Math.Max(WorstQueueMsOfLastSecond, meter.QueueNs / 1e6);
                        }
                    }
                }

                if (frame == (seconds - 1) * 30)
                {
                    WorstQueueMsOfLastSecond = 0;
                }

                if (_window.IsOpen)
                {
                    long bytes = Math.Max(300, meter.TargetBitsPerSecond / 30 / 8);
                    _window.Sending(new(++_sequence, 0, 0, 0, _nowNs, bytes));
                    _freeNs = Math.Max(_freeNs, _nowNs) + (bytes * 8_000_000_000 / BitsPerSecond);
                    long arrivesNs = _freeNs + ((travelMs + HiccupMs) * Ms);
                    _travelling.Enqueue((_sequence, arrivesNs, arrivesNs + (ViewersClockAheadMs * Ms)));
                    HiccupMs = 0;
                }
            }
        }
    }
}
