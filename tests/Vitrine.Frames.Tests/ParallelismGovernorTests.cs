namespace Vitrine.Frames.Tests;

public sealed class ParallelismGovernorTests
{
    private const long Little = 4_096;
    private const long Much = 2_000_000;

    [Fact]
    public void OneThread_NothingToDecide()
    {
        ParallelismGovernor governor = new(1);
        for (int i = 0; i < 500; i++)
        {
            Assert.Equal(1, governor.Choose(Much));
            governor.Report(1, Much, 1_000_000, 0);
        }
    }

    [Fact]
    public void MixedSizes_FewThreadsForLittleManyForMuch()
    {
        ParallelismGovernor governor = new(4);
        Drive(governor, 400, (n, work) => (100_000 * (n - 1)) + (work / n), out _);
        Assert.Equal(1, Settled(governor, Little));
        Assert.Equal(4, Settled(governor, Much));
    }

    [Fact]
    public void MixedSizes_CheaperThanAnyFixedNumber()
    {
        ParallelismGovernor governor = new(4);
        double governed = Drive(governor, 4000, Model, out double[] fixedNumbers);
        Assert.All(fixedNumbers, each => Assert.True(governed < each, $"{governed} against {each}"));

        static long Model(int n, long work) => (150_000 * (n - 1)) + (work / n);
    }

    [Fact]
    public void ThreadsGainNothing_OneIsTaken()
    {
        ParallelismGovernor governor = new(2);
        Drive(governor, 400, (_, work) => 10_000 + work, out _);
        Assert.Equal(1, Settled(governor, Much));
    }

    [Fact]
    public void OtherProcessorsGetBusy_NoticedAndFollowed()
    {
        ParallelismGovernor governor = new(2);
        Drive(governor, 400, (n, work) => work / n, out _);
        Assert.Equal(2, Settled(governor, Much));

        // The helper waits for its turn behind somebody else, and everybody for the helper.
        int frames = 0;
        for (; frames < 300 && (governor.LoadChangeCount == 0 || Settled(governor, Much) != 1); frames++)
        {
            int n = governor.Choose(Much);
            governor.Report(n, Much, n == 1 ? Much : 3 * Much, n == 1 ? Much / 4 : 2 * Much);
        }

        Assert.InRange(frames, 1, 100);
    }

    [Fact]
    public void MuchWorseOnes_AreTriedRarely()
    {
        ParallelismGovernor governor = new(2);
        for (int i = 0; i < 10_000; i++)
        {
            int n = governor.Choose(Much);
            governor.Report(n, Much, n == 2 ? 100_000 : 1_600_000, 0);
        }

        Assert.InRange(governor.TrialCount, 5, 30);
    }

    [Fact]
    public void AnythingReported_StaysInRange()
    {
        Random random = new(9);
        ParallelismGovernor governor = new(3);
        for (int i = 0; i < 20_000; i++)
        {
            long work = random.Next(4) == 0 ? 0 : random.NextInt64(1L << random.Next(1, 62));
            int n = governor.Choose(work);
            Assert.InRange(n, 1, 3);
            governor.Report(random.Next(1, 4), work, random.NextInt64(-5, 1L << random.Next(1, 62)), random.NextInt64(-5, 1L << random.Next(1, 62)));
        }
    }

    [Fact]
    public void RunQueue_GrowsAndAllocatesNothing()
    {
        using RunQueue? queue = RunQueue.TryOpenForThisThread();
        Assert.NotNull(queue);
        long before = queue.ReadWaitNs();
        Assert.Equal(0, Allocation.BytesOf(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                Assert.True(queue.ReadWaitNs() >= before);
            }
        }));
    }

    [Fact]
    public void RunQueue_ThreadEnded_Zero()
    {
        RunQueue? queue = null;
        Thread thread = new(() => queue = RunQueue.TryOpenForThisThread());
        thread.Start();
        thread.Join();
        using (queue)
        {
            Assert.NotNull(queue);
            Assert.True(SpinWait.SpinUntil(() => queue.ReadWaitNs() == 0, TimeSpan.FromSeconds(10)));
        }
    }

    // A trial now and then is no decision: the answer given twice of three times is.
    private static int Settled(ParallelismGovernor governor, long work)
    {
        int[] answers = [governor.Choose(work), governor.Choose(work), governor.Choose(work)];
        return answers.GroupBy(n => n).MaxBy(group => group.Count())!.Key;
    }

    private static double Drive(ParallelismGovernor governor, int frames, Func<int, long, long> costNs, out double[] fixedNumbers)
    {
        Random random = new(4);
        double governed = 0;
        fixedNumbers = new double[governor.ParallelismMax];
        for (int i = 0; i < frames; i++)
        {
            long work = random.Next(2) == 0 ? Little : Much;
            int n = governor.Choose(work);
            long took = costNs(n, work);
            governor.Report(n, work, took, 0);
            governed += took;
            for (int each = 1; each <= fixedNumbers.Length; each++)
            {
                fixedNumbers[each - 1] += costNs(each, work);
            }
        }

        return governed;
    }
}
