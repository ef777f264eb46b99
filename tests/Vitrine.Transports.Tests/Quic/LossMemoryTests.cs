using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public class LossMemoryTests
{
    [Fact]
    public void ThirdLossOfAHundredPackets_IsLossy()
    {
        LossMemory memory = default;
        Assert.Equal([101L], LossyFrom(ref memory, [50, 75, 101], 300));
    }

    [Fact]
    public void LossesAreFarApart_IsNot()
    {
        LossMemory memory = default;
        Assert.Empty(LossyFrom(ref memory, [50, 51, 150, 200, 250, 300], 1000));
    }

    [Fact]
    public void NoMoreLosses_Forgotten_UnlessOneIsSeenMeanwhile()
    {
        LossMemory memory = default;
        LossyFrom(ref memory, [1, 2, 3], 3);
        LossyFrom(ref memory, [], 1999);
        Assert.True(memory.IsLossy);
        memory.NoteLoss();
        LossyFrom(ref memory, [], 1999);
        Assert.True(memory.IsLossy);
        memory.NotePacket();
        Assert.False(memory.IsLossy);
        memory.NoteLoss(); // one alone
        Assert.False(memory.IsLossy);
    }

    [Fact]
    public void AnotherPath_LossyUntilItIsKnown()
    {
        LossMemory memory = LossMemory.OfAnotherPath();
        Assert.True(memory.IsLossy);
        LossyFrom(ref memory, [20], 99); // one loss alone is none to remember
        Assert.True(memory.IsLossy);
        memory.NotePacket();
        Assert.False(memory.IsLossy);
    }

    [Fact]
    public void AnotherPathThatLoses_GoesOnBeingLossy()
    {
        LossMemory memory = LossMemory.OfAnotherPath();
        LossyFrom(ref memory, [20, 50, 80], 1000);
        Assert.True(memory.IsLossy);
    }

    // Numbers of the packets at which it became so.
    private static List<long> LossyFrom(ref LossMemory memory, long[] losses, int packets)
    {
        List<long> from = [];
        for (int i = 0; i < packets; i++)
        {
            bool before = memory.IsLossy;
            memory.NotePacket();
            if (losses.Contains(memory.Packets))
            {
                memory.NoteLoss();
            }

            if (memory.IsLossy && !before)
            {
                from.Add(memory.Packets);
            }
        }

        return from;
    }
}
