using Vitrine.Frames;

namespace Vitrine.Capture.X11;

/// <summary>Reads pixels of one drawable into the pictures of a pool. One implementation a way to get them.</summary>
/// <remarks>A method that returns false failed because of the drawable (its size changed, it is gone) or of the display;
/// the picture's content is undefined then. The caller knows whom to ask.</remarks>
internal abstract class X11PixelReader(X11Connection connection, uint drawable) : IDisposable
{
    protected X11Connection Connection => connection;

    /// <summary>What is read from. May be replaced by one of the same depth.</summary>
    public uint Drawable { get; set; } = drawable;

    /// <summary>Prepares the pictures of a pool, instead of those of the pool before.</summary>
    /// <param name="pool">Outlives this reader's use of it.</param>
    /// <param name="refusal">When false is returned: why, as a clause.</param>
    public abstract bool TryBind(FramePool pool, out string refusal);

    /// <summary>Reads the whole picture.</summary>
    /// <param name="origin">Where the picture's corner lies in the drawable.</param>
    /// <param name="lease">Written.</param>
    public abstract bool ReadWhole(DevicePoint origin, FrameLease lease);

    /// <summary>Takes what changed from <paramref name="tracker"/> into the lease's damage, and reads there and where the lease is stale.</summary>
    /// <param name="origin">Where the picture's corner lies in the drawable.</param>
    /// <param name="tracker">Emptied.</param>
    /// <param name="lease">Written.</param>
    public abstract bool ReadDamage(DevicePoint origin, X11DamageTracker tracker, FrameLease lease);

    /// <summary>Frees what it holds on the server.</summary>
    public abstract void Dispose();
}
