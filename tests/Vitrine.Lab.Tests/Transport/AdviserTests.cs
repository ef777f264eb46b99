using Vitrine.Lab.Transport;

namespace Vitrine.Lab.Tests.Transport;

public sealed class AdviserTests
{
    [Fact]
    public void OneIsFarBetter_ItIsChosenWithCertainty()
    {
        Advice advice = Adviser.Choose([Trial("slow", i => 900 + (i % 100)), Trial("fast", i => 100 + (i % 100))]);
        Assert.Equal("fast", advice.Best.Name);
        Assert.Equal(1, advice.Sureness);
        Assert.True(advice.IsSure);
        Assert.StartsWith("fast: within 5 %", advice.Text, StringComparison.Ordinal);
        Assert.Equal(["fast", "slow"], advice.Trials.Select(trial => trial.Choice.Name));
    }

    [Fact]
    public void BothAreTheSameAndNoisy_ItDoesNotKnow()
    {
        // The slowest tenth is a few values out of a wide range: which one is better is chance.
        Random random = new(7);
        Advice advice = Adviser.Choose([Trial("one", _ => Math.Exp(3 * random.NextDouble()) * 100, 40), Trial("other", _ => Math.Exp(3 * random.NextDouble()) * 100, 40)]);
        Assert.False(advice.IsSure);
        Assert.StartsWith("Not known", advice.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void BothAreTheSameWithoutNoise_EitherIsRight()
    {
        Advice advice = Adviser.Choose([Trial("one", _ => 100), Trial("other", _ => 101)]);
        Assert.True(advice.IsSure); // within 5 % of the best whichever it is
    }

    [Fact]
    public void RequestIsNotAnswered_ItIsNotTheBest()
    {
        Advice advice = Adviser.Choose([Trial("broken", _ => 1) with { Failed = 1 }, Trial("whole", _ => 1000)]);
        Assert.Equal("whole", advice.Best.Name);
    }

    [Fact]
    public void SlowestTenth_IsTheMeanOfIt()
    {
        Assert.Equal(95.5, Adviser.SlowestTenth([.. Enumerable.Range(1, 100).Select(i => (double)i)], 0));
        Assert.Equal(7, Adviser.SlowestTenth([7, 1], 0));
        Assert.Equal(double.PositiveInfinity, Adviser.SlowestTenth([], 0));
    }

    private static Trial Trial(string name, Func<int, double> value, int count = 400) =>
        new(new(name, new() { Protocol = EchoProtocol.Quic, Address = "", Fingerprint = "" }), [.. Enumerable.Range(0, count).Select(value)], 0);
}
