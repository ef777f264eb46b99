namespace Vitrine.Lab.WeakNetworks;

/// <summary>What one direction of a path does to packets, in this order: queue and rate, loss, delay and jitter, order, copies.</summary>
internal sealed record LinkProfile
{
    /// <summary>Longest delay, jitter and hold: 10 s.</summary>
    public static readonly TimeSpan TimeMax = TimeSpan.FromSeconds(10);

    /// <summary>From leaving the queue to arrival, one way.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Added to <see cref="Delay"/>: uniform from minus to plus this, anew for each packet. At most the delay.</summary>
    public TimeSpan Jitter { get; init; }

    /// <summary>Whether a packet that is quicker overtakes. Not: it waits for those before it, as behind a radio link that repeats
    /// what was lost; dense traffic then comes in bunches, later than <see cref="Delay"/> on average.</summary>
    public bool JitterReorders { get; init; }

    /// <summary>What is lost after it has used the rate, as on the air.</summary>
    public LossModel Loss { get; init; }

    /// <summary>Bits of IP packets a second; 0: as many as come. Not together with <see cref="Trace"/>.</summary>
    public long RateBitsPerSecond { get; init; }

    /// <summary>When bytes may leave, instead of a rate that stays the same.</summary>
    public DeliveryTrace? Trace { get; init; }

    /// <summary>Whether a rate or a trace says when bytes may leave: those who use the link share it.</summary>
    public bool IsShaped => RateBitsPerSecond > 0 || Trace is not null;

    /// <summary>Most bytes that wait for the rate or the trace, the packet being sent included. What comes when it is full is dropped.
    /// One packet always fits into an empty queue.</summary>
    public int QueueBytesMax { get; init; } = 256 << 10;

    /// <summary>Most packets that wait.</summary>
    public int QueuePacketsMax { get; init; } = 1000;

    /// <summary>Share of packets held back by <see cref="ReorderHold"/>, so that others overtake them.</summary>
    public double ReorderShare { get; init; }

    /// <summary>How long those are held back.</summary>
    public TimeSpan ReorderHold { get; init; } = TimeSpan.FromMilliseconds(10);

    /// <summary>Share of packets that arrive twice.</summary>
    public double DuplicateShare { get; init; }

    /// <exception cref="ArgumentException">A figure is out of its bounds.</exception>
    public void Check()
    {
        foreach ((TimeSpan time, string name) in (ReadOnlySpan<(TimeSpan, string)>)[(Delay, nameof(Delay)), (Jitter, nameof(Jitter)), (ReorderHold, nameof(ReorderHold))])
        {
            if (time < TimeSpan.Zero || time > TimeMax)
            {
                throw new ArgumentException($"{name} is 0 to {TimeMax.TotalSeconds} s, not {time.TotalSeconds} s.");
            }
        }

        if (Jitter > Delay)
        {
            throw new ArgumentException("Jitter is at most the delay: nothing arrives before it was sent.");
        }

        if (RateBitsPerSecond is < 0 or (> 0 and < 1_000))
        {
            throw new ArgumentException($"The rate is at least 1,000 bit/s, or 0 for none, not {RateBitsPerSecond}.");
        }

        if (Trace is not null && RateBitsPerSecond > 0)
        {
            throw new ArgumentException("A link has a rate or a trace, not both.");
        }

        if (QueueBytesMax < 1 || QueuePacketsMax is < 1 or > WeakNetwork.PacketsInFlightMax)
        {
            throw new ArgumentException($"A queue holds at least a byte, and 1 to {WeakNetwork.PacketsInFlightMax} packets.");
        }

        CheckProbability(ReorderShare, nameof(ReorderShare));
        CheckProbability(DuplicateShare, nameof(DuplicateShare));
        Loss.Check();
    }

    internal static void CheckProbability(double value, string name)
    {
        if (value is not (>= 0 and <= 1))
        {
            throw new ArgumentException($"A probability is 0 to 1: {name} is {value}.");
        }
    }
}

/// <summary>A path between the two sides: an address and a device of its own on the near side.</summary>
/// <param name="Name">Of the device, at most 15 bytes of ASCII: <c>wifi</c>.</param>
/// <param name="Up">From near to far.</param>
/// <param name="Down">From far to near.</param>
internal sealed record PathProfile(string Name, LinkProfile Up, LinkProfile Down)
{
    /// <summary>The same in both directions.</summary>
    public PathProfile(string name, LinkProfile both)
        : this(name, both, both)
    {
    }
}

/// <summary>A network between two sides, by its figures. <see cref="NetworkProfiles"/> has those with a name.</summary>
/// <param name="Name">What it is called in reports.</param>
/// <param name="Summary">Its figures, for people.</param>
/// <param name="Paths">Used one after the other, 1 to <see cref="PathsMax"/>; the first is up at the start.</param>
internal sealed record NetworkProfile(string Name, string Summary, IReadOnlyList<PathProfile> Paths)
{
    /// <summary>Most paths of a network.</summary>
    public const int PathsMax = 8;

    /// <summary>A network of one path.</summary>
    public NetworkProfile(string name, string summary, LinkProfile both)
        : this(name, summary, [new PathProfile("near", both)])
    {
    }

    /// <exception cref="ArgumentException">A figure is out of its bounds; the message says which.</exception>
    public void Check()
    {
        if (Paths.Count is < 1 or > PathsMax)
        {
            throw new ArgumentException($"{Name}: a network has 1 to {PathsMax} paths, not {Paths.Count}.");
        }

        foreach (PathProfile path in Paths)
        {
            if (path.Name.Length is 0 or > 15 || !path.Name.All(char.IsAsciiLetterOrDigit) || path.Name == "lo" || Paths.Count(other => other.Name == path.Name) > 1)
            {
                throw new ArgumentException($"{Name}: the name of a path is its own, 1 to 15 letters and digits, not «{path.Name}».");
            }

            path.Up.Check();
            path.Down.Check();
        }
    }
}
