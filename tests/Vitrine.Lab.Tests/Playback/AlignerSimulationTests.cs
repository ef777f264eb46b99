using Vitrine.Lab.Playback;

namespace Vitrine.Lab.Tests.Playback;

public sealed class AlignerSimulationTests
{
    [Theory]
    [InlineData(50e-6)]
    [InlineData(-50e-6)]
    [InlineData(0)]
    public void TwoClocks_AlignedWithinTheGoal(double drift)
    {
        for (int seed = 1; seed <= 5; seed++)
        {
            AlignerRun run = AlignerSimulation.Simulate(seed, _ => drift, minutes: 2);
            Assert.InRange(run.Errors.MeanNs, 0, 200_000);
            Assert.InRange(run.Errors.MaxNs, 0, 2_000_000);
            Assert.InRange(run.SettlingMaxNs, 0, 20_000_000);
        }
    }

    [Fact]
    public void SameSeed_SameFigures()
    {
        AlignerRun one = AlignerSimulation.Simulate(3, _ => 2e-5, 1), other = AlignerSimulation.Simulate(3, _ => 2e-5, 1);
        Assert.Equal(one.Errors.MeanNs, other.Errors.MeanNs);
        Assert.Equal(one.Errors.MaxNs, other.Errors.MaxNs);
        Assert.Equal(one.SettlingMaxNs, other.SettlingMaxNs);
    }
}
