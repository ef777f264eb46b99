using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Xml;
using System.Xml.Linq;
using Vitrine.Lab;

namespace Vitrine.Cli.Verbs;

/// <summary>Runs every test project and the web tests, one after the other (they measure time), and adds up.</summary>
internal sealed class TestVerb : Verb
{
    // The longest suite, end to end with a real browser, takes a few minutes; what takes longer hangs.
    private static readonly TimeSpan SuiteTimeMax = TimeSpan.FromMinutes(20);

    private static readonly XNamespace Trx = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";

    private readonly Terminal _terminal;
    private readonly Option<string> _filter = new("--filter")
    {
        HelpName = "TEXT",
        Description = "only tests whose full name holds TEXT (or a filter expression of dotnet test)",
    };

    private readonly Option<string> _only = new("--only")
    {
        HelpName = "NAME",
        Description = "only suites whose name holds NAME: capture, endtoend, web, ...",
    };

    public TestVerb(Terminal terminal)
        : base(
            "test",
            "Runs all tests: every .NET test project and the web tests. The last line is «N passed, N failed».",
            ("vitrine test", "everything"),
            ("vitrine test --only capture", "one suite"),
            ("vitrine test --only server --filter Token", "some tests of one suite"))
    {
        _terminal = terminal;
        Options.Add(_filter);
        Options.Add(_only);
        SetAction((parsed, _) => RunAsync(parsed.GetValue(_filter), parsed.GetValue(_only)));
    }

    private async Task<int> RunAsync(string? filter, string? only)
    {
        string? root = SourceFolder.Find();
        if (root is null)
        {
            return _terminal.Fail(ExitCode.Missing, "There are no tests here.", "The program does not run from its source folder.", "Run ./vitrine test in a clone of the repository.");
        }

        using StopSignal stop = new();
        string results = Path.Combine(root, ".vitrine", "test-results", DateTimeStamp());
        Directory.CreateDirectory(results);
        List<Suite> suites = [.. FindSuites(root).Where(suite => only is null || suite.Name.Contains(only, StringComparison.OrdinalIgnoreCase))];
        if (suites.Count == 0)
        {
            string? nearest = only is null ? null : NearestName.Find(only, FindSuites(root).Select(suite => suite.Name.Split('.')[1 % suite.Name.Split('.').Length]));
            return _terminal.Fail(ExitCode.Usage, $"No suite has «{only}» in its name.", nearest is null ? null : $"Did you mean {nearest}?", "vitrine test --only capture");
        }

        int passed = 0, failed = 0;
        foreach (Suite suite in suites)
        {
            long started = Stopwatch.GetTimestamp();
            Tally tally;
            try
            {
                tally = suite.Kind == SuiteKind.Web
                    ? await RunWebAsync(suite, filter, results, stop.Token).ConfigureAwait(false)
                    : await RunDotnetAsync(suite, filter, results, stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
            {
                _terminal.Fail(ExitCode.Failed, "Stopped.");
                failed++;
                break;
            }

            passed += tally.Passed;
            failed += tally.Failed;
            foreach (string failure in tally.Failures)
            {
                _terminal.Output.WriteLine(failure);
            }

            string skipped = tally.Skipped.Count > 0 ? $", {tally.Skipped.Count} not run" : "";
            string seconds = Stopwatch.GetElapsedTime(started).TotalSeconds.ToString("F1", CultureInfo.InvariantCulture);
            _terminal.Output.WriteLine($"{suite.Name,-28} {tally.Passed,5} passed, {tally.Failed} failed{skipped}  {_terminal.Muted($"{seconds} s")}");
            foreach (IGrouping<string, NotRun> reason in tally.Skipped.GroupBy(each => each.Reason))
            {
                _terminal.Output.WriteLine($"  not run, {reason.Key}");
                foreach (NotRun each in reason)
                {
                    _terminal.Output.WriteLine($"    {each.Name}");
                }
            }
        }

        if (passed + failed == 0)
        {
            _terminal.Fail(ExitCode.Failed, "No test ran.", filter is null ? null : $"No test has «{filter}» in its name.");
        }

        _terminal.Output.WriteLine($"{passed} passed, {failed} failed");
        return passed > 0 && failed == 0 ? ExitCode.Done : ExitCode.Failed;
    }

    private static IEnumerable<Suite> FindSuites(string root)
    {
        foreach (string folder in Directory.EnumerateDirectories(Path.Combine(root, "tests")).Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(folder);
            if (File.Exists(Path.Combine(folder, name + ".csproj")))
            {
                yield return new(SuiteKind.Dotnet, name, folder);
            }
        }

        string web = Path.Combine(root, "web");
        if (File.Exists(Path.Combine(web, "package.json")))
        {
            yield return new(SuiteKind.Web, "web", web);
        }
    }

    private static async Task<Tally> RunDotnetAsync(Suite suite, string? filter, string results, CancellationToken stop)
    {
        string assembly = Path.Combine(suite.Folder, "bin", "Release", "net10.0", suite.Name + ".dll");
        List<string> arguments = ["test", assembly, $"--logger:trx;LogFileName={suite.Name}.trx", "--results-directory", results];
        if (filter is not null)
        {
            // An expression has an operator; a bare text is looked for in the full name.
            arguments.AddRange(["--filter", filter.AsSpan().ContainsAny("=~|&") ? filter : "FullyQualifiedName~" + filter]);
        }

        string dotnet = Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } dotnetRoot ? Path.Combine(dotnetRoot, "dotnet") : "dotnet";
        string log = Path.Combine(results, suite.Name + ".log");
        int exitCode = await RunLoggedAsync(dotnet, arguments, suite.Folder, log, stop).ConfigureAwait(false);

        List<string> failures = [];
        int passed = 0, failed = 0;
        List<NotRun> skipped = [];
        string trx = Path.Combine(results, suite.Name + ".trx");
        if (File.Exists(trx))
        {
            try
            {
                foreach (XElement result in XDocument.Load(trx).Descendants(Trx + "UnitTestResult"))
                {
                    switch (result.Attribute("outcome")?.Value)
                    {
                        case "Passed":
                            passed++;
                            break;
                        case "NotExecuted":
                            skipped.Add(new(result.Attribute("testName")?.Value ?? "", result.Descendants(Trx + "Message").FirstOrDefault()?.Value.Trim() ?? "without a reason"));
                            break;
                        default:
                            failed++;
                            failures.Add($"FAILED {result.Attribute("testName")?.Value}\n{Indent(result.Descendants(Trx + "Message").FirstOrDefault()?.Value)}{Indent(result.Descendants(Trx + "StackTrace").FirstOrDefault()?.Value)}");
                            break;
                    }
                }
            }
            catch (XmlException broken)
            {
                failed++;
                failures.Add($"FAILED {suite.Name}: its result file is broken ({broken.Message})");
            }
        }

        bool ranNone = passed + failed == 0;
        if ((exitCode != 0 && failed == 0) || (ranNone && filter is null && HasTests(suite.Folder)))
        {
            // The host crashed, hung or found nothing to run: that is one failure more, whatever passed before.
            failed++;
            failures.Add($"FAILED {suite.Name} as a whole: {DescribeEnd(exitCode)}; all of it is in {log}\n{Indent(Tail(log))}");
        }

        return new(passed, failed, skipped, failures);
    }

    private static async Task<Tally> RunWebAsync(Suite suite, string? filter, string results, CancellationToken stop)
    {
        string report = Path.Combine(results, "web.json"), log = Path.Combine(results, "web.log");
        List<string> arguments = ["test", "--", "--reporter=default", "--reporter=json", "--outputFile.json=" + report];
        if (filter is not null)
        {
            arguments.AddRange(["--testNamePattern", filter, "--passWithNoTests"]);
        }

        int exitCode = await RunLoggedAsync("npm", arguments, suite.Folder, log, stop).ConfigureAwait(false);
        int passed = 0, failed = 0;
        List<NotRun> skipped = [];
        List<string> failures = [];
        if (File.Exists(report))
        {
            using JsonDocument document = JsonDocument.Parse(await File.ReadAllBytesAsync(report, stop).ConfigureAwait(false));
            JsonElement all = document.RootElement;
            passed = all.GetProperty("numPassedTests").GetInt32();
            failed = all.GetProperty("numFailedTests").GetInt32();
            foreach (JsonElement test in all.GetProperty("testResults").EnumerateArray().SelectMany(file => file.GetProperty("assertionResults").EnumerateArray()))
            {
                if (filter is null && test.GetProperty("status").GetString() is ("skipped" or "pending" or "todo"))
                {
                    skipped.Add(new(test.GetProperty("fullName").GetString() ?? "", "without a reason"));
                }
                else if (test.GetProperty("status").GetString() == "failed")
                {
                    failures.Add($"FAILED {test.GetProperty("fullName").GetString()}\n{Indent(string.Join('\n', test.GetProperty("failureMessages").EnumerateArray().Select(message => message.GetString())))}");
                }
            }
        }

        if ((exitCode != 0 && failed == 0) || (passed + failed == 0 && filter is null))
        {
            failed++;
            failures.Add($"FAILED web as a whole: {DescribeEnd(exitCode)}; all of it is in {log}\n{Indent(Tail(log))}");
        }

        return new(passed, failed, skipped, failures);
    }

    /// <summary>Runs to its end, output into a file; the whole process tree is ended when it takes too long or on Ctrl-C.</summary>
    private static async Task<int> RunLoggedAsync(string file, IEnumerable<string> arguments, string folder, string log, CancellationToken stop)
    {
        using Process process = new()
        {
            StartInfo = new(file, arguments) { WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true },
        };
        using StreamWriter writer = new(log);
        process.OutputDataReceived += Write;
        process.ErrorDataReceived += Write;
        process.Start();
        process.StandardInput.Close();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(SuiteTimeMax);
        try
        {
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            stop.ThrowIfCancellationRequested();
            return TimedOut;
        }

        return process.ExitCode;

        void Write(object sender, DataReceivedEventArgs line)
        {
            lock (writer)
            {
                if (line.Data is not null)
                {
                    writer.WriteLine(line.Data);
                    writer.Flush();
                }
            }
        }
    }

    private const int TimedOut = -1;

    private static string DescribeEnd(int exitCode) => exitCode switch
    {
        TimedOut => $"it did not end within {SuiteTimeMax.TotalMinutes:F0} minutes",
        0 => "no test ran",
        _ => $"it ended with exit code {exitCode}",
    };

    private static bool HasTests(string folder) =>
        Directory.EnumerateFiles(folder, "*.cs").Concat(Directory.EnumerateDirectories(folder)
            .Where(sub => Path.GetFileName(sub) is not ("bin" or "obj"))
            .SelectMany(sub => Directory.EnumerateFiles(sub, "*.cs", SearchOption.AllDirectories)))
            .Any(file => File.ReadAllText(file) is var source && (source.Contains("[Fact", StringComparison.Ordinal) || source.Contains("[Theory", StringComparison.Ordinal) || source.Contains("[Property", StringComparison.Ordinal)));

    private static string Indent(string? text) =>
        string.IsNullOrWhiteSpace(text) ? "" : string.Concat(text.Split('\n').Where(line => line.Length > 0).Take(20).Select(line => $"    {line.TrimEnd()}\n"));

    private static string Tail(string log) => string.Join('\n', File.ReadLines(log).TakeLast(12));

    private static string DateTimeStamp() =>
        $"{TimeProvider.System.GetLocalNow().ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}-{Environment.ProcessId}";

    private enum SuiteKind
    {
        Dotnet,
        Web,
    }

    private sealed record Suite(SuiteKind Kind, string Name, string Folder);

    private sealed record Tally(int Passed, int Failed, IReadOnlyList<NotRun> Skipped, IReadOnlyList<string> Failures);

    private sealed record NotRun(string Name, string Reason);
}
