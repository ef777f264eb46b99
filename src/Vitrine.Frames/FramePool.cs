namespace Vitrine.Frames;

/// <summary>A fixed number of pictures in mapped memory. Allocated at construction, never grown; when every picture is
/// held, <see cref="TryRent"/> fails and is counted: the source skips that frame.</summary>
/// <remarks>Thread-safe. The pool hands out the free picture that was written last: it differs least from the screen, so a
/// damage-driven source has least to read (<see cref="FrameLease.Stale"/>).</remarks>
public sealed class FramePool : IDisposable
{
    /// <summary>Pictures of a pool that serves one live stream:
    /// 1 that the source writes and the coder reads in turn,
    /// 1 that the region coder keeps while there is video, to refine what rests without a new frame,
    /// 1 that a recorder or a still picture holds meanwhile,
    /// 1 so that the source can go on while these are held.</summary>
    public const int LiveCapacity = 1 + 1 + 1 + 1;

    private readonly Lock _lock = new();
    private readonly FrameLease[] _slots;
    private long _exhaustedCount;
    private long _writeCount;
    private bool _disposed;

    /// <summary>Maps <paramref name="capacity"/> pictures of <paramref name="format"/>.</summary>
    /// <param name="format">Layout of every picture.</param>
    /// <param name="capacity">1..64, a sum with one named term a holder (see <see cref="LiveCapacity"/>).</param>
    /// <param name="name">Shown in memory maps and in leak messages.</param>
    /// <exception cref="InsufficientMemoryException">The machine has no memory for it; nothing is held then.</exception>
    public FramePool(FrameFormat format, int capacity = LiveCapacity, string name = "vitrine-frames")
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, 64);
        ArgumentOutOfRangeException.ThrowIfLessThan(format.SizeBytes, 1, nameof(format));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(format.SizeBytes, int.MaxValue, nameof(format));
        Format = format;
        Name = name;
        _slots = new FrameLease[capacity];
        try
        {
            for (int i = 0; i < capacity; i++)
            {
                _slots[i] = new FrameLease(this, i, new MappedMemory(name, (int)format.SizeBytes));
            }
        }
        catch
        {
            foreach (FrameLease? slot in _slots)
            {
                slot?.FreeMemory();
            }

            throw;
        }
    }

    /// <summary>Layout of every picture.</summary>
    public FrameFormat Format { get; }

    /// <summary>Name of the pool.</summary>
    public string Name { get; }

    /// <summary>Number of pictures.</summary>
    public int Capacity => _slots.Length;

    /// <summary>Memory of every slot, in slot order: for a source that shares it with the display server. Owned by the pool.</summary>
    public IEnumerable<MappedMemory> Slots => _slots.Select(slot => slot.Memory);

    /// <summary>How often <see cref="TryRent"/> found no free picture.</summary>
    public long ExhaustedCount => Interlocked.Read(ref _exhaustedCount);

    /// <summary>Pictures held now.</summary>
    public int OutstandingCount
    {
        get
        {
            lock (_lock)
            {
                int count = 0;
                foreach (FrameLease slot in _slots)
                {
                    count += slot.ReferenceCount > 0 ? 1 : 0;
                }

                return count;
            }
        }
    }

    /// <summary>Takes the free picture that was written last. The caller owns the lease (count 1) and may write until it
    /// hands it on.</summary>
    /// <param name="holder">Who holds it, for leak messages; a constant.</param>
    /// <param name="lease">The picture, with what it held before.</param>
    /// <returns>Whether one was free.</returns>
    public bool TryRent(string holder, out FrameLease? lease)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            FrameLease? best = null;
            foreach (FrameLease slot in _slots)
            {
                if (slot.ReferenceCount == 0 && (best is null || slot.WriteNumber > best.WriteNumber))
                {
                    best = slot;
                }
            }

            if (best is null)
            {
                Interlocked.Increment(ref _exhaustedCount);
                lease = null;
                return false;
            }

            best.Rent(holder);
            lease = best;
            return true;
        }
    }

    /// <summary>Says that <paramref name="written"/> now shows the screen as of now, and that <paramref name="damage"/> was
    /// read into it: every other picture of the pool is stale there from now on.</summary>
    public void MarkWritten(FrameLease written, DamageRegion damage)
    {
        ArgumentNullException.ThrowIfNull(written);
        ArgumentNullException.ThrowIfNull(damage);
        lock (_lock)
        {
            written.Stale.Clear();
            written.WriteNumber = ++_writeCount;
            foreach (FrameLease slot in _slots)
            {
                if (!ReferenceEquals(slot, written))
                {
                    slot.Stale.Add(damage);
                }
            }
        }
    }

    /// <summary>Unmaps the memory. Pictures still held keep theirs until they come back; <see cref="DescribeLeaks"/> names them.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            foreach (FrameLease slot in _slots)
            {
                if (slot.ReferenceCount == 0)
                {
                    slot.FreeMemory();
                }
            }
        }
    }

    /// <summary>One line a picture that is still held, with its holder; empty when none is. Tests end with empty.</summary>
    public IReadOnlyList<string> DescribeLeaks()
    {
        lock (_lock)
        {
            return [.. _slots.Where(slot => slot.ReferenceCount > 0)
                .Select(slot => $"{Name}[{slot.Slot}] held by {slot.Holder} ({slot.ReferenceCount} references)")];
        }
    }

    internal void Return(FrameLease slot)
    {
        lock (_lock)
        {
            if (_disposed)
            {
                slot.FreeMemory();
            }
        }
    }
}
