using Vitrine.Server.Sharing;

namespace Vitrine.Server.Tests.Sharing;

public sealed class FlowWindowTests
{
    private const long Ms = 1_000_000;

    [Fact]
    public void NothingAcknowledged_TwoFramesGo()
    {
        FlowWindow window = new();
        Assert.True(window.IsOpen);
        window.Sending(Frame(1, 0));
        window.Sending(Frame(1, 1)); // another packet of the same frame
        Assert.True(window.IsOpen);
        window.Sending(Frame(2, 2));
        Assert.False(window.IsOpen);
        Assert.Equal(2, window.InFlight);
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(16, 3)]
    [InlineData(100, 8)]
    [InlineData(5_000, 32)]
    public void RoundTripIsKnown_WindowGrowsWithIt(int roundTripMs, int frames)
    {
        FlowWindow window = new();
        window.Sending(Frame(1, 0));
        Assert.True(window.TryAcknowledge(1, roundTripMs * Ms, out FrameInFlight acknowledged));
        Assert.Equal(1u, acknowledged.Sequence);
        uint sent = 0;
        while (window.IsOpen)
        {
            window.Sending(Frame(10 + sent++, 0));
        }

        Assert.Equal((uint)frames, sent);
    }

    [Fact]
    public void LaterFrameIsAcknowledged_EarlierOnesAreToo()
    {
        FlowWindow window = new();
        window.Sending(Frame(uint.MaxValue, 0));
        window.Sending(Frame(1, 0)); // numbers wrap around, without 0
        Assert.True(window.TryAcknowledge(1, Ms, out _));
        Assert.Equal(0, window.InFlight);
    }

    [Fact]
    public void NumberIsLateOrInvented_NothingHappens()
    {
        FlowWindow window = new();
        window.Sending(Frame(5, 0));
        window.Sending(Frame(6, 0));
        foreach (uint sequence in (uint[])[4, 7, 0, 123_456_789])
        {
            Assert.False(window.TryAcknowledge(sequence, Ms, out _));
        }

        Assert.Equal(2, window.InFlight);
        Assert.Null(window.MinRoundTripNs);
    }

    [Fact]
    public void PathGetsLonger_TheWindowFollowsWithinTwentySeconds()
    {
        FlowWindow window = new();
        long now = 0;
        uint sequence = 0;
        Run(5 * Ms, 1);
        Assert.Equal(5 * Ms, window.MinRoundTripNs);
        Run(200 * Ms, 150); // 30 s
        Assert.Equal(200 * Ms, window.MinRoundTripNs);

        void Run(long roundTripNs, int count)
        {
            for (int i = 0; i < count; i++)
            {
                window.Sending(Frame(++sequence, now));
                now += roundTripNs;
                Assert.True(window.TryAcknowledge(sequence, now, out _));
            }
        }
    }

    private static FrameInFlight Frame(uint sequence, long sentNs) => new(sequence, 0, 0, 0, sentNs);
}

public sealed class MessageBudgetTests
{
    [Fact]
    public void BurstThenSteady_TakesAsManyAsAllowed()
    {
        MessageBudget budget = new(0);
        int taken = 0;
        while (budget.TryTake(0))
        {
            taken++;
        }

        Assert.Equal(MessageBudget.PerSecond, taken);
        Assert.False(budget.TryTake(100_000));
        Assert.True(budget.TryTake(2_000_000));
    }
}

public sealed class AsyncSignalTests
{
    [Fact]
    public async Task SetBeforeTheWait_PassesOnce()
    {
        AsyncSignal signal = new();
        signal.Set(inline: true);
        signal.Set(inline: false);
        await signal.WaitAsync();
        ValueTask second = signal.WaitAsync();
        Assert.False(second.IsCompleted);
        signal.Set(inline: false);
        await second.AsTask().WaitAsync(Host.Patience);
    }

    [Fact]
    public async Task TwoThreadsSet_NoWakeIsLost()
    {
        AsyncSignal signal = new();
        const int Count = 50_000;
        long published = 0, seen = 0;
        Thread[] setters = [.. Enumerable.Range(0, 2).Select(number => new Thread(() =>
        {
            for (int i = 0; i < Count; i++)
            {
                Interlocked.Increment(ref published);
                signal.Set(inline: number == 0);
            }
        }))];
        Task waiter = Task.Run(async () =>
        {
            while (seen < 2 * Count)
            {
                await signal.WaitAsync();
                seen = Interlocked.Read(ref published);
            }
        });
        foreach (Thread setter in setters)
        {
            setter.Start();
        }

        await waiter.WaitAsync(Host.Patience);
    }
}
