using Vitrine.Lab.Content;

namespace Vitrine.Lab.Motion;

/// <summary>When each of the newest frames was drawn. One thread writes; any may read.</summary>
/// <remarks>Keeps <see cref="NumberStrip.Numbers"/> frames: at 60 a second those of the last 18 minutes. Older ones are overwritten.</remarks>
internal sealed class FrameTimes
{
    private readonly long[] _beforeDrawNs = new long[NumberStrip.Numbers];
    private long _last;

    /// <summary>Number of the newest frame, from 1; 0 before the first.</summary>
    public long Last => Volatile.Read(ref _last);

    /// <summary>Notes a frame just before it is drawn.</summary>
    public void BeforeDraw(long frame, long nowNs)
    {
        Volatile.Write(ref _beforeDrawNs[frame % NumberStrip.Numbers], nowNs);
        Volatile.Write(ref _last, frame);
    }

    /// <summary>Monotonic nanoseconds just before a frame was drawn.</summary>
    public long GetNs(long frame) => Volatile.Read(ref _beforeDrawNs[frame % NumberStrip.Numbers]);

    /// <summary>The frame that a strip's number stands for, given that no newer one than the last was drawn.</summary>
    /// <returns>False when no such frame was drawn.</returns>
    public bool TryResolve(int number, out long frame)
    {
        long last = Last;
        frame = NumberStrip.Unwrap(number, last);
        if (frame > last)
        {
            frame -= NumberStrip.Numbers;
        }

        return frame >= 1;
    }
}
