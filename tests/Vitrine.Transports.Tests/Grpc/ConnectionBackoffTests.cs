using Vitrine.Transports.Grpc;

namespace Vitrine.Transports.Tests.Grpc;

public sealed class ConnectionBackoffTests
{
    private readonly TestTime _time = new();

    [Fact]
    public void Failures_WaitsGrowWithJitterUpToTheLongest()
    {
        ConnectionBackoff backoff = new(time: _time, random: new Random(1));
        Assert.Equal(TimeSpan.Zero, backoff.Remaining);
        double expected = 1;
        HashSet<double> jitters = [];
        for (int i = 0; i < 30; i++)
        {
            backoff.Failed();
            double wait = backoff.Remaining.TotalSeconds;
            Assert.InRange(wait, expected * 0.799, expected * 1.201);
            jitters.Add(Math.Round(wait / expected, 3));
            expected = Math.Min(expected * 1.6, 120);
            _time.Advance(backoff.Remaining + TimeSpan.FromMilliseconds(1));
            Assert.Equal(TimeSpan.Zero, backoff.Remaining);
        }

        Assert.True(jitters.Count > 20);
    }

    [Fact]
    public void FailuresAtTheSameTime_CountOnce()
    {
        ConnectionBackoff backoff = new(time: _time, random: new Random(1));
        for (int i = 0; i < 100; i++)
        {
            backoff.Failed();
        }

        Assert.InRange(backoff.Remaining.TotalSeconds, 0.8, 1.2);
    }

    [Fact]
    public void Success_BeginsAnew()
    {
        ConnectionBackoff backoff = new(time: _time, random: new Random(1));
        for (int i = 0; i < 5; i++)
        {
            backoff.Failed();
            _time.Advance(backoff.Remaining + TimeSpan.FromMilliseconds(1));
        }

        backoff.Succeeded();
        Assert.Equal(TimeSpan.Zero, backoff.Remaining);
        backoff.Failed();
        Assert.InRange(backoff.Remaining.TotalSeconds, 0.8, 1.2);
    }
}
