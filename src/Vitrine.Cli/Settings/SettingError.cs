namespace Vitrine.Cli.Settings;

/// <summary>A setting that cannot be used: what is wrong, where it came from, what is allowed or which name was meant.</summary>
internal sealed record SettingError(string What, string Origin, string Mend);
