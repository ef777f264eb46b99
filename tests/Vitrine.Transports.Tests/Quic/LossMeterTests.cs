using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public sealed class LossMeterTests
{
    [Fact]
    public void Share_FollowsWhatIsLostNow()
    {
        LossMeter meter = new();
        Assert.Equal(0, meter.Share);
        meter.Note(new(20, 0, 10));
        Assert.Equal(0, meter.Share); // too little to tell
        for (int i = 1; i <= 100; i++)
        {
            meter.Note(new(20 + (i * 100), 0, 10 + (i * 5)));
        }

        Assert.InRange(meter.Share, 0.045, 0.055);
        Assert.InRange(meter.ShareAtMost, 0.06, 0.07);
        meter.Note(new(12_000, 0, 510));
        Assert.InRange(meter.Share, 0, 0.01);
        meter.Note(new(15_000, 0, 510));
        Assert.InRange(meter.Share, 0, LossMeter.ShareMin);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    [InlineData(1)]
    public void PacketsThatGoTwice_ShareIsThatOfThePath(double twice)
    {
        LossMeter meter = new();
        const double share = 0.12;
        for (int i = 1; i <= 100; i++)
        {
            int packets = i * 1000;
            meter.Note(new(packets, (long)(packets * twice), (long)(packets * ((twice * share * share) + ((1 - twice) * share)))));
        }

        Assert.InRange(meter.Share, 0.115, 0.125);
    }

    [Theory]
    [InlineData(0, 3)]
    [InlineData(0.5, 3)]
    [InlineData(0.95, 2)]
    [InlineData(1, 1)]
    public void Repairs_FewerTheSurerItIsThatAllGoTwice(double twice, int expected) => Assert.Equal(expected, LossMeter.Repairs(4, 0.05, twice));

    [Theory]
    [InlineData(1, 0.05)]
    [InlineData(33, 0.05)]
    [InlineData(33, 0.12)]
    [InlineData(150, 0.12)]
    [InlineData(10, 0.5)]
    public void Repairs_NearlyAlwaysEnoughAndNotMany(int sources, double share)
    {
        int repairs = LossMeter.Repairs(sources, share, 0);
        Random random = new(1);
        const int runs = 100_000;
        int tooFew = 0, tooFewWithLess = 0;
        for (int run = 0; run < runs; run++)
        {
            int losses = 0;
            for (int i = 0; i < sources + repairs; i++)
            {
                losses += random.NextDouble() < share ? 1 : 0;
            }

            tooFew += losses > repairs ? 1 : 0;
            tooFewWithLess += losses > repairs - 2 ? 1 : 0;
        }

        Assert.InRange(tooFew / (double)runs, 0, 0.0015);
        Assert.True(tooFewWithLess / (double)runs > 0.0005, $"{repairs} for {sources}: fewer would do");
    }
}
