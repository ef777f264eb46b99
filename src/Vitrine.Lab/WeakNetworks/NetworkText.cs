using System.Globalization;

namespace Vitrine.Lab.WeakNetworks;

/// <summary>Networks as people write them on a command line: a name of <see cref="NetworkProfiles"/>, or figures with semicolons between them, such as
/// <c>trace=lte.down;up=lte.up;rtt=40;loss=0.5;reorder=1;duplicate=1</c>.</summary>
internal static class NetworkText
{
    /// <summary>What figures may be given, for messages and documents.</summary>
    public const string Figures =
        "trace=FILE (Mahimahi's, both ways unless up=FILE gives another one towards the host), or rate=MBIT/S; rtt=MS and jitter=MS of the round trip, loss=% of each direction (burst=PACKETS a time), reorder=% and duplicate=%";

    /// <summary>The networks wanted, each once.</summary>
    /// <param name="texts">As they were written.</param>
    /// <param name="usual">Those when none is.</param>
    /// <exception cref="LaboratoryException">There is no such network; the message says what there is.</exception>
    public static NetworkProfile[] Choose(IReadOnlyCollection<string> texts, IEnumerable<NetworkProfile> usual)
    {
        NetworkProfile[] chosen = texts.Count == 0 ? [.. usual] : [.. texts.Select(Read)];
        return chosen.GroupBy(profile => profile.Name).FirstOrDefault(group => group.Count() > 1) is { } twice
            ? throw new LaboratoryException($"Two of the networks are called «{twice.Key}», so that their figures could not be told apart.")
            : chosen;
    }

    /// <summary>Reads one.</summary>
    /// <exception cref="LaboratoryException">There is no such network; the message says what there is.</exception>
    public static NetworkProfile Read(string text)
    {
        if (NetworkProfiles.Find(text) is { } named)
        {
            return named;
        }

        if (!text.Contains('='))
        {
            throw new LaboratoryException(
                $"There is no network «{text}». There are {string.Join(", ", NetworkProfiles.All.Concat(NetworkProfiles.Lines).Select(profile => profile.Name))}; or give figures: {Figures}.");
        }

        try
        {
            return OfFigures(text);
        }
        catch (Exception exception) when (exception is FormatException or ArgumentException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            throw new LaboratoryException($"The network «{text}» cannot be emulated: {exception.Message}");
        }
    }

    private static NetworkProfile OfFigures(string text)
    {
        Dictionary<string, string> given = [];
        foreach (string part in text.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            int equals = part.IndexOf('=');
            if (equals <= 0 || !given.TryAdd(part[..equals], part[(equals + 1)..]))
            {
                throw new FormatException($"«{part}» is no figure, or is given twice. There are {Figures}.");
            }
        }

        HashSet<string> unread = [.. given.Keys];
        DeliveryTrace? down = Trace("trace"), up = Trace("up");
        if (up is not null && down is null)
        {
            throw new FormatException("up=FILE goes with trace=FILE, the way towards the viewer.");
        }

        double rtt = Number("rtt", 2 * LinkProfile.TimeMax.TotalMilliseconds), jitter = Number("jitter", rtt), loss = Share("loss"), burst = Number("burst", 10_000);
        var both = new LinkProfile
        {
            Delay = TimeSpan.FromMilliseconds(rtt / 2),
            Jitter = TimeSpan.FromMilliseconds(jitter / 2),
            Loss = burst > 0 ? LossModel.Bursts(loss, burst) : LossModel.Random(loss),
            RateBitsPerSecond = (long)(Number("rate", 10_000) * 1_000_000),
            ReorderShare = Share("reorder"),
            DuplicateShare = Share("duplicate"),
        };
        if (unread.FirstOrDefault() is { } unknown)
        {
            throw new FormatException($"there is no figure «{unknown}». There are {Figures}.");
        }

        // In the order of the text, so that its name can be told from its figures.
        string name = string.Join('-', given.Select(each => $"{each.Key}-{(each.Key is "trace" or "up" ? Path.GetFileName(each.Value) : each.Value)}"));
        string summary = string.Join(", ", given.Select(each => each.Key is "trace" or "up" ? Describe(each.Key, each.Value, each.Key == "up" ? up! : down!) : $"{each.Key} {each.Value}"));
        var profile = new NetworkProfile(
            string.Concat(name.Select(character => char.IsAsciiLetterOrDigit(character) || character is '.' or '-' or '_' ? character : '_')), summary,
            [new PathProfile("near", both with { Trace = up ?? down }, both with { Trace = down })]);
        profile.Check();
        return profile;

        DeliveryTrace? Trace(string key)
        {
            unread.Remove(key);
            return given.TryGetValue(key, out string? path) ? DeliveryTrace.Load(path) : null;
        }

        double Number(string key, double max)
        {
            unread.Remove(key);
            return !given.TryGetValue(key, out string? value) ? 0
                : double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) && number <= max ? number
                : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"{key} is 0 to {max:0.###}, not «{value}»."));
        }

        double Share(string key) => Number(key, 100) / 100;
    }

    private static string Describe(string key, string path, DeliveryTrace trace) => string.Create(
        CultureInfo.InvariantCulture,
        $"{key} {Path.GetFileName(path)} ({trace.MeanBitsPerSecond / 1e6:0.##} Mbit/s on average, again after {trace.Duration.TotalSeconds:0.#} s)");
}
