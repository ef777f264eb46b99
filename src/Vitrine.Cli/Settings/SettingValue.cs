namespace Vitrine.Cli.Settings;

/// <summary>What a setting was given, and where.</summary>
/// <param name="Text">As it stands there.</param>
/// <param name="Origin">For people: «--port», «VITRINE_PORT», «vitrine.yaml, line 3», «default».</param>
/// <param name="File">The file it stands in; null: in none.</param>
internal sealed record SettingValue(string Text, string Origin, string? File = null)
{
    /// <summary>The origin of what is given nowhere.</summary>
    public const string Default = "default";
}
