using Vitrine.Lab.Transport;

namespace Vitrine.Lab.Tests.Transport;

public sealed class AdviserTests
{
    [Fact]
    public void OneIsFarBetter_ItIsChosenWithCertainty()
    {
        Advice advice = Adviser.Choose([Trial("slow", i => 900 + (i % 100)), Trial("fast", i => 100 + (i % 100))]);
        Assert.Equal("fast", advice.Best.Name);
        Assert.Equal(1, advice.Sureness);
        Assert.True(advice.IsSure);
        Assert.StartsWith("fast: within 5 %", advice.Text, StringComparison.Ordinal);
        Assert.Equal(["fast", "slow"], advice.Trials.Select(trial => trial.Choice.Name));
    }

    [Fact]
    public void BothAreTheSameAndNoisy_ItDoesNotKnow()
    {
        // The slowest tenth is a few values out of a wide range: which one is better is chance.
        Random random = new(7);
        Advice advice = Adviser.Choose([Trial("one", _ => 100 / (1 - random.NextDouble()), 40), Trial("other", _ => 100 / (1 - random.NextDouble()), 40)]);
        Assert.False(advice.IsSure);
        Assert.StartsWith("Not known", advice.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void OneWasLuckyInHalfOfItsRounds_ItDoesNotKnow()
    {
        // Within a round everything is alike, as on a connection that a lost packet held up: hundreds of requests, but few draws.
        double[] one = [100, 300, 100, 300, 100], other = [300, 100, 300, 100, 100];
        Advice advice = Adviser.Choose([Rounds("one", one), Rounds("other", other)]);
        Assert.False(advice.IsSure);
    }

    [Fact]
    public void ThePathIsSlowNowAndThenForAll_TheBetterOneIsStillKnown()
    {
        double[] one = [100, 900, 100, 500, 100], other = [120, 1080, 120, 600, 120];
        Advice advice = Adviser.Choose([Rounds("one", one), Rounds("other", other)]);
        Assert.True(advice.IsSure);
        Assert.Equal("one", advice.Best.Name);
    }

    [Theory]
    [InlineData(1.15)]
    [InlineData(1.4)]
    public void WhenItIsSure_ItIsSeldomWrong(double howMuchWorse)
    {
        // Six turns of 80 requests: turns differ (a connection's luck), requests within one have long tails. The second choice is worse than 5 %.
        Random random = new(3);
        int wrong = 0, sure = 0;
        for (int i = 0; i < 200; i++)
        {
            Advice advice = Adviser.Choose([Drawn("better", 1), Drawn("worse", howMuchWorse)]);
            sure += advice.IsSure ? 1 : 0;
            wrong += advice.IsSure && advice.Best.Name == "worse" ? 1 : 0;
        }

        Assert.True(wrong <= 0.05 * 200, $"{wrong} of {sure} were wrong.");
        Assert.True(howMuchWorse < 1.3 || sure > 0.8 * 200, $"It knew {sure} of 200 only.");

        Trial Drawn(string name, double factor) => new(Choice(name), [.. Enumerable.Range(0, 6).Select(_ =>
        {
            double luck = factor * Math.Exp(0.15 * Normal());
            return new TrialRound([.. Enumerable.Range(0, 80).Select(_ => 1e5 * luck * (1 - (0.3 * Math.Log(1 - random.NextDouble()))))], 0);
        })]);

        double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
    }

    [Fact]
    public void OneFallsBehind_ItIsNotChosen_AndSaidSo()
    {
        Trial fallen = Rounds("lucky", [50]) with { FallsBehind = true };
        Advice advice = Adviser.Choose([fallen, Rounds("steady", [100, 101, 102, 100, 101]), Rounds("slow", [200, 201, 202, 200, 201])]);
        Assert.Equal("steady", advice.Best.Name);
        Assert.True(advice.IsSure);
        Assert.Contains("steady 102 ms, slow 202 ms, lucky falls behind", advice.Text, StringComparison.Ordinal);
        (double ratio, _, _) = Adviser.OverBest([fallen with { Rounds = [new([1e7], 0)] }, Rounds("steady", [100, 101, 102])], "lucky");
        Assert.InRange(ratio, 90, 110);
    }

    [Theory]
    [InlineData(true, new[] { 150.0, 160, 170, 900, 700, 300, 200, 160, 180, 170 })]
    [InlineData(false, new[] { 150.0, 160, 170, 190, 2400, 5000, 6600, 8600, 11000, 12700 })]
    [InlineData(false, new double[0])]
    public void LongTurn_KeepsUpOrNot(bool keepsUp, double[] tenthsMs)
    {
        double[] valuesUs = [.. tenthsMs.SelectMany(each => Enumerable.Repeat(each * 1e3, 72))];
        Assert.Equal(keepsUp, Adviser.KeepsUp(new(valuesUs, 0)));
        Assert.False(Adviser.KeepsUp(new(valuesUs, 1)));
    }

    [Theory]
    [InlineData(false, 5, 1.9)] // of a short answer the machine is a part
    [InlineData(true, 5, 2.1)]
    [InlineData(false, 100, 4.9)]
    [InlineData(true, 100, 5.1)]
    public void RequestsWereSentLate_TurnIsDisturbed(bool isDisturbed, double answerMs, double lateMs) =>
        Assert.Equal(isDisturbed, new TrialRound([.. Enumerable.Repeat(answerMs * 1e3, 80)], 0, lateMs * 1e3).IsDisturbed);

    [Fact]
    public async Task ThisMachineStoodStill_TurnIsPlayedAgain_AndSaidSo()
    {
        // The first turn of the second choice, and each from the ninth on: more than are played again.
        const string Agent = """
            turn=0
            while read -r order
            do
              turn=$((turn + 1))
              late=100
              if [ $turn = 2 ] || [ $turn -ge 9 ]; then late=900000; fi
              echo "{\"valuesUs\":[100000,100000,100000],\"sentLateUs\":$late}"
            done
            """;
        await using LoadProcess agent = new(ChildProcess.Start("sh", ["-c", Agent]));
        IReadOnlyList<Trial> trials = await Adviser.TryAsync([Choice("one"), Choice("other")], Choice("one").Load, new(5, 5, TimeSpan.Zero, false), agent, _ => { }, CancellationToken.None);
        Assert.All(trials, trial => Assert.Equal(5, trial.Rounds.Count));
        Assert.False(trials[1].Rounds[0].IsDisturbed);
        Assert.Equal(5, trials.Sum(trial => trial.Again));
        Assert.Equal(3, trials.Sum(trial => trial.Rounds.Count(round => round.IsDisturbed)));
        Assert.EndsWith("because this machine stood still: 5.", Adviser.Choose(trials).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhoIsToBeChosen_HoldsOutOnceMore_OrFalls()
    {
        const string Agent = """
            while read -r order
            do
              case $order in
                *lucky*'"seconds":60'[,}]*) latency=9000000;;
                *lucky*) latency=100000;;
                *) latency=200000;;
              esac
              echo "{\"valuesUs\":[$latency,$latency,$latency,$latency,$latency,$latency,$latency,$latency,$latency,$latency]}"
            done
            """;
        await using LoadProcess agent = new(ChildProcess.Start("sh", ["-c", Agent]));
        IReadOnlyList<Trial> trials = await Adviser.TryAsync([At("lucky"), At("steady")], Choice("").Load, new(5, 5, TimeSpan.Zero, true, new(24, 60)), agent, _ => { }, CancellationToken.None);
        Assert.Equal((true, false), (trials[0].FallsBehind, trials[1].FallsBehind));
        Assert.Equal((1, 5), (trials[0].Rounds.Count, trials[1].Rounds.Count));
        Advice advice = Adviser.Choose(trials);
        Assert.Equal("steady", advice.Best.Name);
        Assert.Contains("lucky falls behind", advice.Text, StringComparison.Ordinal);

        static Choice At(string name) => Choice(name) with { Load = Choice(name).Load with { Address = name } };
    }

    [Fact]
    public void TwoRounds_AreNotEnough() => Assert.Equal(0, Adviser.Choose([Rounds("one", [1, 1]), Rounds("other", [9, 9])]).Sureness);

    [Fact]
    public void NobodyAnswersEverything_NothingIsKnown()
    {
        Trial broken = Trial("one", _ => 1);
        broken = broken with { Rounds = [.. broken.Rounds.Select(round => round with { Failed = 1 })] };
        Assert.False(Adviser.Choose([broken, broken with { Choice = new("other", broken.Choice.Load) }]).IsSure);
    }

    [Fact]
    public void OverBest_IsTheRatioAndHowWellItIsKnown()
    {
        (double ratio, double low, double high) = Adviser.OverBest([Rounds("one", [100, 100, 100, 100]), Rounds("other", [110, 110, 110, 110])], "other");
        Assert.Equal((1.1, 1.1, 1.1), (Math.Round(ratio, 6), Math.Round(low, 6), Math.Round(high, 6)));
    }

    [Fact]
    public void PathRate_GivesWindowAndRung()
    {
        PathRate rate = new([99, 100, 101, 100, 100], 20);
        Assert.Equal(250_000, rate.UnderWayBytes);
        Assert.Equal(512 << 10, rate.WindowBytes); // twice 250,000, to the next power of two
        Assert.Equal(40, rate.Rung.Megabits); // 70 of the 100 may be counted on
        Assert.Equal((1, 1), (rate.RungSureness, rate.WindowSureness));
        Assert.Equal(0, new PathRate([0.3, 0.3, 0.3], 20).Rung.Megabits);
    }

    [Fact]
    public void RateIsNowAboveNowBelowARung_ThatIsSaid()
    {
        PathRate rate = new([10, 20, 10, 20, 10, 20], 20);
        Assert.True(rate.RungSureness < Advice.SurenessMin);
        Assert.Equal(0, new PathRate([10, 10], 20).RungSureness); // two rounds say nothing
    }

    [Fact]
    public void BothAreTheSameWithoutNoise_EitherIsRight()
    {
        Advice advice = Adviser.Choose([Trial("one", _ => 100), Trial("other", _ => 101)]);
        Assert.True(advice.IsSure); // within 5 % of the best whichever it is
    }

    [Fact]
    public void RequestIsNotAnswered_ItIsNotTheBest()
    {
        Advice advice = Adviser.Choose([new(Trial("broken", _ => 1).Choice, [.. Trial("broken", _ => 1).Rounds.Select(round => round with { Failed = 1 })]), Trial("whole", _ => 1000)]);
        Assert.Equal("whole", advice.Best.Name);
    }

    [Fact]
    public void SlowestTenth_IsTheMeanOfIt()
    {
        Assert.Equal(95.5, Adviser.SlowestTenth([.. Enumerable.Range(1, 100).Select(i => (double)i)], 0));
        Assert.Equal(7, Adviser.SlowestTenth([7, 1], 0));
        Assert.Equal(double.PositiveInfinity, Adviser.SlowestTenth([], 0));
    }

    private static Trial Rounds(string name, double[] values) => new(Choice(name), [.. values.Select(value => new TrialRound([.. Enumerable.Repeat(value * 1e3, 80)], 0))]);

    private static Trial Trial(string name, Func<int, double> value, int count = 400) =>
        new(Choice(name), [.. Enumerable.Range(0, count).Select(value).Chunk(count / 5).Select(round => new TrialRound(round, 0))]);

    private static Choice Choice(string name) => new(name, new() { Protocol = EchoProtocol.Quic, Address = "", Fingerprint = "" });
}
