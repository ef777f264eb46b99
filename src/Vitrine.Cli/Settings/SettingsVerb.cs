using System.CommandLine;

namespace Vitrine.Cli.Settings;

/// <summary>A verb that is told what to share by settings.</summary>
internal abstract class SettingsVerb : Verb
{
    private readonly Terminal _terminal;
    private readonly IReadOnlyList<Setting> _settings;
    private readonly Option<string> _config = new("--config")
    {
        HelpName = "FILE",
        Description = $"file of settings (default: {SettingLayers.FileName} in this folder, if there is one)",
    };

    protected SettingsVerb(
        Terminal terminal, string name, string description, IReadOnlyList<Setting> settings, params (string CommandLine, string Meaning)[] examples)
        : base(name, description, examples)
    {
        (_terminal, _settings) = (terminal, settings);
        foreach (Setting setting in settings)
        {
            Options.Add(setting.Option);
        }

        Options.Add(_config);
    }

    /// <summary>The settings, or null after the error was printed: then the verb ends with <see cref="ExitCode.Usage"/>.</summary>
    protected ShareSettings? ReadSettings(ParseResult parsed)
    {
        // A file may hold settings of other verbs; they are checked all the same, so that a slip does not hide.
        IReadOnlyList<Setting> known = [.. Setting.All().Select(setting => _settings.FirstOrDefault(own => own.Name == setting.Name) ?? setting)];
        SettingError? error = SettingLayers.TryRead(known, parsed, Environment.GetEnvironmentVariable, parsed.GetValue(_config), out ShareSettings? settings);
        if (error is not null)
        {
            _terminal.Fail(ExitCode.Usage, error.What, error.Origin, error.Mend);
        }

        return settings;
    }
}
