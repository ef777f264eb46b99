using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Server;

/// <summary>Takes what a source knows besides its pixels. Any thread; nothing blocks.</summary>
public interface ISourceObserver
{
    /// <summary>What is shared, and the monitors in it. Called at least once before the source's first frame when monitors are known.</summary>
    /// <param name="sourceName">For people: «:0», «Terminal».</param>
    /// <param name="monitors">In the picture's coordinates. Owned by the observer from now on; not changed any more.</param>
    void OnTopology(string sourceName, IReadOnlyList<MonitorRecord> monitors);

    /// <summary>The cursor has another shape. 0 x 0: it is hidden.</summary>
    /// <param name="width">0..256 pixels; a larger shape is ignored and counted.</param>
    /// <param name="height">0..256 pixels.</param>
    /// <param name="hotspot">Within the shape.</param>
    /// <param name="pixels">Rows from the top, B, G, R, A, premultiplied. Borrowed.</param>
    /// <param name="originNs">When the change was first known, monotonic nanoseconds.</param>
    void OnCursorShape(int width, int height, DevicePoint hotspot, ReadOnlySpan<byte> pixels, long originNs);

    /// <summary>The cursor's hot spot is at another place, in the picture's coordinates.</summary>
    void OnCursorPosition(DevicePoint position, long originNs);
}

/// <summary>Opens what is shared. Called on the session's thread at the start, and again whenever the display was gone or
/// nobody looked for a while.</summary>
/// <param name="observer">Takes topology and cursor until the source is disposed.</param>
/// <param name="error">Why it could not be opened, for people; empty otherwise.</param>
/// <returns>The source, owned by the caller; it disposes with itself whatever feeds <paramref name="observer"/>. Null when it cannot be opened now.</returns>
public delegate IFrameSource? SourceOpener(ISourceObserver observer, out string error);
