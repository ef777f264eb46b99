using Vitrine.Lab.Transport;

namespace Vitrine.Lab.Tests.Transport;

public sealed class HandoverRoundsTests
{
    private const long Ms = 1_000_000;

    [Fact]
    public void Interruption_IsTheLongestGapFromTheLastAnswerBeforeTheChange()
    {
        // Every 20 ms; at 100 ms the path changes, and from 80 to 190 ms nothing is answered; later a gap that is shorter.
        IEnumerable<long> answers = [20 * Ms, 40 * Ms, 60 * Ms, 80 * Ms, 190 * Ms, 210 * Ms, 270 * Ms, 290 * Ms];
        Assert.Equal([90 * Ms], HandoverRounds.InterruptionsNs([100 * Ms], answers.Reverse(), 20 * Ms));
    }

    [Fact]
    public void GapComesLater_ItIsTheChangesOwn()
    {
        // The first answer comes at once, repairs take until 700 ms.
        Assert.Equal([530 * Ms], HandoverRounds.InterruptionsNs([100 * Ms], [90 * Ms, 110 * Ms, 150 * Ms, 700 * Ms], 20 * Ms));
    }

    [Fact]
    public void NothingIsNoticed_Zero()
    {
        long[] answers = [.. Enumerable.Range(1, 400).Select(i => i * 20 * Ms)];
        Assert.Equal([0L, 0L], HandoverRounds.InterruptionsNs([1005 * Ms, 3011 * Ms], answers, 20 * Ms));
    }

    [Fact]
    public void GapOfTheNextChange_IsNotThisOnes()
    {
        List<long> answers = [.. Enumerable.Range(1, 100).Select(i => i * 20 * Ms), 3000 * Ms, 3020 * Ms];
        Assert.Equal([0L, 980 * Ms], HandoverRounds.InterruptionsNs([500 * Ms, 2005 * Ms], answers, 20 * Ms));
    }
}
