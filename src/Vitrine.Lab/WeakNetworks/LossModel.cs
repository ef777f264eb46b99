namespace Vitrine.Lab.WeakNetworks;

/// <summary>Which packets a link loses: each by itself, or in bursts by the two-state chain of E. N. Gilbert (Capacity of a
/// Burst-Noise Channel, 1960) and E. O. Elliott (1963). The state changes once a packet.</summary>
/// <param name="GoodToBad">Probability that a packet finds the link turned bad.</param>
/// <param name="BadToGood">Probability that a packet finds it turned good again.</param>
/// <param name="LossInGood">Share lost while it is good (Gilbert: 0).</param>
/// <param name="LossInBad">Share lost while it is bad (Gilbert: 1 here).</param>
internal readonly record struct LossModel(double GoodToBad, double BadToGood, double LossInGood, double LossInBad)
{
    /// <summary>Nothing is lost.</summary>
    public static LossModel None => default;

    /// <summary>Share lost in the long run, 0 to 1.</summary>
    public double MeanLoss
    {
        get
        {
            double bad = GoodToBad > 0 ? GoodToBad / (GoodToBad + BadToGood) : 0;
            return (LossInBad * bad) + (LossInGood * (1 - bad));
        }
    }

    /// <summary>Each packet is lost with the same probability, whatever became of the others.</summary>
    public static LossModel Random(double share) => new(0, 1, share, share);

    /// <summary>Runs of lost packets.</summary>
    /// <param name="share">Lost in the long run, below 1.</param>
    /// <param name="meanBurstPackets">Mean length of a run, at least 1 and more than <c>share / (1 - share)</c>.</param>
    public static LossModel Bursts(double share, double meanBurstPackets)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(share);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(share, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(meanBurstPackets, 1);
        double badToGood = 1 / meanBurstPackets;
        return new(badToGood * share / (1 - share), badToGood, 0, 1);
    }

    /// <exception cref="ArgumentException">A probability is none.</exception>
    public void Check()
    {
        foreach (double probability in (ReadOnlySpan<double>)[GoodToBad, BadToGood, LossInGood, LossInBad])
        {
            LinkProfile.CheckProbability(probability, "loss");
        }

        if (GoodToBad > 0 && BadToGood == 0)
        {
            throw new ArgumentException("A link that turns bad turns good again: BadToGood is 0.");
        }
    }
}
