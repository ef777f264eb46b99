using System.Numerics;
using System.Runtime.InteropServices;

namespace Vitrine.Frames;

/// <summary>A bounded queue between exactly one producing and one consuming thread, without locks: each index is written
/// by one side and read by the other, and each side keeps a copy of the other's index so that the shared cache line moves
/// only when the copy runs out (M. Thompson's and E. Rigtorp's ring).</summary>
/// <remarks>When it is full <see cref="TryEnqueue"/> fails and nothing is dropped (back-pressure); newest-wins is
/// <see cref="LatestSlot{T}"/>. Allocates at construction only.</remarks>
/// <typeparam name="T">Item; ownership passes with it.</typeparam>
public sealed class SpscRing<T>
{
    private readonly T?[] _items;
    private readonly int _mask;
    private SpscIndices _indices;

    /// <summary>Makes a ring.</summary>
    /// <param name="capacity">Most items held; a power of two, at least 1.</param>
    public SpscRing(int capacity)
    {
        if (capacity < 1 || !BitOperations.IsPow2(capacity))
        {
            throw new ArgumentOutOfRangeException(nameof(capacity), capacity, "The capacity of a ring is a power of two.");
        }

        _items = new T?[capacity];
        _mask = capacity - 1;
    }

    /// <summary>Most items held.</summary>
    public int Capacity => _items.Length;

    /// <summary>Items held now; exact only for a thread that is one of the two sides while the other rests.</summary>
    public int Count => (int)(Volatile.Read(ref _indices.Tail) - Volatile.Read(ref _indices.Head));

    /// <summary>Producer only: hands one item over.</summary>
    /// <returns>False when the ring is full; the caller keeps the item.</returns>
    public bool TryEnqueue(T item)
    {
        long tail = _indices.Tail;
        if (tail - _indices.HeadSeenByProducer == _items.Length)
        {
            _indices.HeadSeenByProducer = Volatile.Read(ref _indices.Head);
            if (tail - _indices.HeadSeenByProducer == _items.Length)
            {
                return false;
            }
        }

        _items[(int)tail & _mask] = item;
        Volatile.Write(ref _indices.Tail, tail + 1);
        return true;
    }

    /// <summary>Consumer only: takes the oldest item.</summary>
    public bool TryDequeue(out T? item)
    {
        long head = _indices.Head;
        if (head == _indices.TailSeenByConsumer)
        {
            _indices.TailSeenByConsumer = Volatile.Read(ref _indices.Tail);
            if (head == _indices.TailSeenByConsumer)
            {
                item = default;
                return false;
            }
        }

        ref T? slot = ref _items[(int)head & _mask];
        item = slot;
        slot = default;
        Volatile.Write(ref _indices.Head, head + 1);
        return true;
    }
}

/// <summary>The newest-wins hand-over: one place, the older item is displaced and given back to the producer, which
/// disposes and counts it.</summary>
/// <remarks>Any number of threads on both sides; one exchange a hand-over.</remarks>
/// <typeparam name="T">Item; ownership passes with it.</typeparam>
public sealed class LatestSlot<T>
    where T : class
{
    private T? _item;

    /// <summary>Puts an item; returns the one that nobody took, or null.</summary>
    public T? Exchange(T item) => Interlocked.Exchange(ref _item, item);

    /// <summary>Takes the newest item, or null.</summary>
    public T? Take() => Interlocked.Exchange(ref _item, null);
}

// Outside the ring because a generic type may not have an explicit layout.
// 128 bytes apart: x64 prefetches cache lines in pairs, and Apple's lines are 128 bytes long.
[StructLayout(LayoutKind.Explicit, Size = 384)]
internal struct SpscIndices
{
    [FieldOffset(128)]
    public long Tail;
    [FieldOffset(136)]
    public long HeadSeenByProducer;
    [FieldOffset(256)]
    public long Head;
    [FieldOffset(264)]
    public long TailSeenByConsumer;
}
