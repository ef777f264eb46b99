using System.Globalization;
using Vitrine.Lab.Transport;
using Vitrine.Measurement;

namespace Vitrine.Lab.Report;

/// <summary>What a run found, in one sentence of a person; the first line of its report and of the terminal.</summary>
public static class LabAnswer
{
    /// <summary>The sentence.</summary>
    public static string Of(RunDocument document)
    {
        ArgumentNullException.ThrowIfNull(document);
        string found = document.Lab switch
        {
            "capture" => Capture(document),
            "latency" => Latency(document),
            "motion" => Motion(document),
            "playback" => Playback(document),
            "soak" => Soak(document),
            "transport" => Transport(document),
            _ => string.Empty,
        };
        return $"{found}{Goals(document)}".Trim();
    }

    internal static string Number(double value)
    {
        double size = Math.Abs(value);
        return double.IsNaN(value) ? "no figure"
            : size >= 1000 ? value.ToString("#,0", CultureInfo.InvariantCulture)
            : size >= 100 ? value.ToString("0", CultureInfo.InvariantCulture)
            : size >= 10 ? value.ToString("0.#", CultureInfo.InvariantCulture)
            : size >= 1 ? value.ToString("0.##", CultureInfo.InvariantCulture)
            : size == 0 ? "0"
            : size >= 0.1 ? value.ToString("0.##", CultureInfo.InvariantCulture)
            : size >= 0.01 ? value.ToString("0.###", CultureInfo.InvariantCulture)
            : size >= 0.001 ? value.ToString("0.####", CultureInfo.InvariantCulture)
            : value.ToString("0.#e0", CultureInfo.InvariantCulture);
    }

    private static string Transport(RunDocument document)
    {
        var parts = new List<string>();
        foreach ((string ours, string peer) in Lab.Transport.EchoTargets.Pairs)
        {
            if (Ratio(document, $"{ours}/100x1KB requestsPerSecond vs {peer}") is double times)
            {
                parts.Add($"{Called(ours)} answers {Number(times)}x as many requests as {Called(peer)}");
            }
        }

        if (Ratio(document, "quic/setup/rtt-100 setupRoundTrips vs goal") is double trips)
        {
            parts.Add($"a QUIC connection takes {Number(trips)} round trips");
        }

        if (Ratio(document, "advice known of all") is double known && Ratio(document, "advice wrong vs goal") is double wrong)
        {
            int asked = document.Cases.Count(item => item.Name.StartsWith("advice/", StringComparison.Ordinal));
            parts.Add($"the adviser knew {Number(known * asked)} of {asked} answers, of which {Number(wrong)} were wrong");
        }

        foreach (CaseRecord quic in document.Cases.Where(item => item.Name.StartsWith(LiveRounds.Quic + "/", StringComparison.Ordinal)))
        {
            string network = quic.Name[(LiveRounds.Quic.Length + 1)..];
            if (document.FindCase($"{LiveRounds.WebSocket}/{network}") is { } web)
            {
                parts.Add($"over {network} a film is shown {Live(quic)} by QUIC, {Live(web)} by WebSocket");
            }
        }

        static string Live(CaseRecord item) => item.Metrics["shown"] == 0
            ? "not at all"
            : $"{Number(item.Metrics["p95Ms"])} ms late (95 of 100 frames), {Number(item.Metrics["shownShare"] * 100)} % of it";

        return Sentence(parts);
    }

    private static string Capture(RunDocument document)
    {
        const string Size = "7680x2160";
        var parts = new List<string>();
        if (P50(document, "x11-shm/" + Size) is double shared && P50(document, "x11-getimage/" + Size) is double plain)
        {
            parts.Add($"MIT-SHM is {Number(plain / shared)}x as fast as XGetImage here");
        }

        if (Ratio(document, $"x11-shm/{Size} vs memcpy") is double copy)
        {
            parts.Add($"a full {Size} frame costs {Number(copy)}x a memory copy");
        }

        if (P50(document, "x11-shm-damage/200x100") is double damage)
        {
            parts.Add($"a 200x100 change is in our memory {Number(damage)} ms after its event");
        }

        return Sentence(parts);
    }

    private static string Latency(RunDocument document)
    {
        var parts = new List<string>();
        if (P50(document, "loopback-client/64x64") is double client)
        {
            parts.Add($"a change is decoded in the client {Number(client)} ms after it was drawn (median)");
        }

        if (P50(document, "chromium-canvas/64x64") is double canvas)
        {
            parts.Add($"on Chromium's canvas after {Number(canvas)} ms");
        }

        if (P50(document, "x0vncserver/64x64") is double vnc)
        {
            parts.Add($"x0vncserver takes {Number(vnc)} ms");
        }

        return Sentence(parts);
    }

    private static string Motion(RunDocument document)
    {
        const string Window = "motion-video/800x600@30", Whole = "motion-video/1920x1080@30";
        var parts = new List<string>();
        if (Ratio(document, $"{Window} cpuCores vs ffmpeg-x264") is double cost)
        {
            parts.Add($"a film of 800x600 costs {Number(cost)}x what it costs ffmpeg");
        }

        if (document.FindCase(Whole)?.Metrics is { } whole && whole.ContainsKey("painted"))
        {
            parts.Add($"of a film on the whole screen {Number(whole["shown"])} of {Number(whole["painted"])} frames are shown, at {Number(whole["megabitsPerSecond"])} Mbit/s");
        }

        if (P50(document, Whole) is double decoded)
        {
            parts.Add($"decoded {Number(decoded)} ms after they were drawn (median{Peer("x0vncserver")}{Peer("ffmpeg-x264")})");
        }

        return Sentence(parts);

        string Peer(string name) => P50(document, $"{name}-video/1920x1080@30") is double theirs ? $"; {name}: {Number(theirs)} ms" : string.Empty;
    }

    private static string Playback(RunDocument document)
    {
        const string Rate = "120-hz";
        var parts = new List<string>();
        if (P99(document, "pacer/" + Rate) is double pacer && P99(document, "PeriodicTimer/" + Rate) is double timer && P99(document, "Thread.Sleep/" + Rate) is double sleep)
        {
            string awake = P99(document, "pacer-awake/" + Rate) is double best ? $", {Number(best)} ms where no processor halts meanwhile" : string.Empty;
            parts.Add($"99 of 100 wake-ups at 120 Hz come within {Number(pacer)} ms{awake}; with PeriodicTimer within {Number(timer)} ms, with Thread.Sleep {Number(sleep)} ms");
        }

        if (document.FindCase("aligner/two-clocks") is { } aligner)
        {
            parts.Add($"two simulated clocks are aligned within {Number(aligner.Metrics.GetValueOrDefault("meanMs"))} ms on average, {Number(aligner.Metrics.GetValueOrDefault("maxMs"))} ms at worst");
        }

        return Sentence(parts);
    }

    private static string Soak(RunDocument document)
    {
        var parts = new List<string>();
        if (document.FindCase("exactness/1920x1080") is { } exact)
        {
            double rests = exact.Metrics.GetValueOrDefault("comparisons"), wrong = exact.Metrics.GetValueOrDefault("differingPixels");
            parts.Add(wrong == 0
                ? $"the picture equalled the screen at every pixel in all {Number(rests)} comparisons"
                : $"{Number(wrong)} pixels differed in {Number(rests)} comparisons");
        }

        double[] growth = [.. document.Ratios.Where(ratio => ratio.Name.Contains("growth", StringComparison.Ordinal)).Select(ratio => ratio.Value)];
        if (growth.Length > 0)
        {
            parts.Add(growth.All(value => value <= 0) ? "nothing grew" : "something grew");
        }

        return Sentence(parts);
    }

    private static string Goals(RunDocument document)
    {
        int goals = document.Ratios.Count(ratio => ratio.Met is not null), missed = document.Ratios.Count(ratio => ratio.Met is false);
        return goals == 0 ? string.Empty
            : missed == 0 ? $"All {goals} goals are met."
            : $"{missed} of {goals} goals {(missed == 1 ? "is" : "are")} not met.";
    }

    // What is written large within stays as it is: gRPC.
    private static string Sentence(List<string> parts) =>
        parts.Count == 0 ? string.Empty
        : char.IsUpper(parts[0][1]) ? $"{string.Join("; ", parts)}. "
        : $"{char.ToUpperInvariant(parts[0][0])}{string.Join("; ", parts)[1..]}. ";

    private static string Called(string contestant) => contestant switch
    {
        "quic" => "QUIC",
        "grpc" => "gRPC",
        "http2" => "JSON over HTTP/2",
        "go-http2" => "Go's net/http",
        _ => contestant,
    };

    private static double? P50(RunDocument document, string name) =>
        document.FindCase(name)?.Metrics.TryGetValue("p50Ms", out double value) == true ? value : null;

    private static double? P99(RunDocument document, string name) =>
        document.FindCase(name)?.Metrics.TryGetValue("p99Ms", out double value) == true ? value : null;

    private static double? Ratio(RunDocument document, string name) => document.Ratios.FirstOrDefault(ratio => ratio.Name == name)?.Value;
}
