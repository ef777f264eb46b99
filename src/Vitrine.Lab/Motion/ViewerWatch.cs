using System.Collections.Concurrent;
using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Viewer;

namespace Vitrine.Lab.Motion;

/// <summary>Looks at every picture of a viewer, a <see cref="HeadlessViewer"/> or a peer's: which number it shows, when it equals the
/// screen, and now and then a copy of it for later.</summary>
/// <remarks>Looks on the viewer's receiving thread; all other members are for one other thread.</remarks>
internal sealed class ViewerWatch
{
    private readonly FrameTimes _times;
    private readonly DevicePoint? _strip;
    private readonly PictureReader _look;
    private readonly ConcurrentQueue<FrameSight> _sights = [];
    private readonly ConcurrentQueue<Sample> _samples = [];
    private readonly Lock _lock = new();
    private long _shown;
    private long _decodedNs;
    private long _unreadable;
    private int _samplesLeft;
    private int _framesToSample;
    private byte[]? _truth;
    private TaskCompletionSource<long>? _exact;

    public ViewerWatch(FrameTimes times, DevicePoint? strip)
    {
        (_times, _strip) = (times, strip);
        _look = Look;
        Options = new HeadlessViewerOptions { Name = "lab", FrameApplied = OnFrame };
    }

    /// <summary>What to connect the viewer with.</summary>
    public HeadlessViewerOptions Options { get; init; }

    /// <summary>Frames seen for the first time, in order.</summary>
    public IReadOnlyCollection<FrameSight> Sights => _sights;

    /// <summary>Newest frame seen; 0 before the first.</summary>
    public long Shown => Volatile.Read(ref _shown);

    /// <summary>Pictures without a readable number, after the first that had one.</summary>
    public long Unreadable => Interlocked.Read(ref _unreadable);

    /// <summary>Pictures copied.</summary>
    public IReadOnlyCollection<Sample> Samples => _samples;

    /// <summary>Called by the viewer after every frame.</summary>
    public void OnFrame(HeadlessViewer viewer, FrameReport frame) => OnPicture(viewer.ReadPicture, frame.DecodedLocalNs);

    /// <summary>Called by any viewer after every picture.</summary>
    /// <param name="readPicture">Lets somebody look at it.</param>
    /// <param name="decodedNs">When it was decoded, monotonic nanoseconds.</param>
    public void OnPicture(Action<PictureReader> readPicture, long decodedNs)
    {
        Volatile.Write(ref _decodedNs, decodedNs);
        readPicture(_look);
    }

    /// <summary>Begins to copy one of every few new frames.</summary>
    public void StartSampling(int count)
    {
        Volatile.Write(ref _samplesLeft, count);
    }

    /// <summary>Ends it.</summary>
    public void StopSampling() => Volatile.Write(ref _samplesLeft, 0);

    /// <summary>Waits until the viewer shows the screen as it is now and stays.</summary>
    /// <param name="readPicture">Lets somebody look at the viewer's picture.</param>
    /// <param name="truth">The screen, packed.</param>
    /// <param name="timeout">How long to wait.</param>
    /// <param name="time">Clock.</param>
    /// <returns>When the picture was decoded that equals it, at the latest; null when it did not within the time.</returns>
    public async Task<long?> WaitExactAsync(Action<PictureReader> readPicture, byte[] truth, TimeSpan timeout, TimeProvider time)
    {
        var exact = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            (_truth, _exact) = (truth, exact);
        }

        readPicture((pixels, _) => CheckExact(pixels));
        try
        {
            return await exact.Task.WaitAsync(timeout, time);
        }
        catch (TimeoutException)
        {
            return null;
        }
        finally
        {
            lock (_lock)
            {
                (_truth, _exact) = (null, null);
            }
        }
    }

    private void Look(ReadOnlySpan<byte> pixels, DeviceSize size)
    {
        CheckExact(pixels);
        if (_strip is not { } strip || strip.X + NumberStrip.Width > size.Width || strip.Y + NumberStrip.BlockPixels > size.Height)
        {
            return;
        }

        int strideBytes = size.Width * FrameFormat.BytesPerPixel;
        if (!NumberStrip.TryRead(pixels, strideBytes, strip, out int number) || !_times.TryResolve(number, out long frame))
        {
            // Before the first number the screen showed something else, or the picture was still coming.
            if (_shown > 0)
            {
                Interlocked.Increment(ref _unreadable);
            }

            return;
        }

        if (frame == _shown)
        {
            return;
        }

        Volatile.Write(ref _shown, frame);
        _sights.Enqueue(new FrameSight(frame, _decodedNs));
        if (Volatile.Read(ref _samplesLeft) > 0 && --_framesToSample <= 0)
        {
            _framesToSample = 5; // not a divisor of anything that the film repeats with
            Interlocked.Decrement(ref _samplesLeft);
            _samples.Enqueue(new Sample(frame, pixels.ToArray(), strideBytes));
        }
    }

    private void CheckExact(ReadOnlySpan<byte> pixels)
    {
        lock (_lock)
        {
            if (_truth is not null && !_exact!.Task.IsCompleted && PictureComparison.AreEqual(pixels, _truth))
            {
                _exact.SetResult(Volatile.Read(ref _decodedNs));
            }
        }
    }

    /// <summary>A picture that a viewer showed.</summary>
    /// <param name="Frame">Its number.</param>
    /// <param name="Pixels">B, G, R, X.</param>
    /// <param name="StrideBytes">From row to row.</param>
    internal sealed record Sample(long Frame, byte[] Pixels, int StrideBytes);
}
