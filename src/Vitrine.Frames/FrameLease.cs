using System.Diagnostics;

namespace Vitrine.Frames;

/// <summary>When a frame came to be; nanoseconds of the monotonic clock.</summary>
/// <param name="OriginNs">The change was first known: its damage event arrived, or the frame was asked for.</param>
/// <param name="CapturedNs">Its pixels were complete in memory.</param>
public readonly record struct FrameTimes(long OriginNs, long CapturedNs);

/// <summary>Why a frame was captured.</summary>
public enum FrameTrigger
{
    /// <summary>The consumer asked for it.</summary>
    Request = 0,

    /// <summary>The screen changed.</summary>
    Damage = 1,

    /// <summary>A key or button was pressed or released.</summary>
    Input = 2,
}

/// <summary>One picture of a <see cref="FramePool"/>, counted by reference. A parameter is <b>borrowed</b> for the call;
/// whoever keeps it calls <see cref="AddReference"/> and later <see cref="Dispose"/>; a returned lease is <b>owned</b>.</summary>
/// <remarks>Counting is thread-safe. Pixels and metadata are written by the owner before it hands the lease on, and are
/// read-only from then on. One object a slot: using a lease after its last <see cref="Dispose"/> is a bug, asserted in Debug builds.</remarks>
public sealed class FrameLease : IDisposable
{
    private readonly FramePool _pool;
    private int _references;

    internal FrameLease(FramePool pool, int slot, MappedMemory memory)
    {
        _pool = pool;
        Slot = slot;
        Memory = memory;
        Stale.Add(DeviceRectangle.Of(pool.Format.Size)); // nothing has been read into it yet
    }

    /// <summary>Index of the picture in its pool.</summary>
    public int Slot { get; }

    /// <summary>Memory of the picture; owned by the pool.</summary>
    public MappedMemory Memory { get; }

    /// <summary>Layout.</summary>
    public FrameFormat Format => _pool.Format;

    /// <summary>The pixels, rows from the top, <see cref="FrameFormat.StrideBytes"/> apart.</summary>
    public Span<byte> Pixels
    {
        get
        {
            Debug.Assert(Volatile.Read(ref _references) > 0, "The lease was returned.");
            return Memory.GetSpan();
        }
    }

    /// <summary>What differs from the previous frame of the same source (a superset).</summary>
    public DamageRegion Damage { get; } = new();

    /// <summary>Where this picture's content is older than the newest frame of the pool. Read and cleared by the source.</summary>
    public DamageRegion Stale { get; } = new();

    /// <summary>Number of the frame within its source, from 1.</summary>
    public long Sequence { get; set; }

    /// <summary>When it came to be.</summary>
    public FrameTimes Times { get; set; }

    /// <summary>Why it was captured.</summary>
    public FrameTrigger Trigger { get; set; }

    /// <summary>References held now.</summary>
    public int ReferenceCount => Volatile.Read(ref _references);

    internal string Holder { get; private set; } = "nobody";

    internal long WriteNumber { get; set; }

    /// <summary>Keeps the picture beyond the call.</summary>
    /// <param name="holder">Who keeps it, for leak messages; a constant.</param>
    /// <returns>This lease, now owned by the caller too.</returns>
    public FrameLease AddReference(string holder)
    {
        int references = Interlocked.Increment(ref _references);
        Debug.Assert(references > 1, "AddReference on a lease that was returned.");
        Holder = holder;
        return this;
    }

    /// <summary>Gives one reference back; with the last, the picture returns to the pool.</summary>
    public void Dispose()
    {
        int references = Interlocked.Decrement(ref _references);
        Debug.Assert(references >= 0, "The lease was returned twice.");
        if (references == 0)
        {
            _pool.Return(this);
        }
    }

    internal void Rent(string holder)
    {
        Damage.Clear();
        Holder = holder;
        Volatile.Write(ref _references, 1);
    }

    internal void FreeMemory() => ((IDisposable)Memory).Dispose();
}
