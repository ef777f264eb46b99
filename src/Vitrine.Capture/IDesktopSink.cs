using Vitrine.Capture.Topology;
using Vitrine.Frames;

namespace Vitrine.Capture;

/// <summary>Takes what a desktop tells besides pixels. Called by one thread, the watcher's own; must not block.</summary>
public interface IDesktopSink
{
    /// <summary>Monitors, sizes or scales. Called once at the start and with every change; immutable.</summary>
    void OnTopology(DisplayTopology topology);

    /// <summary>The cursor has another shape. Called once at the start and with every change.</summary>
    /// <param name="size">At most 256 x 256 pixels; 0 x 0: there is none.</param>
    /// <param name="hotspot">Within the shape.</param>
    /// <param name="pixels">Rows from the top: B, G, R, A, premultiplied. <b>Borrowed</b> for the call.</param>
    /// <param name="originNs">When the change was first known; monotonic nanoseconds.</param>
    void OnCursorShape(DeviceSize size, DevicePoint hotspot, ReadOnlySpan<byte> pixels, long originNs);

    /// <summary>The cursor's hot spot is at another place. Called once at the start and with every change.</summary>
    /// <param name="position">On the screen, device pixels.</param>
    /// <param name="originNs">When it was first known that it moved there; monotonic nanoseconds.</param>
    void OnCursorPosition(DevicePoint position, long originNs);

    /// <summary>The display is gone; nothing more comes.</summary>
    void OnDisplayGone();
}
