using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;
using Vitrine.Capture.Topology;
using Vitrine.Capture.X11;
using Vitrine.Cli.Sharing;
using Vitrine.Frames;

namespace Vitrine.Cli.Verbs;

/// <summary>Lists the monitors of a display and what reads them.</summary>
internal sealed partial class DisplaysVerb : Verb
{
    private readonly Terminal _terminal;
    private readonly Option<string> _display = new("--display") { HelpName = ":N", Description = "X display to ask (default: $DISPLAY)" };
    private readonly Option<bool> _json = new("--json") { Description = "as one JSON object" };

    public DisplaysVerb(Terminal terminal)
        : base(
            "displays",
            "Lists monitors with their device and logical coordinates, and which back ends read the screen.",
            ("vitrine displays", "monitors of this desktop"),
            ("vitrine displays --display :1 --json", "for scripts"))
    {
        _terminal = terminal;
        Options.Add(_display);
        Options.Add(_json);
        SetAction(parsed => Run(parsed.GetValue(_display), parsed.GetValue(_json)));
    }

    private int Run(string? display, bool asJson)
    {
        using X11Connection? connection = X11Connection.TryOpen(display, out string error);
        if (connection is null || !X11Topology.TryRead(connection, 1, out DisplayTopology? topology))
        {
            return _terminal.Fail(ExitCode.Missing, "No display to list.", error, LocalDisplays.Describe());
        }

        BackEndChoice chosen = new("none", "");
        using (X11ScreenSource? source = X11Capture.TryOpenScreen(new() { DisplayName = connection.DisplayName }, out string why))
        {
            chosen = source?.BackEnd ?? new("none", why);
        }

        List<BackEndEntry> backEnds = [];
        foreach (string name in X11Capture.BackEndNames)
        {
            using X11ScreenSource? source = X11Capture.TryOpenScreen(new() { DisplayName = connection.DisplayName, BackEnd = name }, out string why);
            backEnds.Add(new(name, source is not null, name == chosen.Name, name == chosen.Name ? chosen.Reason : source is null ? why : ""));
        }

        DisplayEntry entry = new(
            connection.DisplayName,
            RectangleEntry.Of(topology!.Screen),
            [.. topology.Monitors.Select(MonitorEntry.Of)],
            backEnds);
        if (asJson)
        {
            _terminal.Output.WriteLine(JsonSerializer.Serialize(entry, EntryJson.Default.DisplayEntry));
        }
        else if (_terminal.OutputIsTerminal)
        {
            PrintTables(entry);
        }
        else
        {
            PrintPlain(entry);
        }

        return ExitCode.Done;
    }

    private void PrintPlain(DisplayEntry entry)
    {
        foreach (MonitorEntry monitor in entry.Monitors)
        {
            _terminal.Output.WriteLine(
                $"monitor {monitor.Name} {monitor.Device} scale {Text(monitor.Scale)} rotation {monitor.RotationDegrees} logical {monitor.Logical}{(monitor.Primary ? " primary" : "")}");
        }

        foreach (BackEndEntry backEnd in entry.BackEnds)
        {
            _terminal.Output.WriteLine($"backend {backEnd.Name} {(backEnd.Chosen ? "chosen" : backEnd.Works ? "works" : "not usable")} {backEnd.Reason}".TrimEnd());
        }
    }

    private void PrintTables(DisplayEntry entry)
    {
        IAnsiConsole console = AnsiConsole.Create(new()
        {
            Out = new AnsiConsoleOutput(_terminal.Output),
            ColorSystem = _terminal.OutputHasColour ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
        });
        console.MarkupLineInterpolated($"[bold]{entry.Display}[/]  {entry.Screen.Width}x{entry.Screen.Height}");
        Table monitors = new() { Border = TableBorder.Simple };
        monitors.AddColumns("Monitor", "Device pixels", "Logical units", "Scale", "Rotation");
        foreach (MonitorEntry monitor in entry.Monitors)
        {
            monitors.AddRow(
                Markup.Escape(monitor.Name) + (monitor.Primary ? " (primary)" : ""), Markup.Escape(monitor.Device.ToString()),
                Markup.Escape(monitor.Logical.ToString()), Text(monitor.Scale), $"{monitor.RotationDegrees}°");
        }

        console.Write(monitors);
        Table backEnds = new() { Border = TableBorder.Simple };
        backEnds.AddColumns("Back end", "", "Why");
        foreach (BackEndEntry backEnd in entry.BackEnds)
        {
            backEnds.AddRow(backEnd.Name, backEnd.Chosen ? "[green]chosen[/]" : backEnd.Works ? "works" : "[yellow]not usable[/]", Markup.Escape(backEnd.Reason));
        }

        console.Write(backEnds);
    }

    private static string Text(double value) => value.ToString("0.###", CultureInfo.InvariantCulture);

    internal sealed record RectangleEntry(double X, double Y, double Width, double Height)
    {
        public static RectangleEntry Of(DeviceRectangle rectangle) => new(rectangle.X, rectangle.Y, rectangle.Width, rectangle.Height);

        public static RectangleEntry Of(LogicalRectangle rectangle) => new(rectangle.X, rectangle.Y, rectangle.Width, rectangle.Height);

        public override string ToString() => $"{Text(Width)}x{Text(Height)}{(X < 0 ? "" : "+")}{Text(X)}{(Y < 0 ? "" : "+")}{Text(Y)}";
    }

    internal sealed record MonitorEntry(string Name, RectangleEntry Device, RectangleEntry Logical, double Scale, int RotationDegrees, bool Primary)
    {
        public static MonitorEntry Of(DisplayMonitor monitor) => new(
            monitor.Name, RectangleEntry.Of(monitor.Device), RectangleEntry.Of(monitor.Logical), monitor.Scale, monitor.RotationDegrees, monitor.IsPrimary);
    }

    internal sealed record BackEndEntry(string Name, bool Works, bool Chosen, string Reason);

    internal sealed record DisplayEntry(string Display, RectangleEntry Screen, IReadOnlyList<MonitorEntry> Monitors, IReadOnlyList<BackEndEntry> BackEnds);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
    [JsonSerializable(typeof(DisplayEntry))]
    internal sealed partial class EntryJson : JsonSerializerContext;
}
