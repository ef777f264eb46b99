using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public class TimerHeapTests
{
    [Fact]
    public void RandomChanges_NextIsAlwaysTheLeast()
    {
        Random random = new(5);
        TimerHeap<Timer> heap = new();
        Timer[] timers = Enumerable.Range(0, 100).Select(_ => new Timer()).ToArray();
        Dictionary<Timer, ulong> expected = [];
        for (int i = 0; i < 20_000; i++)
        {
            Timer timer = timers[random.Next(timers.Length)];
            if (random.Next(4) == 0)
            {
                heap.Remove(timer);
                expected.Remove(timer);
            }
            else
            {
                ulong due = random.Next(50) == 0 ? ulong.MaxValue : (ulong)random.Next(1000);
                heap.Set(timer, due);
                expected.Remove(timer);
                if (due != ulong.MaxValue)
                {
                    expected.Add(timer, due);
                }
            }

            Assert.Equal(expected.Count, heap.Count);
            Assert.Equal(expected.Count == 0 ? ulong.MaxValue : expected.Values.Min(), heap.NextDue);
            Assert.Equal(expected.Count == 0, heap.Next is null);
        }
    }

    private sealed class Timer : ITimed
    {
        public int HeapIndex { get; set; } = -1;

        public ulong Due { get; set; }
    }
}
