namespace Vitrine.Server;

/// <summary>How something is shared. Keys: <c>name</c>, <c>fps</c>.</summary>
public sealed record ShareOptions
{
    /// <summary>Name of the host, shown to viewers; at most 256 bytes of UTF-8 are sent.</summary>
    public string Name { get; init; } = Environment.MachineName;

    /// <summary>Most frames captured a second, 1..240. The first change after rest is captured at once.</summary>
    public int FramesPerSecondMax { get; init; } = 60;

    /// <summary>What cannot be used; empty when all is well.</summary>
    /// <param name="sourceOf">Says for a key where its value came from; null: «default».</param>
    public IReadOnlyList<OptionError> Validate(Func<string, string>? sourceOf = null)
    {
        OptionCheck check = new(sourceOf);
        check.Require(FramesPerSecondMax is >= 1 and <= 240, "fps", FramesPerSecondMax, "a number from 1 to 240.");
        check.Require(!string.IsNullOrWhiteSpace(Name), "name", Name, "a name that is not empty.");
        return check.Errors;
    }
}
