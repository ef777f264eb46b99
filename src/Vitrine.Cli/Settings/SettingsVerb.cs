using System.CommandLine;

namespace Vitrine.Cli.Settings;

/// <summary>A verb that is told what to share by settings.</summary>
internal abstract class SettingsVerb : Verb
{
    private readonly Terminal _terminal;
    private readonly Option<string> _config = new("--config")
    {
        HelpName = "FILE",
        Description = $"file of settings, YAML or JSON (default: {SettingFile.YamlName} or {SettingFile.JsonName} in this folder, if there is one)",
    };

    protected SettingsVerb(
        Terminal terminal, string name, string description, IReadOnlyList<Setting> settings, params (string CommandLine, string Meaning)[] examples)
        : base(name, description, examples)
    {
        (_terminal, Settings) = (terminal, settings);
        foreach (Option<string> option in settings.Select(setting => setting.Option).OfType<Option<string>>())
        {
            Options.Add(option);
        }

        Options.Add(_config);
    }

    public override string? LastLine =>
        Settings.Any(setting => setting.Group is not null) ? $"Events on Kafka: --{KafkaSettings.Section}bootstrap and others, which vitrine events config --help explains." : null;

    /// <summary>What it is told by.</summary>
    protected IReadOnlyList<Setting> Settings { get; }

    /// <summary>The settings, or null after the error was printed: then the verb ends with <see cref="ExitCode.Usage"/>.</summary>
    protected ShareSettings? ReadSettings(ParseResult parsed)
    {
        // A file may hold settings of other verbs; they are checked all the same, so that a slip does not hide.
        IReadOnlyList<Setting> known = [.. Setting.All().Select(setting => Settings.FirstOrDefault(own => own.Name == setting.Name) ?? setting)];
        SettingError? error = SettingLayers.TryRead(known, parsed, Environment.GetEnvironmentVariable, parsed.GetValue(_config), out ShareSettings? settings);
        if (error is not null)
        {
            _terminal.Fail(ExitCode.Usage, error.What, error.Origin, error.Mend);
            return null;
        }

        foreach (SettingError exposed in SettingLayers.FindExposed(Settings, settings!))
        {
            _terminal.Warn(exposed.What, exposed.Origin, exposed.Mend);
        }

        return settings;
    }
}
