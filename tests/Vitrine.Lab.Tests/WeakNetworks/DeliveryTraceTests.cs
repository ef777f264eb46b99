using System.Text;
using Vitrine.Lab.WeakNetworks;

namespace Vitrine.Lab.Tests.WeakNetworks;

public sealed class DeliveryTraceTests
{
    private const long Millisecond = 1_000_000;

    [Fact]
    public void FullPackets_LeaveAtTheTimesOfTheTraceAgainAndAgain()
    {
        // Two at 2 ms, one at 5 ms, and so on every 5 ms.
        var model = new LinkModel(new() { Trace = Parse("2\n2\n5\n"), QueueBytesMax = 1 << 20 }, 1);
        long[] due = [.. Enumerable.Range(0, 7).Select(_ => model.Decide(100, 1500).DueNs - 100)];
        Assert.Equal([2, 2, 5, 7, 7, 10, 12], due.Select(ns => ns / (double)Millisecond));
    }

    [Fact]
    public void SmallPackets_ShareAnOpportunity()
    {
        var model = new LinkModel(new() { Trace = Parse("10\n20\n") }, 1);
        Assert.Equal([10, 10, 20], Enumerable.Range(0, 3).Select(_ => model.Decide(0, 700).DueNs / Millisecond)); // the third: 100 bytes at 10, the rest at 20
    }

    [Fact]
    public void OpportunitiesThatPassUnused_AreLost()
    {
        var model = new LinkModel(new() { Trace = Parse("10\n20\n30\n") }, 1);
        Assert.Equal(10 * Millisecond, model.Decide(0, 1500).DueNs);
        Assert.Equal(30 * Millisecond, model.Decide(20 * Millisecond, 1500).DueNs); // that of 20 is over when it comes
        Assert.Equal(100_020 * Millisecond, model.Decide(100_015 * Millisecond, 1500).DueNs); // round 3,333 started at 99,990
    }

    [Fact]
    public void WhatAPacketLeft_IsNotKeptForThoseThatComeLater()
    {
        var model = new LinkModel(new() { Trace = Parse("10\n20\n") }, 1);
        Assert.Equal(10 * Millisecond, model.Decide(0, 100).DueNs);
        Assert.Equal(20 * Millisecond, model.Decide(10 * Millisecond, 100).DueNs);
    }

    [Fact]
    public void EveryScheduleAgreesWithPlayingItStepByStep()
    {
        var random = new Random(3);
        for (int round = 0; round < 200; round++)
        {
            int[] times = [.. Enumerable.Range(0, random.Next(1, 20)).Select(_ => random.Next(1, 40)).Order()];
            var schedule = new DeliverySchedule(Parse(string.Join('\n', times)), startNs: 0);
            var opportunities = Enumerable.Range(0, 2_000).SelectMany(turn => times.Select(time => (turn * (long)times[^1]) + time)).GetEnumerator();
            opportunities.MoveNext();
            int left = DeliveryTrace.OpportunityBytes;
            long now = 0;
            for (int packet = 0; packet < 200; packet++)
            {
                now += random.Next(3) == 0 ? random.Next(60) : 0;
                int bytes = random.Next(1, 1501), rest = bytes;
                while (opportunities.Current <= now)
                {
                    (left, _) = (DeliveryTrace.OpportunityBytes, opportunities.MoveNext());
                }

                while (rest > left)
                {
                    rest -= left;
                    (left, _) = (DeliveryTrace.OpportunityBytes, opportunities.MoveNext());
                }

                left -= rest;
                long expected = opportunities.Current;
                if (left == 0)
                {
                    (left, _) = (DeliveryTrace.OpportunityBytes, opportunities.MoveNext());
                }

                Assert.Equal(expected * Millisecond, schedule.Depart(now * Millisecond, bytes));
            }
        }
    }

    [Theory]
    [InlineData("", "no lines")]
    [InlineData("0\n0\n", "line 2: the last time is 0")]
    [InlineData("1\n\n2\n", "line 2: the line is empty")]
    [InlineData("1\n2\n\n", "line 3: the line is empty")]
    [InlineData("5\n4\n", "line 2: 4 is before the 5")]
    [InlineData("5\nsix\n", "line 2: «six» is no time")]
    [InlineData("-1\n", "line 1: «-1» is no time")]
    [InlineData("1.5\n", "line 1: «1.5» is no time")]
    [InlineData(" 1\n", "line 1: « 1» is no time")]
    [InlineData("99999999999999999999\n", "line 1: a time has at most 10 digits")]
    [InlineData("4000000000\n", "line 1: «4000000000» is no time")]
    public void NotATrace_RefusedWithTheLine(string text, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void LineEndingsOfBothKinds_AndALastLineWithoutOne_Read()
    {
        Assert.Equal([1, 2, 3], Parse("1\r\n2\r\n3").Milliseconds.ToArray());
        Assert.Equal(TimeSpan.FromMilliseconds(3), Parse("1\n2\n3\n").Duration);
        Assert.Equal(12_000_000, Parse("1\n2\n3\n").MeanBitsPerSecond);
    }

    [Fact]
    public void FileWithoutEnd_RefusedAtItsBound()
    {
        using var reader = new EndlessLines();
        Assert.Contains("at most 4000000 lines", Assert.Throws<InvalidDataException>(() => DeliveryTrace.Parse(reader, "endless")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fuzz_ReadOrRefusedAsNoTrace()
    {
        double seconds = double.TryParse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SECONDS"), out double asked) ? asked : 0.5;
        var random = new Random(12);
        byte[] alphabet = "0123456789\n\n\r-. +e\0\xff"u8.ToArray();
        long started = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(started).TotalSeconds < seconds)
        {
            byte[] bytes = [.. Enumerable.Range(0, random.Next(60)).Select(_ => random.Next(4) == 0 ? alphabet[random.Next(alphabet.Length)] : (byte)('0' + random.Next(10)))];
            try
            {
                DeliveryTrace trace = Parse(Encoding.Latin1.GetString(bytes));
                Assert.True(trace.Duration > TimeSpan.Zero);
                var schedule = new DeliverySchedule(trace, 0);
                Assert.True(schedule.Depart(random.NextInt64(1L << 40), 1500) > 0);
            }
            catch (InvalidDataException)
            {
                // what most of it is
            }
        }
    }

    private static DeliveryTrace Parse(string text) => DeliveryTrace.Parse(new StringReader(text), "test.trace");

    private sealed class EndlessLines : TextReader
    {
        private bool _isDigit;

        public override int Read()
        {
            _isDigit = !_isDigit;
            return _isDigit ? '7' : '\n';
        }
    }
}
