using System.Globalization;
using Vitrine.Capture.X11;
using Vitrine.Frames;

namespace Vitrine.Lab.Content;

/// <summary>Something to look at on a display that has nothing: a clock, a log that scrolls, a chart that runs, a window that
/// wanders. Sharp text, scrolling, small and large changes, as on a desktop in use.</summary>
/// <remarks>One thread. The connection is borrowed and outlives it. The same seed, screen and start time paint the same.</remarks>
public sealed class DemonstrationDesktop : IDisposable
{
    /// <summary>How often <see cref="Step"/> is meant to be called.</summary>
    public const int StepsPerSecond = 20;

    private const int TitleHeight = 34;
    private const int LineHeight = 20;
    private const int DialSide = 420;
    private const int ChartStep = 4;
    private const uint Canvas = 0x0E1116;
    private const uint Surface = 0x161B22;
    private const uint Raised = 0x1F262F;
    private const uint Rule = 0x3A4552;
    private const uint Bright = 0xE6EBF0;
    private const uint Muted = 0x9AA7B4;
    private const uint Accent = 0x4CC2FF;
    private const uint Good = 0x4AC26B;
    private const uint Warn = 0xD9A53A;
    private const uint Bad = 0xFF7B72;

    private static readonly string[] s_verbs = ["compiled", "linked", "tested", "packed", "uploaded", "verified", "indexed", "cached"];
    private static readonly string[] s_places = ["src/render", "src/audio", "src/net", "lib/codec", "lib/store", "tools/gen", "web/panel"];
    private static readonly string[] s_things = ["path", "mixer", "socket", "tiles", "journal", "schema", "layout", "cursor", "palette"];

    private readonly X11Connection _connection;
    private readonly Random _random;
    private readonly TimeSpan _timeOfDay;
    private readonly uint _font;
    private readonly PaintedWindow _background;
    private readonly PaintedWindow _log;
    private readonly PaintedWindow _clock;
    private readonly PaintedWindow _chart;
    private readonly PaintedWindow _wanderer;
    private readonly Drawing _face;
    private readonly Drawing _dial;
    private readonly double[] _series = [0.3, 0.55, 0.8];
    private readonly DeviceSize _screen;
    private DeviceRectangle _hands;
    private (int X, int Y) _velocity = (5, 3);
    private long _step;

    /// <summary>Paints the first picture.</summary>
    /// <param name="connection">Borrowed.</param>
    /// <param name="seed">Of the log and the chart.</param>
    /// <param name="timeOfDay">What the clock shows at the first step.</param>
    public DemonstrationDesktop(X11Connection connection, int seed, TimeSpan timeOfDay)
    {
        ArgumentNullException.ThrowIfNull(connection);
        _connection = connection;
        _random = new Random(seed);
        _timeOfDay = timeOfDay;
        _screen = connection.TryGetRootSize(out DeviceSize size) ? size : connection.InitialRootSize;
        _font = PaintedWindow.OpenFont(connection, "9x18", "-misc-fixed-medium-r-normal--18-*-*-*-*-*-iso8859-1", "fixed");

        // Laid out for 1920x1080; on another screen the windows keep their size and share what there is.
        int margin = Math.Max(8, _screen.Width / 32);
        int right = Math.Max(margin, _screen.Width - margin - 640);
        int logWidth = Math.Max(320, right - (2 * margin));
        int logHeight = Math.Max(200, _screen.Height - (2 * margin));
        _background = new PaintedWindow(connection, DeviceRectangle.Of(_screen), Canvas, "Desktop", _font, isRetained: true);
        _log = NewWindow(new(margin, margin, logWidth, logHeight), "Log");
        _clock = NewWindow(new(right + 110, margin, DialSide, TitleHeight + DialSide), "Clock");
        _chart = NewWindow(new(right, margin + TitleHeight + DialSide + margin, 640, Math.Max(120, _screen.Height - (3 * margin) - TitleHeight - DialSide)), "Load");
        _wanderer = NewWindow(new(_screen.Width / 3, _screen.Height / 3, 300, 130), "Wanderer");

        _face = DrawFace();
        _dial = new Drawing(DialSide, DialSide, Surface);
        _dial.CopyFrom(_face, new(0, 0, DialSide, DialSide));
        PaintBackground();
        PaintFrames();
        for (int i = 0; i < 200; i++)
        {
            StepChart();
        }

        // As if it had run for a while: a line every fifth step.
        for (_step = -5 * (logHeight - TitleHeight) / LineHeight; _step < 0; _step++)
        {
            if (_step % 5 == 0)
            {
                StepLog();
            }
        }

        _hands = new(0, 0, DialSide, DialSide);
        StepClock();
        foreach (PaintedWindow window in (ReadOnlySpan<PaintedWindow>)[_background, _log, _clock, _chart, _wanderer])
        {
            window.Show();
        }

        _ = connection.Synchronize(); // a display that is gone shows at the first step
    }

    /// <summary>Paints the next picture, 1/<see cref="StepsPerSecond"/> s later, and waits until it is drawn.</summary>
    /// <returns>False when the display is gone.</returns>
    public bool Step()
    {
        _step++;
        StepClock();
        StepWanderer();
        if (_step % 2 == 0)
        {
            StepChart();
        }

        if (_step % 5 == 0)
        {
            StepLog();
        }

        bool isThere = _connection.Synchronize();
        while (_connection.TryReadEvent(out X11Event unread))
        {
            unread.Dispose(); // none was asked for
        }

        return isThere;
    }

    /// <summary>Paints at the usual rate until cancelled or until the display is gone.</summary>
    public async Task RunAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        using PeriodicTimer timer = new(TimeSpan.FromSeconds(1.0 / StepsPerSecond), time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false) && Step())
            {
            }
        }
        catch (OperationCanceledException)
        {
            // The way this ends.
        }
    }

    /// <summary>Removes the windows.</summary>
    public void Dispose()
    {
        foreach (PaintedWindow window in (ReadOnlySpan<PaintedWindow>)[_wanderer, _chart, _clock, _log, _background])
        {
            window.Dispose();
        }
    }

    private PaintedWindow NewWindow(DeviceRectangle place, string title) => new(_connection, place, Surface, title, _font, isRetained: true);

    private void PaintBackground()
    {
        // One colour a row: smooth to the eye, and a few bytes to send.
        for (int y = 0; y < _screen.Height; y += 4)
        {
            _background.Fill(new(0, y, _screen.Width, 4), Drawing.Mix(0x0B1B2B, 0x1F4E6B, (double)y / _screen.Height));
        }
    }

    private void PaintFrames()
    {
        foreach ((PaintedWindow window, string title) in new[] { (_log, "build log"), (_clock, "clock"), (_chart, "load, three workers"), (_wanderer, "a window that moves") })
        {
            (int width, int height) = (window.Place.Width, window.Place.Height);
            window.Fill(new(0, 0, width, TitleHeight), Raised);
            window.Text(14, 23, title, Bright, Raised);
            foreach ((int index, uint colour) in new[] { Bad, Warn, Good }.Index())
            {
                Drawing dot = new(14, 14, Raised);
                dot.Disc(7, 7, 6, colour);
                dot.PutTo(window, new(0, 0, 14, 14), width - 70 + (index * 20), 10);
            }

            window.Fill(new(0, TitleHeight - 1, width, 1), Rule);
            foreach (DeviceRectangle edge in (ReadOnlySpan<DeviceRectangle>)[new(0, 0, width, 1), new(0, height - 1, width, 1), new(0, 0, 1, height), new(width - 1, 0, 1, height)])
            {
                window.Fill(edge, Rule);
            }
        }

        _wanderer.Text(14, 66, "20 times a second, 5 pixels to", Muted, Surface);
        _wanderer.Text(14, 86, "the side and 3 up or down.", Muted, Surface);
        _wanderer.Fill(new(14, 106, 272, 6), Accent);
    }

    private static Drawing DrawFace()
    {
        Drawing face = new(DialSide, DialSide, Surface);
        const double Middle = DialSide / 2.0;
        face.Disc(Middle, Middle, 196, Rule);
        face.Disc(Middle, Middle, 194, Raised);
        for (int minute = 0; minute < 60; minute++)
        {
            (double sine, double cosine) = Math.SinCos(minute * Math.PI / 30);
            bool isHour = minute % 5 == 0;
            double inner = isHour ? 160 : 174;
            face.Line(Middle + (inner * sine), Middle - (inner * cosine), Middle + (182 * sine), Middle - (182 * cosine), isHour ? 5 : 2, isHour ? Bright : Muted);
        }

        return face;
    }

    private TimeSpan TimeOfDay()
    {
        long ticks = (_timeOfDay + TimeSpan.FromSeconds((double)_step / StepsPerSecond)).Ticks % TimeSpan.TicksPerDay;
        return TimeSpan.FromTicks(ticks < 0 ? ticks + TimeSpan.TicksPerDay : ticks);
    }

    private void StepClock()
    {
        double seconds = TimeOfDay().TotalSeconds;
        _dial.CopyFrom(_face, _hands);
        DeviceRectangle painted = Hand(seconds / 43_200, 105, 11, Bright)
            .Union(Hand(seconds / 3_600, 150, 7, Bright))
            .Union(Hand(seconds / 60, 176, 3, Accent));
        const double Middle = DialSide / 2.0;
        _dial.Disc(Middle, Middle, 9, Accent);
        DeviceRectangle changed = painted.Union(_hands).Union(new(190, 190, 40, 40));
        _hands = painted.Union(new(190, 190, 40, 40));
        _dial.PutTo(_clock, changed, 0, TitleHeight);
        _clock.Present(changed.Offset(0, TitleHeight));
        string text = TimeOfDay().ToString(@"hh\:mm\:ss\.f", CultureInfo.InvariantCulture);
        _clock.Text(90, 23, text, Muted, Raised);
        _clock.Present(new(90, 4, 110, 26));

        DeviceRectangle Hand(double turns, double length, double thickness, uint colour)
        {
            (double sine, double cosine) = Math.SinCos(turns * 2 * Math.PI);
            return _dial.Line(Middle - (24 * sine), Middle + (24 * cosine), Middle + (length * sine), Middle - (length * cosine), thickness, colour);
        }
    }

    private void StepLog()
    {
        int left = 14, width = _log.Place.Width - (2 * left), top = TitleHeight + 4;
        int lines = (_log.Place.Height - top - 6) / LineHeight;
        DeviceRectangle pane = new(left, top, width, lines * LineHeight);
        _log.Copy(pane with { Y = top + LineHeight, Height = pane.Height - LineHeight }, left, top);
        _log.Fill(pane with { Y = pane.Bottom - LineHeight, Height = LineHeight }, Surface);

        int baseline = pane.Bottom - 6, column = left, room = width;
        string time = TimeOfDay().ToString(@"hh\:mm\:ss\.fff", CultureInfo.InvariantCulture);
        int luck = _random.Next(100);
        (string word, uint colour) = luck < 88 ? (" ok  ", Good) : luck < 97 ? ("slow ", Warn) : ("again", Bad);
        string place = $"{s_places[_random.Next(s_places.Length)]}/{s_things[_random.Next(s_things.Length)]}-{_random.Next(100):00}";
        Write(time, Muted);
        Write(word, colour);
        Write($"worker-{_random.Next(1, 4)}", Accent);
        Write($"{s_verbs[_random.Next(s_verbs.Length)],-9}", Bright);
        Write($"{place,-24}", Bright);
        Write($"{_random.Next(4, luck < 88 ? 200 : 3_000),5} ms", Muted);
        Write(new string('#', _random.Next(2, 24)), Rule);
        _log.Present(pane);

        void Write(string text, uint textColour)
        {
            int characters = Math.Min(text.Length, Math.Max(0, room / 9));
            if (characters > 0)
            {
                _log.Text(column, baseline, text[..characters], textColour, Surface);
            }

            column += (text.Length + 2) * 9;
            room -= (text.Length + 2) * 9;
        }
    }

    private void StepChart()
    {
        int left = 14, top = TitleHeight + 12;
        DeviceRectangle area = new(left, top, _chart.Place.Width - (2 * left), _chart.Place.Height - top - 14);
        _chart.Copy(area with { X = left + ChartStep, Width = area.Width - ChartStep }, left, top);

        // The newest strip is drawn a little wider than it is, so that lines meet without a seam.
        Drawing strip = new(ChartStep, area.Height, Canvas);
        for (int line = 1; line < 4; line++)
        {
            strip.Line(-4, area.Height * line / 4, ChartStep + 4, area.Height * line / 4, 1, Raised);
        }

        ReadOnlySpan<uint> colours = [0x56B4E9, 0xE69F00, 0x009E73];
        for (int i = 0; i < _series.Length; i++)
        {
            double before = _series[i];
            double wish = 0.5 + (0.35 * Math.Sin((_random.NextDouble() * 2) + (i * 2.1) + (before * 5)));
            double after = Math.Clamp(before + ((wish - before) * 0.12) + ((_random.NextDouble() - 0.5) * 0.05), 0.04, 0.96);
            _series[i] = after;
            strip.Line(0, (1 - before) * area.Height, ChartStep, (1 - after) * area.Height, 2.5, colours[i]);
        }

        strip.PutTo(_chart, new(0, 0, ChartStep, area.Height), area.Right - ChartStep, top);
        _chart.Present(area);
    }

    private void StepWanderer()
    {
        DeviceRectangle place = _wanderer.Place;
        int roomX = _screen.Width - place.Width, roomY = _screen.Height - place.Height;
        if (place.X + _velocity.X < 0 || place.X + _velocity.X > roomX)
        {
            _velocity.X = -_velocity.X;
        }

        if (place.Y + _velocity.Y < 0 || place.Y + _velocity.Y > roomY)
        {
            _velocity.Y = -_velocity.Y;
        }

        _wanderer.Move(Math.Clamp(place.X + _velocity.X, 0, Math.Max(0, roomX)), Math.Clamp(place.Y + _velocity.Y, 0, Math.Max(0, roomY)));
    }
}
