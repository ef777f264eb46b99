namespace Vitrine.Transports.Quic;

/// <summary>Something with a time.</summary>
internal interface ITimed
{
    /// <summary>Where it is in the heap; -1 when it is not. The heap's own.</summary>
    int HeapIndex { get; set; }

    /// <summary>When, in nanoseconds. Changed by <see cref="TimerHeap{T}.Set"/> only.</summary>
    ulong Due { get; set; }
}

/// <summary>Timers of an event loop: a binary heap whose entries know their place, so that a timer moves without being searched.</summary>
/// <remarks>One thread. Allocates only when more timers run than ever before.</remarks>
internal sealed class TimerHeap<T>
    where T : class, ITimed
{
    private readonly List<T> _items = [];

    /// <summary>How many run.</summary>
    public int Count => _items.Count;

    /// <summary>When the next is due; <see cref="ulong.MaxValue"/> when none runs.</summary>
    public ulong NextDue => _items.Count == 0 ? ulong.MaxValue : _items[0].Due;

    /// <summary>The next; null when none runs.</summary>
    public T? Next => _items.Count == 0 ? null : _items[0];

    /// <summary>Starts or moves a timer; <see cref="ulong.MaxValue"/> stops it.</summary>
    public void Set(T item, ulong due)
    {
        int index = item.HeapIndex;
        if (due == ulong.MaxValue)
        {
            Remove(item);
            return;
        }

        if (index < 0)
        {
            index = _items.Count;
            _items.Add(item);
            item.HeapIndex = index;
            item.Due = due;
            Up(index);
            return;
        }

        bool isEarlier = due < item.Due;
        item.Due = due;
        if (isEarlier)
        {
            Up(index);
        }
        else
        {
            Down(index);
        }
    }

    /// <summary>Stops a timer; nothing when it does not run.</summary>
    public void Remove(T item)
    {
        int index = item.HeapIndex;
        if (index < 0)
        {
            return;
        }

        int last = _items.Count - 1;
        T moved = _items[last];
        _items.RemoveAt(last);
        item.HeapIndex = -1;
        if (index < last)
        {
            _items[index] = moved;
            moved.HeapIndex = index;
            Up(index);
            Down(moved.HeapIndex);
        }
    }

    private void Up(int index)
    {
        T item = _items[index];
        while (index > 0)
        {
            int parent = (index - 1) / 2;
            if (_items[parent].Due <= item.Due)
            {
                break;
            }

            Place(index, _items[parent]);
            index = parent;
        }

        Place(index, item);
    }

    private void Down(int index)
    {
        T item = _items[index];
        while (true)
        {
            int child = (2 * index) + 1;
            if (child >= _items.Count)
            {
                break;
            }

            if (child + 1 < _items.Count && _items[child + 1].Due < _items[child].Due)
            {
                child++;
            }

            if (_items[child].Due >= item.Due)
            {
                break;
            }

            Place(index, _items[child]);
            index = child;
        }

        Place(index, item);
    }

    private void Place(int index, T item)
    {
        _items[index] = item;
        item.HeapIndex = index;
    }
}
