using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Lab.Content;

namespace Vitrine.Lab.Motion;

/// <summary>A window of dark text on white, kept by the server.</summary>
internal abstract class TextLoad : MotionLoad
{
    protected const int LineHeight = 20, CharacterWidth = 9, Left = 10, Top = NumberStrip.BlockPixels + 8;
    protected const uint Ink = 0x202428, Paper = 0xFCFCFA;

    private static readonly string[] s_words =
        ["the", "window", "of", "a", "workshop", "shows", "what", "is", "made", "behind", "it", "in", "glass", "and", "every", "pane", "stays", "clear", "while", "people", "pass"];

    private readonly byte[] _scratch = NewScratch();

    protected TextLoad(X11Connection connection, string name, DeviceRectangle place, double changesPerSecond)
        : base($"{name}/{place.Size}@{changesPerSecond:0}", changesPerSecond)
    {
        uint font = PaintedWindow.OpenFont(connection, "9x18", "-misc-fixed-medium-r-normal--18-*-*-*-*-*-iso8859-1", "fixed");
        if (font == 0)
        {
            throw new MissingRequirementException("The X server's font «fixed»", "xfonts-base");
        }

        Window = new PaintedWindow(connection, place, Paper, "Vitrine text", font, isRetained: true);
        Window.Show();
        Window.Raise();
        Begin(Window);
    }

    protected PaintedWindow Window { get; }

    protected int Lines => (Window.Place.Height - Top) / LineHeight;

    // Longer than anybody plays it, and with the same numbers each time.
    public override int TurnFrames => NumberStrip.Numbers;

    public override void Begin() => Begin(Window);

    public override void Dispose() => Window.Dispose();

    protected static int Baseline(int line) => Top + (line * LineHeight) + 15;

    /// <summary>A line of the text, as wide as the window.</summary>
    protected string LineOf(long line)
    {
        int room = (Window.Place.Width - (2 * Left)) / CharacterWidth;
        var text = new System.Text.StringBuilder(room + 16);
        for (long word = line * 31; text.Length < room; word++)
        {
            text.Append(s_words[(word * word + (word / 7)) % s_words.Length]).Append(' ');
        }

        return text.ToString(0, room);
    }

    /// <summary>Frames before this one in its turn.</summary>
    protected long StepOf(long frame) => (frame - 1) % TurnFrames;

    private void Begin(PaintedWindow window)
    {
        for (int line = 0; line < Lines; line++)
        {
            window.Text(Left, Baseline(line), LineOf(line), Ink, Paper);
        }

        window.Present(new(0, 0, window.Place.Width, window.Place.Height));
    }

    protected void PresentNumber(long frame)
    {
        PutNumber(Window, _scratch, frame);
        Window.Present(new(0, 0, NumberStrip.Width, NumberStrip.BlockPixels));
    }
}

/// <summary>Somebody writes: a glyph or two at a time, line after line.</summary>
internal sealed class TypingLoad : TextLoad
{
    private const int GlyphsAtATime = 2, ColumnsALine = 80, FramesALine = ColumnsALine / GlyphsAtATime;

    public TypingLoad(X11Connection connection, DeviceRectangle place, double changesPerSecond)
        : base(connection, "typing", place, changesPerSecond) => (Strip, Area) = (new DevicePoint(place.X, place.Y), place);

    public override void Paint(long frame)
    {
        long step = StepOf(frame), line = step / FramesALine;
        int column = (int)(step % FramesALine) * GlyphsAtATime, row = (int)(line % Lines);
        // Other letters than those that stood there: what is written over is written anew.
        Window.Text(Left + (column * CharacterWidth), Baseline(row), LineOf(line).Substring(column, GlyphsAtATime).ToUpperInvariant(), 0x0B4F8A, Paper);
        Window.Present(new(Left + (column * CharacterWidth), Baseline(row) - 15, GlyphsAtATime * CharacterWidth, LineHeight));
        PresentNumber(frame);
    }
}

/// <summary>A page of text goes up by one line.</summary>
internal sealed class ScrollingLoad : TextLoad
{
    public ScrollingLoad(X11Connection connection, DeviceRectangle place, double changesPerSecond)
        : base(connection, "scrolling", place, changesPerSecond) => (Strip, Area) = (new DevicePoint(place.X, place.Y), place);

    public override void Paint(long frame)
    {
        DeviceRectangle pane = new(0, Top, Window.Place.Width, Lines * LineHeight);
        Window.Copy(pane with { Y = pane.Y + LineHeight, Height = pane.Height - LineHeight }, pane.X, pane.Y);
        Window.Fill(pane with { Y = pane.Bottom - LineHeight, Height = LineHeight }, Paper);
        Window.Text(Left, Baseline(Lines - 1), LineOf(Lines + StepOf(frame)), Ink, Paper);
        Window.Present(pane);
        PresentNumber(frame);
    }
}

/// <summary>A window of text is dragged over a desktop.</summary>
internal sealed class DraggingLoad : TextLoad
{
    private const int StepX = 13, StepY = 7;

    private readonly PaintedWindow _desktop;
    private readonly PaintedWindow _number;
    private readonly byte[] _scratch = NewScratch();
    private readonly DeviceSize _room;

    public DraggingLoad(X11Connection connection, DeviceSize screen, DeviceSize size, double changesPerSecond)
        : base(connection, "dragging", new DeviceRectangle(0, 0, size.Width, size.Height), changesPerSecond)
    {
        _room = new DeviceSize(screen.Width - size.Width, screen.Height - size.Height);
        _desktop = new PaintedWindow(connection, DeviceRectangle.Of(screen), 0x203040, "Vitrine desktop", isRetained: true);
        for (int y = 0; y < screen.Height; y += 4)
        {
            _desktop.Fill(new(0, y, screen.Width, 4), Drawing.Mix(0x0B1B2B, 0x3F6E8B, (double)y / screen.Height));
        }

        for (int icon = 0; icon < 24; icon++)
        {
            _desktop.Fill(new(40 + (icon % 8 * 230), 60 + (icon / 8 * 330), 64, 64), (uint)(0x406080 + (icon * 0x0A1407)) & 0xFFFFFF);
        }

        _number = new PaintedWindow(connection, new DeviceRectangle(8, 8, NumberStrip.Width, NumberStrip.BlockPixels), 0, "Vitrine number");
        _desktop.Show();
        _desktop.Present(DeviceRectangle.Of(screen));
        Window.Raise();
        _number.Show();
        _number.Raise();
        (Strip, Area) = (new DevicePoint(8, 8), DeviceRectangle.Of(screen));
    }

    public override void Paint(long frame)
    {
        Window.Move(Bounce(StepOf(frame) * StepX, _room.Width), Bounce(StepOf(frame) * StepY, _room.Height));
        PutNumber(_number, _scratch, frame);
    }

    public override void Dispose()
    {
        base.Dispose();
        _number.Dispose();
        _desktop.Dispose();
    }

    private static int Bounce(long at, int room)
    {
        int phase = (int)(at % (2 * room));
        return phase < room ? phase : (2 * room) - phase;
    }
}
