using System.Globalization;
using System.Net;
using System.Text;
using Vitrine.Measurement;

namespace Vitrine.Lab.Report;

/// <summary>A horizontal line to hold curves against.</summary>
internal readonly record struct PlotGoal(double ValueMs, string Label, bool Met);

/// <summary>Percentile curves as SVG: share of the samples to the right, stretched towards the tail; milliseconds upwards.</summary>
internal static class PercentilePlot
{
    private const int GoalLabelHeight = 14;
    private const double Width = 720, Height = 320, Left = 64, Right = 168, Top = 16, Bottom = 40;

    // Colour-blind readers tell these four apart; a fifth curve and on repeats them with another dash.
    private static readonly string[] s_colours = ["var(--series-1)", "var(--series-2)", "var(--series-3)", "var(--series-4)"];
    private static readonly string[] s_dashes = ["", "7 3", "2 3", "10 3 2 3", "4 4", "1 5"];
    private static readonly double[] s_ticks = [0, 50, 75, 90, 95, 99, 99.9];

    public static string Draw(string title, IReadOnlyList<CaseRecord> curves, IReadOnlyList<PlotGoal> goals)
    {
        double low = curves.SelectMany(curve => curve.Distribution).Select(point => point.ValueMs).Where(value => value > 0).DefaultIfEmpty(0.001).Min();
        double high = curves.SelectMany(curve => curve.Distribution).Select(point => point.ValueMs).Concat(goals.Select(goal => goal.ValueMs)).Max();
        bool logarithmic = high / low > 100;
        low = logarithmic ? Math.Pow(10, Math.Floor(Math.Log10(Math.Min(low, goals.Select(goal => goal.ValueMs).DefaultIfEmpty(low).Min())))) : 0;
        high = logarithmic ? Math.Pow(10, Math.Ceiling(Math.Log10(high))) : Ceiling(high);
        double tail = Math.Clamp(curves.SelectMany(curve => curve.Distribution).Where(point => point.Percent < 100).Select(point => point.Percent).DefaultIfEmpty(99).Max(), 90, 99.99);

        // The largest sample is no percentile: it stands beside the curve, at the right edge.
        double X(double percent) => percent >= 100 ? Width - Right : Left + ((Width - Left - Right - 24) * (Stretch(Math.Min(percent, tail)) / Stretch(tail)));
        double Y(double valueMs) => Height - Bottom - ((Height - Top - Bottom)
            * (logarithmic ? Math.Log10(Math.Max(valueMs, low) / low) / Math.Log10(high / low) : (valueMs - low) / (high - low)));

        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<figure><figcaption>{WebUtility.HtmlEncode(title)}<span class=\"muted\"> · milliseconds{(logarithmic ? ", log scale" : string.Empty)}, by share of the samples</span></figcaption>");
        svg.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"Percentile curves: {WebUtility.HtmlEncode(title)}\">");
        foreach (double value in logarithmic ? Decades(low, high) : Steps(high))
        {
            svg.Append(CultureInfo.InvariantCulture, $"<path class=\"grid\" d=\"M{Left} {Y(value):0.#}H{Width - Right}\"/><text class=\"tick\" x=\"{Left - 8}\" y=\"{Y(value) + 4:0.#}\" text-anchor=\"end\">{LabAnswer.Number(value)}</text>");
        }

        foreach (double percent in s_ticks.Where(percent => percent <= tail && X(percent) < Width - Right - 32)) // «max» needs room
        {
            svg.Append(CultureInfo.InvariantCulture, $"<path class=\"grid\" d=\"M{X(percent):0.#} {Top}V{Height - Bottom}\"/><text class=\"tick\" x=\"{X(percent):0.#}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{percent.ToString(CultureInfo.InvariantCulture)} %</text>");
        }

        svg.Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" x=\"{Width - Right}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">max</text>");
        // Goals of the same height stand above each other, on one line.
        foreach ((PlotGoal goal, int above) in goals.GroupBy(goal => goal.ValueMs).SelectMany(same => same.Select((goal, above) => (goal, above))))
        {
            svg.Append(CultureInfo.InvariantCulture, $"<path class=\"goal {(goal.Met ? "good" : "bad")}\" d=\"M{Left} {Y(goal.ValueMs):0.#}H{Width - Right}\"/><text class=\"goal-label {(goal.Met ? "good" : "bad")}\" x=\"{Left + 6}\" y=\"{Y(goal.ValueMs) - 5 - (GoalLabelHeight * above):0.#}\">{WebUtility.HtmlEncode(goal.Label)}: {(goal.Met ? "✓ met" : "✗ not met")}</text>");
        }

        double[] labelled = PlaceLabels([.. curves.Select(curve => Y(curve.Distribution[^1].ValueMs))]);
        for (int i = 0; i < curves.Count; i++)
        {
            CaseRecord curve = curves[i];
            string colour = s_colours[i % s_colours.Length], dash = s_dashes[i % s_dashes.Length];
            string points = string.Join(' ', curve.Distribution.Select(point => string.Create(CultureInfo.InvariantCulture, $"{X(point.Percent):0.#},{Y(point.ValueMs):0.#}")));
            svg.Append(CultureInfo.InvariantCulture, $"<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\" points=\"{points}\"/>");
            svg.Append(CultureInfo.InvariantCulture, $"<path stroke=\"{colour}\" stroke-width=\"1\" fill=\"none\" d=\"M{Width - Right} {Y(curve.Distribution[^1].ValueMs):0.#}L{Width - Right + 10} {labelled[i]:0.#}\"/>");
            svg.Append(CultureInfo.InvariantCulture, $"<rect x=\"{Width - Right + 12}\" y=\"{labelled[i] - 4:0.#}\" width=\"8\" height=\"8\" fill=\"{colour}\"/><text class=\"series\" x=\"{Width - Right + 24}\" y=\"{labelled[i] + 4:0.#}\">{WebUtility.HtmlEncode(Contestant(curve.Name))}</text>");
            foreach (PercentilePoint point in curve.Distribution.Where(point => point.Percent % 10 == 0 || point.Percent >= 95))
            {
                svg.Append(CultureInfo.InvariantCulture, $"<circle class=\"point\" cx=\"{X(point.Percent):0.#}\" cy=\"{Y(point.ValueMs):0.#}\" r=\"5\"><title>{WebUtility.HtmlEncode(curve.Name)}: {(point.Percent >= 100 ? "max" : "p" + point.Percent.ToString(CultureInfo.InvariantCulture))} {LabAnswer.Number(point.ValueMs)} ms</title></circle>");
            }
        }

        return svg.Append("</svg></figure>").ToString();
    }

    public static string Contestant(string caseName) => caseName.Split('/')[0];

    private static double Stretch(double percent) => -Math.Log10(1 - (percent / 100) + 0.00001);

    private static IEnumerable<double> Decades(double low, double high)
    {
        for (double value = low; value <= high * 1.001; value *= 10)
        {
            yield return value;
        }
    }

    private static IEnumerable<double> Steps(double high) => Enumerable.Range(0, 5).Select(i => high * i / 4);

    private static double Ceiling(double value)
    {
        double power = Math.Pow(10, Math.Floor(Math.Log10(value)));
        return ((ReadOnlySpan<double>)[1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10]).ToArray().Select(step => step * power).First(step => step >= value * 0.999);
    }

    // Labels at the line's end, pushed apart to 16 px from the top down and then back up from the bottom.
    private static double[] PlaceLabels(double[] wanted)
    {
        int[] order = [.. Enumerable.Range(0, wanted.Length).OrderBy(i => wanted[i])];
        double[] placed = new double[wanted.Length];
        double next = Top + 8;
        foreach (int i in order)
        {
            placed[i] = Math.Max(wanted[i], next);
            next = placed[i] + 16;
        }

        double last = Height - Bottom;
        foreach (int i in order.Reverse())
        {
            placed[i] = Math.Min(placed[i], last);
            last = placed[i] - 16;
        }

        return placed;
    }
}
