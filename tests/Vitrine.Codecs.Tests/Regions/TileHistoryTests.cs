using Vitrine.Codecs.Regions;

namespace Vitrine.Codecs.Tests.Regions;

public sealed class TileHistoryTests
{
    private const int Tiles = 20;
    private const int CodingNs = 10_000;

    [Fact]
    public void FramesWithCopies_TilesAreNotChargedForWhatCopiesTook()
    {
        TileHistory history = new(new(Tiles * 64, 64));
        Code(history, copies: 0, CodingNs * Tiles);
        int costNs = history.CostOf(0).Ns;
        for (int frame = 0; frame < 50; frame++)
        {
            Code(history, copies: 1, CodingNs * Tiles * 4);
        }

        Assert.Equal(costNs, history.CostOf(0).Ns);
    }

    [Fact]
    public void FramesWithoutCopies_ComparingIsPartOfWhatTilesCost()
    {
        TileHistory history = new(new(Tiles * 64, 64));
        for (int frame = 0; frame < 50; frame++)
        {
            Code(history, copies: 0, CodingNs * Tiles * 2);
        }

        Assert.InRange(history.CostOf(0).Ns, 19_000, 20_000);
    }

    private static void Code(TileHistory history, int copies, long elapsedNs)
    {
        for (int tile = 0; tile < Tiles; tile++)
        {
            history.NoteCoded(tile, 1_500, CodingNs, isChange: true);
        }

        history.NoteFrame(Tiles, copies, elapsedNs);
    }
}
