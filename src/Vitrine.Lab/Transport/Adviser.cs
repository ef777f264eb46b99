using System.Globalization;

namespace Vitrine.Lab.Transport;

/// <summary>What an adviser may choose.</summary>
/// <param name="Name">As cases are called.</param>
/// <param name="Load">Protocol, address, congestion control.</param>
internal sealed record Choice(string Name, EchoLoad Load);

/// <summary>What was tried of a choice.</summary>
/// <param name="Choice">Which.</param>
/// <param name="ValuesUs">Latencies of all rounds, microseconds.</param>
/// <param name="Failed">Requests without an answer.</param>
internal sealed record Trial(Choice Choice, IReadOnlyList<double> ValuesUs, long Failed)
{
    /// <summary>What people notice: the mean of the slowest tenth, milliseconds. It has less noise than a 99th percentile and says the same.</summary>
    public double SlowestTenthMs => Adviser.SlowestTenth([.. ValuesUs], Failed) / 1e3;
}

/// <summary>What the adviser says.</summary>
/// <param name="Best">The choice with the lowest cost.</param>
/// <param name="Sureness">Share of the resamples in which it is within 5 % of the best.</param>
/// <param name="Trials">The figures behind it, the best first.</param>
internal sealed record Advice(Choice Best, double Sureness, IReadOnlyList<Trial> Trials)
{
    /// <summary>Below this it says that it does not know.</summary>
    public const double SurenessMin = 0.9;

    public bool IsSure => Sureness >= SurenessMin;

    /// <summary>For people.</summary>
    public string Text
    {
        get
        {
            string figures = string.Join(", ", Trials.Select(trial => string.Create(CultureInfo.InvariantCulture, $"{trial.Choice.Name} {trial.SlowestTenthMs:0.#} ms")));
            string sure = string.Create(CultureInfo.InvariantCulture, $"{Sureness:P0}");
            return IsSure
                ? $"{Best.Name}: within 5 % of the best with {sure} certainty. Mean of the slowest tenth: {figures}."
                : $"Not known: {Best.Name} looks best, but is within 5 % of the best with {sure} certainty only. Mean of the slowest tenth: {figures}.";
        }
    }
}

/// <summary>Tries each transport on a path for a little while, by turns, and says which to take and how sure that is.</summary>
internal static class Adviser
{
    private const double Near = 1.05;
    private const int Resamples = 500;

    /// <summary>Tries all choices.</summary>
    /// <param name="choices">What there is.</param>
    /// <param name="load">What they are tried with.</param>
    /// <param name="rounds">How often each has its turn: what comes and goes on a network then meets all of them.</param>
    /// <param name="agent">The client.</param>
    /// <param name="report">Share of the work that is done.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<IReadOnlyList<Trial>> TryAsync(
        IReadOnlyList<Choice> choices, EchoLoad load, int rounds, LoadProcess agent, Action<double> report, CancellationToken cancellationToken)
    {
        List<double>[] values = [.. choices.Select(_ => new List<double>())];
        long[] failed = new long[choices.Count];
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < choices.Count; i++)
            {
                report((round + ((double)i / choices.Count)) / rounds);
                int turn = (i + round) % choices.Count;
                EchoLoad own = choices[turn].Load;
                EchoLoadResult result = await agent.PlayAsync(
                    load with { Protocol = own.Protocol, Address = own.Address, Fingerprint = own.Fingerprint, Congestion = own.Congestion, KeepsValues = true }, cancellationToken);
                values[turn].AddRange(result.ValuesUs);
                failed[turn] += result.Failed + (result.Failure is null ? 0 : 1);
            }
        }

        return [.. choices.Select((choice, i) => new Trial(choice, values[i], failed[i]))];
    }

    /// <summary>Chooses.</summary>
    /// <param name="trials">At least one.</param>
    /// <param name="seed">Of the resamples.</param>
    public static Advice Choose(IReadOnlyList<Trial> trials, int seed = 1)
    {
        Trial[] ordered = [.. trials.OrderBy(trial => trial.SlowestTenthMs)];
        Trial best = ordered[0];
        Random random = new(seed);
        int near = 0;
        for (int i = 0; i < Resamples; i++)
        {
            double own = double.NaN, least = double.PositiveInfinity;
            foreach (Trial trial in ordered)
            {
                double cost = SlowestTenth(Resample(trial.ValuesUs, random), trial.Failed);
                own = trial == best ? cost : own;
                least = Math.Min(least, cost);
            }

            near += own <= Near * least ? 1 : 0;
        }

        return new Advice(best.Choice, (double)near / Resamples, ordered);
    }

    /// <summary>Mean of the slowest tenth; a request without an answer is infinitely slow.</summary>
    public static double SlowestTenth(double[] values, long failed)
    {
        if (values.Length == 0 || failed > 0)
        {
            return double.PositiveInfinity;
        }

        Array.Sort(values);
        return values.AsSpan(values.Length - Math.Max(1, values.Length / 10)).ToArray().Average();
    }

    private static double[] Resample(IReadOnlyList<double> values, Random random)
    {
        double[] drawn = new double[values.Count];
        for (int i = 0; i < drawn.Length; i++)
        {
            drawn[i] = values[random.Next(values.Count)];
        }

        return drawn;
    }
}
