using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Lab.Content;

namespace Vitrine.Lab.Motion;

/// <summary>Something that moves on the screen. Frame n is painted the same every time.</summary>
/// <remarks>One thread. The connection is borrowed and outlives it; <see cref="Paint"/> queues, the caller synchronises.</remarks>
internal abstract class MotionLoad(string name, double changesPerSecond) : IDisposable
{
    /// <summary>What it is and how large: <c>video/800x600@30</c>.</summary>
    public string Name { get; } = name;

    /// <summary>Frames a second; 0 for one that never changes.</summary>
    public double ChangesPerSecond { get; } = changesPerSecond;

    /// <summary>Where the strip with the frame's number is on the screen; null when there is none.</summary>
    public DevicePoint? Strip { get; protected init; }

    /// <summary>The part of the screen that it changes; empty for one that never does.</summary>
    public DeviceRectangle Area { get; protected init; }

    /// <summary>Where a film is on the screen; null for anything else.</summary>
    public DeviceRectangle? Film { get; protected init; }

    /// <summary>Frames after which it begins anew, the same as before. Where frames differ in what they cost to send, whoever plays it begins
    /// there each time, with <see cref="Begin"/>.</summary>
    public virtual int TurnFrames => 1;

    /// <summary>Shows what the first frame of a turn is painted over.</summary>
    public virtual void Begin()
    {
    }

    /// <summary>Paints a frame.</summary>
    public abstract void Paint(long frame);

    /// <summary>Removes what it put on the screen.</summary>
    public abstract void Dispose();

    /// <summary>Draws the number for a load whose content has no room for it.</summary>
    protected static void PutNumber(PaintedWindow window, byte[] scratch, long frame)
    {
        NumberStrip.Write(scratch, NumberStrip.Width * FrameFormat.BytesPerPixel, frame);
        window.Put(scratch, NumberStrip.Width, NumberStrip.BlockPixels, 0, 0);
    }

    /// <summary>Memory for <see cref="PutNumber"/>.</summary>
    protected static byte[] NewScratch() => new byte[NumberStrip.Width * NumberStrip.BlockPixels * FrameFormat.BytesPerPixel];
}

/// <summary>Nothing moves.</summary>
internal sealed class IdleLoad(DeviceSize screen) : MotionLoad($"idle/{screen}", 0)
{
    public override void Paint(long frame)
    {
    }

    public override void Dispose()
    {
    }
}

/// <summary>A film in a window, or on the whole screen.</summary>
internal sealed class FilmLoad : MotionLoad
{
    private readonly VideoLoop _loop;
    private readonly SharedImage _image;
    private readonly PaintedWindow _window;

    public FilmLoad(X11Connection connection, VideoLoop loop, DeviceRectangle place, double framesPerSecond)
        : base($"video/{place.Size}@{framesPerSecond:0}", framesPerSecond)
    {
        _loop = loop;
        _image = new SharedImage(connection, loop);
        _window = new PaintedWindow(connection, place, 0, "Vitrine film");
        _window.Show();
        _window.Raise();
        (Strip, Area, Film) = (new DevicePoint(place.X, place.Y), place, place);
    }

    public override void Paint(long frame)
    {
        NumberStrip.Write(_loop.GetPicture(frame), _loop.StrideBytes, frame);
        _image.Put(_window, frame, new DeviceRectangle(0, 0, Film!.Value.Width, Film.Value.Height), 0, 0);
    }

    public override void Dispose()
    {
        _window.Dispose();
        _image.Dispose();
    }
}
