namespace Vitrine.Transports.Quic;

/// <summary>What share of packets a path loses, and how many repair symbols that takes.</summary>
/// <remarks>Of a packet that goes twice a loss is seen when both are lost: what is seen is f p² + (1 - f) p, with the share f of packets that go
/// twice and the share p that the path loses. Where losses come in bursts, p is greater than what is lost of single packets, as it should be.
/// Not thread-safe.</remarks>
internal sealed class LossMeter
{
    /// <summary>Below this share packets are not protected: to repeat what little is lost costs less.</summary>
    public const double ShareMin = 0.004;

    // Of protected packets, the share that may need more than their repair symbols.
    private const double Residual = 0.0005;

    // Half of what is known is this old: a film at its lowest rate sends a hundred packets a second.
    private const double PacketsHalf = 400;

    // Standard deviations by which the share may be greater than it looks: too few repair symbols cost more than too many.
    private const double Caution = 1.5;

    // Before so many packets a share says nothing.
    private const double PacketsMin = 50;

    private double _packets;
    private double _twice;
    private double _losses;
    private QuicPacketCounts _seen;

    /// <summary>0 to 0.5.</summary>
    public double Share => Of(_losses);

    /// <summary>0 to 0.5: what the share may be, for all that is known.</summary>
    public double ShareAtMost => Of(_losses + (Caution * Math.Sqrt(_losses)));

    /// <summary>Notes what a connection has counted since its start.</summary>
    public void Note(QuicPacketCounts counts)
    {
        double packets = Math.Max(0, counts.Packets - _seen.Packets), fade = Math.Pow(0.5, packets / PacketsHalf);
        _packets = (_packets * fade) + packets;
        _twice = (_twice * fade) + Math.Max(0, counts.Twice - _seen.Twice);
        _losses = (_losses * fade) + Math.Max(0, counts.Losses - _seen.Losses);
        _seen = counts;
    }

    /// <summary>0 to 1: the share of packets that go twice.</summary>
    public double Twice => _packets < PacketsMin ? 0 : Math.Clamp(_twice / _packets, 0, 1);

    /// <summary>Repair symbols with which a packet of so many parts is nearly never short of any, when losses are independent.</summary>
    /// <param name="sources">Parts.</param>
    /// <param name="share">What the path loses.</param>
    /// <param name="twice">With what probability all of its symbols go twice; else none does.</param>
    public static int Repairs(int sources, double share, double twice)
    {
        int repairs = 0;
        while (sources + repairs < ErasureCode.SymbolsMax - 1
            && (twice * MoreThan(repairs, sources + repairs, share * share)) + ((1 - twice) * MoreThan(repairs, sources + repairs, share)) > Residual)
        {
            repairs++;
        }

        return repairs;
    }

    private double Of(double losses)
    {
        if (_packets < PacketsMin)
        {
            return 0;
        }

        double seen = losses / _packets, twice = Twice, once = 1 - twice;
        double share = twice < 1e-6 ? seen : (Math.Sqrt((once * once) + (4 * twice * seen)) - once) / (2 * twice);
        return Math.Clamp(share, 0, 0.5);
    }

    // Probability of more than so many losses of all: the binomial distribution.
    private static double MoreThan(int losses, int all, double share)
    {
        double term = Math.Pow(1 - share, all), sum = term;
        for (int i = 1; i <= losses; i++)
        {
            term *= share / (1 - share) * (all - i + 1) / i;
            sum += term;
        }

        return Math.Max(0, 1 - sum);
    }
}
