namespace Vitrine.Server;

/// <summary>A setting that cannot be used.</summary>
/// <param name="Key">Its name, as in the configuration file.</param>
/// <param name="Value">What was given, for people; empty for secrets.</param>
/// <param name="Source">Where it came from («--port», «VITRINE_PORT», «vitrine.yaml», «default»).</param>
/// <param name="Allowed">What is allowed.</param>
public sealed record OptionError(string Key, string Value, string Source, string Allowed)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"{Key}{(Value.Length > 0 ? $" = {Value}" : "")} (from {Source}) cannot be used: {Allowed}";
}

/// <summary>Collects errors; knows where each setting came from.</summary>
internal readonly struct OptionCheck(Func<string, string>? sourceOf)
{
    public List<OptionError> Errors { get; } = [];

    public void Require(bool condition, string key, object? value, string allowed)
    {
        if (!condition)
        {
            Errors.Add(new(key, Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture) ?? "", sourceOf?.Invoke(key) ?? "default", allowed));
        }
    }
}
