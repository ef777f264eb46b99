namespace Vitrine.Frames.Tests;

public sealed class SpscRingTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(-4)]
    public void CapacityNoPowerOfTwo_Refused(int capacity) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new SpscRing<string>(capacity));

    [Fact]
    public void Full_EnqueueFailsAndNothingIsDropped()
    {
        SpscRing<string> ring = new(2);
        Assert.True(ring.TryEnqueue("a"));
        Assert.True(ring.TryEnqueue("b"));
        Assert.False(ring.TryEnqueue("c"));
        Assert.Equal(2, ring.Count);
        Assert.True(ring.TryDequeue(out string? item));
        Assert.Equal("a", item);
        Assert.True(ring.TryEnqueue("c"));
        Assert.True(ring.TryDequeue(out item));
        Assert.Equal("b", item);
        Assert.True(ring.TryDequeue(out item));
        Assert.Equal("c", item);
        Assert.False(ring.TryDequeue(out item));
        Assert.Null(item);
        Assert.Equal(0, ring.Count);
    }

    [Fact]
    public void Dequeue_LetsGoOfTheItem()
    {
        SpscRing<object> ring = new(1);
        WeakReference weak = Pass(ring);
        GC.Collect();
        Assert.False(weak.IsAlive);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static WeakReference Pass(SpscRing<object> ring)
        {
            object item = new();
            ring.TryEnqueue(item);
            ring.TryDequeue(out _);
            return new WeakReference(item);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(64)]
    public async Task TwoThreads_EveryItemOnceAndInOrder(int capacity)
    {
        SpscRing<long> ring = new(capacity);
        long items = capacity < 64 ? 10_000 : 100_000;
        Task<long> consumer = Task.Factory.StartNew(
            () =>
            {
                SpinWait spin = default;
                long next = 1;
                while (next <= items)
                {
                    if (!ring.TryDequeue(out long item))
                    {
                        spin.SpinOnce(sleep1Threshold: -1);
                    }
                    else if (item != next++)
                    {
                        return item;
                    }
                }

                return 0;
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        SpinWait wait = default;
        for (long i = 1; i <= items && !consumer.IsCompleted;)
        {
            if (ring.TryEnqueue(i))
            {
                i++;
            }
            else
            {
                wait.SpinOnce(sleep1Threshold: -1);
            }
        }

        Assert.Equal(0, await consumer.WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Equal(0, ring.Count);
    }

    [Fact]
    public void LatestSlot_NewestWinsAndTheOlderComesBack()
    {
        LatestSlot<string> slot = new();
        Assert.Null(slot.Take());
        Assert.Null(slot.Exchange("a"));
        Assert.Equal("a", slot.Exchange("b"));
        Assert.Equal("b", slot.Take());
        Assert.Null(slot.Take());
    }
}
