using System.CommandLine;
using System.Globalization;
using Vitrine.Events;
using Vitrine.Events.Kafka;
using Vitrine.Lab;
using Vitrine.Lab.Browser;
using Vitrine.Lab.Events;
using Vitrine.Lab.Report;
using Vitrine.Lab.Transport;
using Vitrine.Measurement;
using Vitrine.Viewer;

namespace Vitrine.Cli.Verbs;

/// <summary>Measures, and says how the figures stand against the goals.</summary>
internal sealed class LabVerb : Verb
{
    private readonly Terminal _terminal;
    private readonly Argument<string?> _name = new("name") { HelpName = "NAME", Description = "the laboratory; without one, all are listed", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string> _json = new("--json") { HelpName = "FILE", Description = "write everything measured into a file" };
    private readonly Option<string> _report = new("--report") { HelpName = "DIR", Description = "write a page with plots into a folder, and each case as an HdrHistogram log" };
    private readonly Option<string> _compare = new("--compare") { HelpName = "FILE", Description = "an earlier --json file that the page compares with" };
    private readonly Option<bool> _quick = new("--quick") { Description = "end within 45 seconds, with fewer rounds" };

    private readonly Option<double?> _minutes = new("--minutes") { HelpName = "N", Description = "how long soak paints (default: 5), the soak of motion plays (default: 30), transport loads each server (default: 5), or the alarms of events are waited for (default: 30)" };
    private readonly Option<string> _against = new("--against") { HelpName = "PROGRAM", Description = "another build of vitrine, which motion measures beside this one" };
    private readonly Option<bool> _advise = new("--advise") { Description = "transport: say which transport, buffers and codec rate to take, and how sure that is" };
    private readonly Option<bool> _crash = new("--crash") { Description = "events: kill who appends, works on events and reads at random moments, and look for every event afterwards" };
    private readonly Option<string> _to = new("--to") { HelpName = "URL", Description = "with --advise: the host to advise about, as it printed its address; without it, this machine" };
    private readonly Option<string> _fingerprint = new("--fingerprint") { HelpName = "SHA256", Description = "with --to: of the host's certificate, as it printed it" };
    private readonly Option<string> _networks = new("--networks") { HelpName = "LIST", Description = "weak, advice-check, live: over these emulated networks, with commas between them: names, or figures such as 'trace=FILE;up=FILE;rtt=100;jitter=20;loss=5;burst=3;reorder=1;duplicate=1' (traces are Mahimahi's; without one, rate=MBIT/S; milliseconds of the round trip, per cent of each direction)" };
    private readonly Option<string> _kafka = new("--kafka") { HelpName = "BROKERS", Description = "events: measure with this cluster, such as kafka-1:9092; VITRINE_KAFKA_TLS_... and VITRINE_KAFKA_SASL_... say how (docs/KAFKA.md). Without it, with librdkafka's cluster for tests" };
    private readonly Option<int> _quicThreads = new("--quic-threads") { HelpName = "N", Description = "transport: threads that speak QUIC in our servers (default: 1), on machines that have a processor for each", DefaultValueFactory = _ => 1 };
    private readonly Option<string> _only = new("--only") { HelpName = "PARTS", Description = "parts of the laboratory, with commas between them" };

    public LabVerb(Terminal terminal)
        : base(
            "lab",
            "Measures on this machine, beside its peers: capture, convert, latency, motion, transport, playback, events, soak. Without a name, lists what there is.",
            ("vitrine lab", "what there is, what each needs and how long it takes"),
            ("vitrine lab capture --json capture.json --report reports", "figures for programs and a page for people"),
            ("vitrine lab latency --quick", "a first look"),
            ("vitrine lab transport --advise", "which transport to take, and why"),
            ("vitrine lab transport --advise --to 'https://host:8790/?t=TOKEN' --fingerprint AB:CD:...", "the same for the path to a host that shares"),
            ("vitrine lab transport --only weak,handover", "what bad networks, and leaving one for another, do to requests"),
            ("vitrine lab transport --only weak --networks 'dsl,trace=lte.down;up=lte.up;rtt=40;reorder=1'", "the same over an emulated DSL line, and over a recorded link"),
            ("vitrine lab transport --only live --networks dsl --report reports", "a live film over an emulated DSL line, frame by frame, by each transport"),
            ("vitrine lab events --crash --kafka kafka-1:9092", "what kills lose or double on a cluster; without --kafka, in a folder"))
    {
        _terminal = terminal;
        Arguments.Add(_name);
        foreach (Option option in (Option[])[_json, _report, _compare, _quick, _only, _minutes, _against, _advise, _crash, _to, _fingerprint, _networks, _quicThreads, _kafka])
        {
            Options.Add(option);
        }

        SetAction((parsed, _) => RunAsync(parsed));
    }

    private async Task<int> RunAsync(ParseResult parsed)
    {
        if (parsed.GetValue(_name) is not { } name)
        {
            List();
            return ExitCode.Done;
        }

        if (Laboratories.Find(name) is not { } laboratory)
        {
            string? nearest = NearestName.Find(name, Laboratories.All.Select(each => each.Description.Name));
            return _terminal.Fail(ExitCode.Usage, $"There is no laboratory «{name}».", nearest is null ? null : $"Did you mean {nearest}?", "vitrine lab lists them.");
        }

        if (parsed.GetValue(_minutes) is { } minutes && minutes is not (> 0 and <= 10_080))
        {
            return _terminal.Fail(ExitCode.Usage, $"{minutes} is no time to paint.", "--minutes takes a number up to 10080, a week.");
        }

        int quicThreads = parsed.GetValue(_quicThreads);
        if (quicThreads is < 1 or > EchoServer.QuicThreadsMax)
        {
            return _terminal.Fail(ExitCode.Usage, $"--quic-threads {quicThreads} cannot be used.", $"A number from 1 to {EchoServer.QuicThreadsMax}.");
        }

        List<string> only = [.. parsed.GetValue(_only)?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? []];
        if (parsed.GetValue(_advise))
        {
            only.Add(TransportLaboratory.Advise);
        }

        if (parsed.GetValue(_crash))
        {
            only.Add(EventsLaboratory.Crash);
        }

        if (only.FirstOrDefault(part => !laboratory.Description.Parts.Contains(part)) is { } unknown)
        {
            string parts = laboratory.Description.Parts.Count == 0 ? "It runs as a whole." : $"It has {string.Join(", ", laboratory.Description.Parts)}.";
            return _terminal.Fail(ExitCode.Usage, $"The laboratory {name} has no part «{unknown}».", parts);
        }

        string[] networks = parsed.GetValue(_networks)?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
        if (TransportLaboratory.FaultOfNetworks(networks) is { } fault)
        {
            return _terminal.Fail(ExitCode.Usage, "--networks cannot be used.", fault);
        }

        Uri? to = null;
        if (parsed.GetValue(_to) is { } address)
        {
            if (!parsed.GetValue(_advise))
            {
                return _terminal.Fail(ExitCode.Usage, "--to is where --advise goes to.", "vitrine lab transport --advise --to URL");
            }

            if (!Uri.TryCreate(address, UriKind.Absolute, out to) || to.Scheme is not ("http" or "https"))
            {
                return _terminal.Fail(ExitCode.Usage, $"«{address}» is no address of a host.", "--to takes what the host printed, such as http://127.0.0.1:8790/?t=TOKEN.");
            }
        }

        string? fingerprint = parsed.GetValue(_fingerprint);
        if (fingerprint is not null && !IsFingerprint(fingerprint))
        {
            return _terminal.Fail(ExitCode.Usage, $"«{fingerprint}» is no SHA-256.", "--fingerprint takes 64 hexadecimal digits, with or without colons between pairs.");
        }

        string? against = parsed.GetValue(_against);
        if (against is not null && !File.Exists(against))
        {
            return _terminal.Fail(ExitCode.Usage, $"There is no program {against}.", "--against takes the path of another build's vitrine.");
        }

        RunDocument? earlier = null;
        if (parsed.GetValue(_compare) is { } compare)
        {
            try
            {
                earlier = await RunDocument.LoadAsync(compare).ConfigureAwait(false);
            }
            catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException or InvalidDataException or System.Text.Json.JsonException)
            {
                return _terminal.Fail(ExitCode.Usage, $"{compare} cannot be compared with.", unreadable.Message);
            }
        }

        using StopSignal stop = new();
        RunDocument document;
        try
        {
            using ProgressLine progress = new(_terminal);
            LabOptions options = new()
            {
                Quick = parsed.GetValue(_quick),
                Only = only,
                Against = against is null ? null : Path.GetFullPath(against),
                AdviseTo = to,
                HostFingerprint = fingerprint,
                Networks = networks,
                QuicThreads = quicThreads,
                Kafka = KafkaOptions.FromEnvironment(parsed.GetValue(_kafka)),
            };
            options = parsed.GetValue(_minutes) is { } paints
                ? options with { SoakDuration = TimeSpan.FromMinutes(paints), MotionSoakDuration = TimeSpan.FromMinutes(paints), TransportDuration = TimeSpan.FromMinutes(paints), EventsDuration = TimeSpan.FromMinutes(paints) }
                : options;
            document = await laboratory.RunAsync(options, progress, stop.Token).ConfigureAwait(false);
        }
        catch (MissingRequirementException missing)
        {
            return _terminal.Fail(ExitCode.Missing, $"The laboratory {name} cannot run.", missing.Message);
        }
        catch (Exception failure) when (failure is LaboratoryException or EventLogException or DevToolsException or ViewerConnectException or IOException)
        {
            return _terminal.Fail(ExitCode.Failed, $"The laboratory {name} could not measure.", failure.Message);
        }
        catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
        {
            return _terminal.Fail(ExitCode.Failed, "Stopped; nothing was written.");
        }

        try
        {
            if (parsed.GetValue(_json) is { } json)
            {
                await document.SaveAsync(json).ConfigureAwait(false);
                PrintFrames(await FrameTables.WriteAsync(document, Path.GetDirectoryName(Path.GetFullPath(json))!).ConfigureAwait(false));
            }

            Print(document);
            if (parsed.GetValue(_report) is { } folder)
            {
                _terminal.Output.WriteLine($"Report: {await HtmlReport.WriteAsync(document, folder, earlier).ConfigureAwait(false)}");
                if (await HistogramLogs.WriteAsync(document, folder).ConfigureAwait(false) is { Count: > 0 } logs)
                {
                    _terminal.Output.WriteLine($"Histograms: {logs.Count} HdrHistogram logs beside it ({Path.GetFileName(logs[0])}{(logs.Count > 1 ? ", ..." : "")})");
                }

                PrintFrames(await FrameTables.WriteAsync(document, folder).ConfigureAwait(false));
            }
        }
        catch (Exception unwritable) when (unwritable is IOException or UnauthorizedAccessException)
        {
            return _terminal.Fail(unwritable is UnauthorizedAccessException ? ExitCode.Refused : ExitCode.Failed, "The result could not be written.", unwritable.Message);
        }

        return ExitCode.Done;
    }

    private static bool IsFingerprint(string text) =>
        text.Replace(":", "", StringComparison.Ordinal) is { Length: 64 } digits && digits.All(char.IsAsciiHexDigit);

    private void PrintFrames(IReadOnlyList<string> tables)
    {
        if (tables.Count > 0)
        {
            _terminal.Output.WriteLine($"Frames: {tables.Count} tables, a line for every frame ({tables[0]}{(tables.Count > 1 ? ", ..." : "")})");
        }
    }

    private void List()
    {
        foreach (LaboratoryDescription lab in Laboratories.All.Select(laboratory => laboratory.Description))
        {
            _terminal.Output.WriteLine($"{_terminal.Strong(lab.Name)}  {lab.Summary}");
            _terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    takes {lab.Duration.TotalMinutes:0.#} min, with --quick {lab.QuickDuration.TotalSeconds:0} s"));
            if (lab.Parts.Count > 0)
            {
                _terminal.Output.WriteLine($"    parts for --only: {string.Join(", ", lab.Parts)}");
            }

            _terminal.Output.WriteLine($"    needs {(lab.Needs.Count == 0 ? "nothing" : string.Join(", ", lab.Needs))}; compares with {(lab.Peers.Count == 0 ? "nothing" : string.Join(", ", lab.Peers))} when installed");
        }
    }

    private void Print(RunDocument document)
    {
        _terminal.Output.WriteLine(LabAnswer.Of(document));
        foreach (RatioRecord ratio in document.Ratios)
        {
            string goal = ratio.Goal is { } value ? string.Create(CultureInfo.InvariantCulture, $"goal {(ratio.LowerIsBetter ? "<=" : ">=")} {value:0.###}, {(ratio.Met == true ? "met" : "NOT met")}") : "no goal";
            _terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {ratio.Value,8:0.###}  {ratio.Name}  ({goal})"));
        }

        foreach (string advice in document.Advice)
        {
            _terminal.Output.WriteLine($"  {_terminal.Strong("advice")} {advice}");
        }

        foreach (string missing in document.NotMeasured)
        {
            _terminal.Output.WriteLine($"  not measured: {missing}");
        }
    }

    /// <summary>One line that is written over on a terminal; a line for every new activity elsewhere.</summary>
    private sealed class ProgressLine(Terminal terminal) : IProgress<LabProgress>, IDisposable
    {
        private readonly Lock _lock = new();
        private readonly long _started = TimeProvider.System.GetTimestamp();
        private string _doing = "";
        private int _width;

        public void Report(LabProgress value)
        {
            lock (_lock)
            {
                if (!terminal.ErrorIsTerminal)
                {
                    if (_doing != value.Doing)
                    {
                        terminal.Error.WriteLine(value.Doing);
                    }
                }
                else
                {
                    TimeSpan passed = TimeProvider.System.GetElapsedTime(_started);
                    string left = value.Fraction > 0.02 ? $", {Text(passed * ((1 - value.Fraction) / value.Fraction))} left" : "";
                    string line = string.Create(CultureInfo.InvariantCulture, $"{value.Fraction:P0} {value.Doing}{left}");
                    terminal.Error.Write("\r" + line.PadRight(_width));
                    _width = line.Length;
                }

                _doing = value.Doing;
            }
        }

        public void Dispose()
        {
            if (_width > 0)
            {
                terminal.Error.Write("\r" + new string(' ', _width) + "\r");
            }
        }

        private static string Text(TimeSpan time) =>
            time.TotalSeconds < 90 ? $"{Math.Ceiling(time.TotalSeconds)} s" : $"{Math.Ceiling(time.TotalMinutes)} min";
    }
}
