using System.Globalization;
using System.Net;
using System.Reflection;
using System.Text;
using Vitrine.Measurement;

namespace Vitrine.Lab.Report;

/// <summary>Turns a run into one HTML file that needs nothing else: no script, no request, opens from disk, prints.</summary>
public static class HtmlReport
{
    /// <summary>Writes <c>LAB.html</c> into a directory, replacing it in one step.</summary>
    /// <param name="document">The run.</param>
    /// <param name="directory">Created when missing.</param>
    /// <param name="earlier">A run to compare with, or null.</param>
    /// <param name="cancellationToken">Ends it; no half file is left.</param>
    /// <returns>Path of the file.</returns>
    public static async Task<string> WriteAsync(RunDocument document, string directory, RunDocument? earlier = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(document);
        Directory.CreateDirectory(directory);
        string path = Path.Combine(directory, document.Lab + ".html"), temporary = path + ".part";
        try
        {
            await File.WriteAllTextAsync(temporary, Render(document, earlier), cancellationToken);
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }

        return path;
    }

    /// <summary>The report as HTML.</summary>
    public static string Render(RunDocument document, RunDocument? earlier = null)
    {
        ArgumentNullException.ThrowIfNull(document);
        var html = new StringBuilder();
        html.Append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
            + "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><meta name=\"color-scheme\" content=\"dark light\">");
        html.Append(CultureInfo.InvariantCulture, $"<title>Vitrine lab {Text(document.Lab)}</title><style>{Resource("tokens.css")}{Resource("report.css")}</style></head><body><main>");
        html.Append(CultureInfo.InvariantCulture, $"<h1>{Text(LabAnswer.Of(document))}</h1>");
        html.Append(CultureInfo.InvariantCulture, $"<p class=\"muted\">vitrine lab {Text(document.Lab)} · {document.StartedAt.ToUniversalTime():yyyy-MM-dd HH:mm} UTC · {LabAnswer.Number(document.DurationSeconds)} s</p>");
        AppendPlots(html, document);
        AppendAdvice(html, document);
        AppendRatios(html, document);
        if (earlier is not null)
        {
            AppendComparison(html, document, earlier);
        }

        AppendCases(html, document);
        AppendMachine(html, document);
        return html.Append("</main></body></html>\n").ToString();
    }

    private static void AppendPlots(StringBuilder html, RunDocument document)
    {
        // Cases of the same size belong into one picture, what was measured is before the slash; loads are another question.
        foreach (IGrouping<string, CaseRecord> group in document.Cases.Where(item => item.Distribution.Count > 0)
            .GroupBy(item => item.Name.StartsWith("load-", StringComparison.Ordinal) ? item.Name : Parameters(item.Name)))
        {
            CaseRecord[] curves = [.. group];
            PlotGoal[] goals = [.. document.Ratios.Where(ratio => ratio.Goal is not null && IsOfTheCurve(ratio.Name)
                    && curves.Any(curve => ratio.Name.StartsWith(curve.Name + " ", StringComparison.Ordinal)))
                .Select(ratio => new PlotGoal(ratio.Goal!.Value, GoalLabel(ratio), ratio.Met == true))];
            html.Append(PercentilePlot.Draw(group.Key, curves, goals));
        }
    }

    private static void AppendAdvice(StringBuilder html, RunDocument document)
    {
        if (document.Advice.Count == 0)
        {
            return;
        }

        html.Append("<h2>Advice</h2><ul>");
        foreach (string advice in document.Advice)
        {
            html.Append(CultureInfo.InvariantCulture, $"<li>{Text(advice)}</li>");
        }

        html.Append("</ul>");
    }

    private static void AppendRatios(StringBuilder html, RunDocument document)
    {
        if (document.Ratios.Count == 0)
        {
            return;
        }

        html.Append("<h2>Against peers and goals</h2><div class=\"scroll\"><table><thead><tr><th>what</th><th class=\"n\">value</th><th class=\"n\">goal</th><th></th><th class=\"n\">rounds, lowest to highest</th></tr></thead><tbody>");
        foreach (RatioRecord ratio in document.Ratios)
        {
            string verdict = ratio.Met switch { true => "<span class=\"good\">✓ met</span>", false => "<span class=\"bad\">✗ not met</span>", null => string.Empty };
            string rounds = ratio.Rounds.Count == 0 ? string.Empty : $"{LabAnswer.Number(ratio.Rounds.Min())} … {LabAnswer.Number(ratio.Rounds.Max())}";
            string goal = ratio.Goal is double value ? $"{(ratio.LowerIsBetter ? "≤" : "≥")} {LabAnswer.Number(value)}" : string.Empty;
            html.Append(CultureInfo.InvariantCulture, $"<tr><th>{Text(ratio.Name)}</th><td class=\"n\">{LabAnswer.Number(ratio.Value)}</td><td class=\"n\">{goal}</td><td>{verdict}</td><td class=\"n muted\">{rounds}</td></tr>");
        }

        html.Append("</tbody></table></div>");
    }

    private static void AppendComparison(StringBuilder html, RunDocument document, RunDocument earlier)
    {
        html.Append(CultureInfo.InvariantCulture, $"<h2>Against the run of {earlier.StartedAt.ToUniversalTime():yyyy-MM-dd HH:mm} UTC</h2><p class=\"muted\">Commit {Text(earlier.Commit)} on {Text(earlier.Machine.Cpu)}. Difference of the medians, with the interval in which it lies with 95 % confidence (bootstrap over the rounds).</p>");
        html.Append("<div class=\"scroll\"><table><thead><tr><th>case</th><th class=\"n\">before, ms</th><th class=\"n\">now, ms</th><th class=\"n\">difference, ms</th><th class=\"n\">of before</th><th class=\"n\">interval, ms</th><th></th></tr></thead><tbody>");
        foreach (CaseDifference item in RunComparison.Compare(earlier, document))
        {
            string interval = double.IsNaN(item.LowMs) ? string.Empty : $"{Signed(item.LowMs)} … {Signed(item.HighMs)}";
            string kind = item.Verdict switch { "slower" => "bad", "faster" => "good", _ => "muted" };
            html.Append(CultureInfo.InvariantCulture, $"<tr><th>{Text(item.Name)}</th><td class=\"n\">{LabAnswer.Number(item.BeforeMs)}</td><td class=\"n\">{LabAnswer.Number(item.NowMs)}</td><td class=\"n\">{Signed(item.DifferenceMs)}</td><td class=\"n\">{Signed(item.DifferenceMs / item.BeforeMs * 100)} %</td><td class=\"n muted\">{interval}</td><td class=\"{kind}\">{item.Verdict}</td></tr>");
        }

        html.Append("</tbody></table></div>");
    }

    private static void AppendCases(StringBuilder html, RunDocument document)
    {
        html.Append("<h2>Figures</h2>");
        // Cases with the same metrics share a table: empty columns help nobody.
        foreach (IGrouping<string, CaseRecord> group in document.Cases.GroupBy(item => string.Join('|', item.Metrics.Keys)))
        {
            string[] names = [.. group.First().Metrics.Keys];
            html.Append("<div class=\"scroll\"><table><thead><tr><th>case</th>");
            foreach (string name in names)
            {
                html.Append(CultureInfo.InvariantCulture, $"<th class=\"n\">{Text(name)}</th>");
            }

            html.Append("</tr></thead><tbody>");
            foreach (CaseRecord item in group)
            {
                string parameters = string.Join(", ", item.Parameters.Select(pair => $"{pair.Key} {pair.Value}"));
                html.Append(CultureInfo.InvariantCulture, $"<tr><th title=\"{Text(parameters)}\">{Text(item.Name)}</th>");
                foreach (string name in names)
                {
                    html.Append(CultureInfo.InvariantCulture, $"<td class=\"n\">{LabAnswer.Number(item.Metrics[name])}</td>");
                }

                html.Append("</tr>");
            }

            html.Append("</tbody></table></div>");
        }
    }

    private static void AppendMachine(StringBuilder html, RunDocument document)
    {
        MachineRecord machine = document.Machine;
        html.Append("<h2>Where and how</h2><dl>");
        foreach ((string name, string value) in ((string, string)[])
            [
                ("processor", $"{machine.Cpu}, {machine.Cores} cores"),
                ("memory", $"{LabAnswer.Number(machine.MemoryBytes / (double)(1 << 30))} GiB"),
                ("system", machine.Os), ("display", machine.Display), ("graphics", machine.Gpu), ("command", document.Command), ("commit", document.Commit),
            ])
        {
            html.Append(CultureInfo.InvariantCulture, $"<dt>{name}</dt><dd>{Text(value)}</dd>");
        }

        html.Append("</dl><h2>Not measured</h2>");
        html.Append(document.NotMeasured.Count == 0 ? "<p>Everything that this lab measures was measured.</p>" : "<ul>");
        foreach (string item in document.NotMeasured)
        {
            html.Append(CultureInfo.InvariantCulture, $"<li>{Text(item)}</li>");
        }

        html.Append(document.NotMeasured.Count == 0 ? string.Empty : "</ul>");
    }

    // «canvas/64x64 p95Ms vs goal»; a goal for a difference of two curves lies on neither.
    private static bool IsOfTheCurve(string name) => name.EndsWith("Ms vs goal", StringComparison.Ordinal)
        && name.Split(' ')[1] is "maxMs" or "meanMs" or ['p', >= '0' and <= '9', ..];

    private static string GoalLabel(RatioRecord ratio) =>
        $"goal for {ratio.Name[..^" vs goal".Length].Replace("Ms", string.Empty, StringComparison.Ordinal)} {(ratio.LowerIsBetter ? "≤" : "≥")} {LabAnswer.Number(ratio.Goal!.Value)} ms";

    private static string Signed(double value) => value > 0 ? "+" + LabAnswer.Number(value) : LabAnswer.Number(value);

    private static string Parameters(string name) => name.Contains('/', StringComparison.Ordinal) ? name[(name.IndexOf('/', StringComparison.Ordinal) + 1)..] : name;

    private static string Text(string text) => WebUtility.HtmlEncode(text);

    private static string Resource(string name)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name) ?? throw new InvalidOperationException($"The resource {name} is missing.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
