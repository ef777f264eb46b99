namespace Vitrine.Frames;

/// <summary>What a source answers. Expected events are results; exceptions mean bugs or a failed start.</summary>
public enum CaptureStatus
{
    /// <summary>A frame is there.</summary>
    Frame = 0,

    /// <summary>Nothing changed within the time given.</summary>
    TimedOut = 1,

    /// <summary><see cref="IFrameSource.Wake"/> was called.</summary>
    Woken = 2,

    /// <summary>Size or monitors changed: <see cref="IFrameSource.Format"/> is new, the next frame is whole.</summary>
    FormatChanged = 3,

    /// <summary>The window is unmapped or minimised; frames come again when it is shown.</summary>
    Hidden = 4,

    /// <summary>The window was closed. Final.</summary>
    SourceClosed = 5,

    /// <summary>The display server is gone. Final for this object: open a new one.</summary>
    DisplayGone = 6,

    /// <summary>All pictures of the pool are held; the frame was skipped and counted. Its damage comes with the next one.</summary>
    PoolExhausted = 7,
}

/// <summary>A source of pictures: a screen, a region, a window.</summary>
/// <remarks>One thread calls everything but <see cref="Wake"/>.</remarks>
public interface IFrameSource : IDisposable
{
    /// <summary>Layout of the frames to come. Changes only together with <see cref="CaptureStatus.FormatChanged"/>.</summary>
    FrameFormat Format { get; }

    /// <summary>Reads one whole frame now.</summary>
    /// <param name="frame">Owned by the caller when the result is <see cref="CaptureStatus.Frame"/>, else null.</param>
    CaptureStatus Capture(out FrameLease? frame);

    /// <summary>Waits until something changes and reads what changed. The first frame is whole.</summary>
    /// <param name="timeout">How long to wait; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="frame">Owned by the caller when the result is <see cref="CaptureStatus.Frame"/>, else null.</param>
    CaptureStatus WaitForFrame(TimeSpan timeout, out FrameLease? frame);

    /// <summary>Ends a <see cref="WaitForFrame"/> under way, or the next one, with <see cref="CaptureStatus.Woken"/>. Any thread.</summary>
    void Wake();
}
