using Vitrine.Lab.WeakNetworks;

namespace Vitrine.Lab.Tests.WeakNetworks;

public sealed class LossModelTests
{
    [Theory]
    [InlineData(0.05)]
    [InlineData(0.12)]
    [InlineData(0.002)]
    public void Random_LosesItsShareWithinFiveSigma(double share)
    {
        const int packets = 400_000;
        int lost = Losses(LossModel.Random(share), packets).Count(isLost => isLost);
        Assert.InRange(lost, Expected(packets, share) - (5 * Sigma(packets, share)), Expected(packets, share) + (5 * Sigma(packets, share)));
    }

    [Theory]
    [InlineData(0.01, 3)]
    [InlineData(0.01, 8)]
    [InlineData(0.2, 2)]
    public void Bursts_LoseTheirShareInRunsOfTheirLength(double share, double meanBurst)
    {
        const int packets = 1_000_000;
        bool[] losses = Losses(LossModel.Bursts(share, meanBurst), packets);
        int lost = losses.Count(isLost => isLost), bursts = losses.Where((isLost, i) => isLost && (i == 0 || !losses[i - 1])).Count();
        Assert.Equal(share, LossModel.Bursts(share, meanBurst).MeanLoss, 9);
        Assert.InRange((double)lost / bursts, meanBurst * 0.95, meanBurst * 1.05);
        Assert.InRange((double)lost / packets, share * 0.9, share * 1.1); // neighbours depend on each other: wider than binomial
    }

    [Fact]
    public void Random_DoesNotRememberWhatWasLost()
    {
        bool[] losses = Losses(LossModel.Random(0.12), 400_000);
        int pairs = losses.Zip(losses.Skip(1)).Count(pair => pair.First && pair.Second);
        Assert.InRange(pairs, Expected(400_000, 0.0144) - (5 * Sigma(400_000, 0.0144)), Expected(400_000, 0.0144) + (5 * Sigma(400_000, 0.0144)));
    }

    [Fact]
    public void ElliottsBadState_LosesASharePartly()
    {
        var model = new LossModel(GoodToBad: 0.01, BadToGood: 0.09, LossInGood: 0.001, LossInBad: 0.5);
        Assert.Equal((0.1 * 0.5) + (0.9 * 0.001), model.MeanLoss, 9);
        Assert.InRange(Losses(model, 1_000_000).Count(isLost => isLost) / 1e6, model.MeanLoss * 0.9, model.MeanLoss * 1.1);
    }

    [Fact]
    public void ProbabilitiesThatAreNone_Refused()
    {
        Assert.Throws<ArgumentException>(() => LossModel.Random(1.01).Check());
        Assert.Throws<ArgumentException>(() => LossModel.Random(double.NaN).Check());
        Assert.Throws<ArgumentException>(() => new LossModel(0.1, 0, 0, 1).Check());
        Assert.Throws<ArgumentException>(() => LossModel.Bursts(0.9, 1).Check()); // runs of one cannot be nine of ten
    }

    private static bool[] Losses(LossModel loss, int packets)
    {
        var model = new LinkModel(new LinkProfile { Loss = loss }, key: 11);
        return [.. Enumerable.Range(0, packets).Select(i => model.Decide(i, 100).Outcome == PacketOutcome.Lost)];
    }

    private static double Expected(int packets, double share) => packets * share;

    private static double Sigma(int packets, double share) => Math.Sqrt(packets * share * (1 - share));
}
