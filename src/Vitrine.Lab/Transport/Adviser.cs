using System.Diagnostics;
using System.Globalization;

namespace Vitrine.Lab.Transport;

/// <summary>What an adviser may choose.</summary>
/// <param name="Name">As cases are called.</param>
/// <param name="Load">Protocol, address, congestion control.</param>
internal sealed record Choice(string Name, EchoLoad Load);

/// <summary>One turn of a choice, on a connection of its own.</summary>
/// <param name="ValuesUs">Latencies, microseconds.</param>
/// <param name="Failed">Requests without an answer.</param>
/// <param name="SentLateUs">How late the slowest tenth of the requests were sent, mean, microseconds.</param>
internal sealed record TrialRound(IReadOnlyList<double> ValuesUs, long Failed, double SentLateUs = 0)
{
    private const double LateUsMax = 2000, LateShareMax = 0.05;

    /// <summary>This machine stood still: what was late is not the path's doing, nor the transport's.</summary>
    public bool IsDisturbed => SentLateUs > Math.Max(LateUsMax, LateShareMax * Adviser.SlowestTenth([.. ValuesUs], Failed));
}

/// <summary>What was tried of a choice.</summary>
/// <param name="Choice">Which.</param>
/// <param name="Rounds">In the order of time. A choice that was given up has fewer than the others.</param>
/// <param name="FallsBehind">It did not keep up with the load for long: what <paramref name="Rounds"/> has is the turn that showed it.</param>
/// <param name="Again">Turns that were played again, because this machine stood still.</param>
internal sealed record Trial(Choice Choice, IReadOnlyList<TrialRound> Rounds, bool FallsBehind = false, int Again = 0)
{
    /// <summary>What people notice: the mean of the slowest tenth, milliseconds. It has less noise than a 99th percentile and says the same.</summary>
    public double SlowestTenthMs => Adviser.SlowestTenth([.. Rounds.SelectMany(round => round.ValuesUs)], Failed) / 1e3;

    public long Failed => Rounds.Sum(round => round.Failed);

    public int Answers => Rounds.Sum(round => round.ValuesUs.Count);
}

/// <summary>How long choices are tried.</summary>
/// <param name="RoundsMin">Turns of each before one is given up, or the trial ends.</param>
/// <param name="RoundsMax">Turns of each at most.</param>
/// <param name="Time">No turn begins after it, once each has had <paramref name="RoundsMin"/>.</param>
/// <param name="EndsWhenKnown">Whether it ends as soon as the advice is sure.</param>
/// <param name="Endurance">What has to be held out besides; null: nothing.</param>
internal sealed record TrialPlan(int RoundsMin, int RoundsMax, TimeSpan Time, bool EndsWhenKnown, Endurance? Endurance = null);

/// <summary>Long turns, which whoever falls behind in drops out after.</summary>
/// <param name="FirstSeconds">Of one before all others, for each.</param>
/// <param name="LastSeconds">Of one after all others, for whoever would be chosen.</param>
internal sealed record Endurance(double FirstSeconds, double LastSeconds);

/// <summary>What the adviser says.</summary>
/// <param name="Best">The choice that is most often near the best.</param>
/// <param name="Sureness">Share of the resamples in which it is within 5 % of the best.</param>
/// <param name="Trials">The figures behind it, the best first.</param>
internal sealed record Advice(Choice Best, double Sureness, IReadOnlyList<Trial> Trials)
{
    /// <summary>Below this it says that it does not know. More than nineteen of twenty: the trial ends at the first look that reaches it.</summary>
    public const double SurenessMin = 0.97;

    public bool IsSure => Sureness >= SurenessMin;

    /// <summary>For people.</summary>
    public string Text
    {
        get
        {
            string figures = string.Join(", ", Trials.Select(trial => (trial.FallsBehind, double.IsFinite(trial.SlowestTenthMs)) switch
            {
                (true, _) => $"{trial.Choice.Name} falls behind",
                (_, true) => string.Create(CultureInfo.InvariantCulture, $"{trial.Choice.Name} {trial.SlowestTenthMs:0.#} ms"),
                _ => string.Create(CultureInfo.InvariantCulture, $"{trial.Choice.Name} {trial.Failed} without an answer"),
            }));
            string sure = string.Create(CultureInfo.InvariantCulture, $"{Sureness:P0}");
            string seen = string.Create(CultureInfo.InvariantCulture, $"Mean of the slowest tenth: {figures} ({Trials.Max(trial => trial.Rounds.Count)} rounds, {Trials.Sum(trial => trial.Answers)} answers).");
            int again = Trials.Sum(trial => trial.Again);
            seen += again == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" Turns that were played again because this machine stood still: {again}.");
            return IsSure
                ? $"{Best.Name}: within 5 % of the best with {sure} certainty. {seen}"
                : $"Not known: {Best.Name} looks best, but is within 5 % of the best with {sure} certainty only. {seen}";
        }
    }
}

/// <summary>Tries each transport on a path for a little while, by turns, and says which to take and how sure that is.</summary>
internal static class Adviser
{
    private const double Near = 1.05;
    private const int Resamples = 500;

    /// <summary>Whose answers are later than this at the end of a long turn falls behind.</summary>
    private const double LateUs = 2e6;

    /// <summary>Who is near the best less often is given up: its turns are better spent on the others.</summary>
    private const double GivenUpBelow = 0.01;

    /// <summary>Tries all choices: as a race, in which those that have lost drop out (O. Maron, A. W. Moore: «Hoeffding races», 1993; here with
    /// resamples in place of Hoeffding's bound).</summary>
    /// <param name="choices">What there is.</param>
    /// <param name="load">What they are tried with, a turn. One that this machine disturbed is played again, up to as many as a choice has.</param>
    /// <param name="plan">How long.</param>
    /// <param name="agent">The client.</param>
    /// <param name="report">Share of the work that is done, at most.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<IReadOnlyList<Trial>> TryAsync(
        IReadOnlyList<Choice> choices, EchoLoad load, TrialPlan plan, LoadProcess agent, Action<double> report, CancellationToken cancellationToken)
    {
        long begun = Stopwatch.GetTimestamp();
        List<Choice> running = [.. choices];
        var rounds = choices.ToDictionary(choice => choice, _ => new List<TrialRound>());
        HashSet<Choice> fallen = [];
        var again = choices.ToDictionary(choice => choice, _ => 0);
        int before = plan.Endurance is null ? 0 : 1;
        bool isHeld = false; // by somebody
        if (plan.Endurance is { FirstSeconds: var first })
        {
            Dictionary<Choice, TrialRound> held = [];
            foreach (Choice choice in choices)
            {
                report(held.Count / (double)choices.Count / (plan.RoundsMax + before));
                held[choice] = await HoldAsync(choice, first);
            }

            // Where all fall behind, the one that does so least is still to be found.
            isHeld = held.Values.Any(KeepsUp);
            foreach ((Choice choice, TrialRound turn) in held)
            {
                if (isHeld && !KeepsUp(turn))
                {
                    Drop(choice, turn);
                }
            }
        }

        for (int round = 0; round < plan.RoundsMax && (round < plan.RoundsMin || Stopwatch.GetElapsedTime(begun) < plan.Time); round++)
        {
            for (int i = 0; i < running.Count; i++)
            {
                report((before + round + ((double)i / running.Count)) / (plan.RoundsMax + before));
                Choice choice = running[(i + round) % running.Count];
                TrialRound turn = await PlayAsync(choice, load);
                while (turn.IsDisturbed && again.Values.Sum() < plan.RoundsMax)
                {
                    again[choice]++;
                    turn = await PlayAsync(choice, load);
                }

                rounds[choice].Add(turn);
            }

            if (round + 1 >= plan.RoundsMin)
            {
                Trial[] contenders = [.. running.Select(choice => new Trial(choice, rounds[choice]))];
                double[] near = NearShares(contenders, 1);
                if (plan.EndsWhenKnown && near.Max() >= Advice.SurenessMin)
                {
                    break;
                }

                running = [.. running.Where((_, i) => near[i] >= GivenUpBelow || near.Max() == 0)];
            }
        }

        // What keeps up now and then may have done so the first time, and in all short turns.
        while (isHeld && Choose(Trials()) is { IsSure: true, Best: var best })
        {
            TrialRound last = await HoldAsync(best, plan.Endurance!.LastSeconds);
            if (KeepsUp(last))
            {
                break;
            }

            Drop(best, last);
        }

        return Trials();

        Trial[] Trials() => [.. choices.Select(choice => new Trial(choice, rounds[choice], fallen.Contains(choice), again[choice]))];

        Task<TrialRound> HoldAsync(Choice choice, double seconds) => PlayAsync(choice, load with { WarmSeconds = 0.1, Seconds = seconds });

        void Drop(Choice choice, TrialRound turn)
        {
            fallen.Add(choice);
            running.Remove(choice);
            rounds[choice] = [turn];
        }

        async Task<TrialRound> PlayAsync(Choice choice, EchoLoad turn)
        {
            EchoLoadResult result = await agent.PlayAsync(
                turn with
                {
                    Protocol = choice.Load.Protocol,
                    Address = choice.Load.Address,
                    Fingerprint = choice.Load.Fingerprint,
                    Token = choice.Load.Token,
                    Congestion = choice.Load.Congestion,
                    KeepsValues = true,
                },
                cancellationToken);
            return new(result.ValuesUs, result.Failed + (result.Failure is null ? 0 : 1), result.SentLateUs);
        }
    }

    /// <summary>Whether what was asked for at the end of a long turn was answered soon.</summary>
    /// <param name="round">Its values stand in the order in which they came.</param>
    public static bool KeepsUp(TrialRound round)
    {
        double[] last = [.. round.ValuesUs.Skip(round.ValuesUs.Count - (round.ValuesUs.Count / 10)).Order()];
        return round.Failed == 0 && last.Length > 0 && last[last.Length / 2] <= LateUs;
    }

    /// <summary>Chooses, among those that were not given up.</summary>
    /// <param name="trials">At least one.</param>
    /// <param name="seed">Of the resamples.</param>
    public static Advice Choose(IReadOnlyList<Trial> trials, int seed = 1)
    {
        Trial[] standing = [.. trials.Where(trial => !trial.FallsBehind)];
        standing = standing.Length > 0 ? standing : [.. trials];
        int rounds = standing.Max(trial => trial.Rounds.Count);
        Trial[] contenders = [.. standing.Where(trial => trial.Rounds.Count == rounds)];
        double[] near = NearShares(contenders, seed);
        int best = Enumerable.Range(0, contenders.Length).OrderByDescending(i => near[i]).ThenBy(i => contenders[i].SlowestTenthMs).First();
        return new(contenders[best].Choice, near[best], [.. trials.OrderBy(trial => trial.FallsBehind).ThenBy(trial => trial.SlowestTenthMs)]);
    }

    /// <summary>How many times the cost of the best one a choice has, with what resamples say of that figure.</summary>
    /// <param name="trials">All; of those that were given up before, their rounds count no more.</param>
    /// <param name="name">Of the choice.</param>
    /// <returns>The ratio, and what 90 % of the resamples are between.</returns>
    public static (double Ratio, double Low, double High) OverBest(IReadOnlyList<Trial> trials, string name)
    {
        Trial own = trials.First(trial => trial.Choice.Name == name);
        Trial[] contenders = [.. trials.Where(trial => trial.Rounds.Count >= own.Rounds.Count)];
        int at = Array.IndexOf(contenders, own);
        double[] ratios = [.. Resample(contenders, 1).Select(costs => costs[at] / costs.Min()).Order()];
        return (own.SlowestTenthMs / trials.Min(trial => trial.SlowestTenthMs), ratios[ratios.Length / 20], ratios[ratios.Length - 1 - (ratios.Length / 20)]);
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

    // Share of the resamples in which each is within 5 % of the best. With two rounds there is nothing to resample: nothing is known.
    private static double[] NearShares(Trial[] contenders, int seed)
    {
        double[] near = new double[contenders.Length];
        if (contenders[0].Rounds.Count < 3)
        {
            return near;
        }

        foreach (double[] costs in Resample(contenders, seed))
        {
            double least = costs.Min();
            for (int i = 0; i < near.Length; i++)
            {
                near[i] += double.IsFinite(least) && costs[i] <= Near * least ? 1.0 / Resamples : 0;
            }
        }

        return [.. near.Select(share => Math.Round(share, 6))];
    }

    // Requests of one connection share its luck: a lost packet delays all behind it, and the window after it. So whole rounds are drawn, not
    // requests; the same rounds of all, because they met the same moments of the path; and one less than there are, without which few rounds
    // look more alike than they are (J. N. K. Rao, C. F. J. Wu: «Resampling inference with complex survey data», 1988).
    private static IEnumerable<double[]> Resample(Trial[] trials, int seed)
    {
        Random random = new(seed);
        int rounds = trials.Min(trial => trial.Rounds.Count);
        int[] drawn = new int[Math.Max(1, rounds - 1)];
        for (int i = 0; i < Resamples; i++)
        {
            for (int j = 0; j < drawn.Length; j++)
            {
                drawn[j] = random.Next(rounds);
            }

            yield return [.. trials.Select(trial => SlowestTenth(
                [.. drawn.SelectMany(round => trial.Rounds[round].ValuesUs)], drawn.Sum(round => trial.Rounds[round].Failed)))];
        }
    }
}
