using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using Vitrine.Cli.Settings;

namespace Vitrine.Cli.Verbs;

/// <summary>Checks the settings of events and prints them, each with where it came from.</summary>
internal sealed partial class EventsConfigVerb : SettingsVerb
{
    private readonly Terminal _terminal;
    private readonly Option<bool> _json = new("--json") { Description = "as one JSON object" };

    public EventsConfigVerb(Terminal terminal)
        : base(
            terminal,
            "config",
            "Checks the settings of events, and prints each with where it came from. Passwords are not shown.",
            Setting.Some("events", "events-folder", "events-thumbnails"),
            ("vitrine events config", "what vitrine up would use here"),
            ("vitrine events config --config other.yaml --json", "with another file, for scripts"))
    {
        _terminal = terminal;
        Options.Add(_json);
        SetAction(parsed => ReadSettings(parsed) is { } settings ? Run(settings, parsed.GetValue(_json)) : ExitCode.Usage);
    }

    public override IEnumerable<(string Title, IEnumerable<(string Name, string Meaning)> Rows)> Tables =>
        from setting in Settings
        where setting.Group is not null
        group setting by setting.Group into section
        select ($"Kafka: {section.Key}", section.Select(setting => ($"{setting.Name[KafkaSettings.Section.Length..]} {setting.ValueName}", Explain(setting))));

    public override string? LastLine =>
        $"""
        Names of Kafka's settings begin with {KafkaSettings.Section} everywhere. What is nearer to you wins:
          a flag      --{KafkaSettings.Section}bootstrap kafka-1:9092
          a variable  {Settings.First(setting => setting.Name == KafkaSettings.Section + "bootstrap").Variable}=kafka-1:9092
          a file      {KafkaSettings.Section}bootstrap: kafka-1:9092, or bootstrap nested in kafka in events
        """;

    private int Run(ShareSettings settings, bool asJson)
    {
        // What is in the files of passwords and certificates is checked too.
        if (KafkaSettings.TryMakeOptions(settings, out _) is { } error)
        {
            return _terminal.Fail(ExitCode.Usage, error.What, error.Origin, error.Mend);
        }

        SettingEntry[] entries = [.. Settings.Select(setting => EntryOf(setting, settings))];
        if (asJson)
        {
            _terminal.Output.WriteLine(JsonSerializer.Serialize(new SettingEntries(entries), SettingJson.Default.SettingEntries));
            return ExitCode.Done;
        }

        int nameWidth = entries.Max(entry => entry.Name.Length), valueWidth = entries.Max(entry => Shown(entry).Length);
        foreach (SettingEntry entry in entries)
        {
            _terminal.Output.WriteLine($"{entry.Name.PadRight(nameWidth)}  {Shown(entry).PadRight(valueWidth)}  {_terminal.Muted(Terminal.OneLine(entry.Origin))}");
        }

        return ExitCode.Done;
    }

    private static string Explain(Setting setting) => (setting.Choices.Count, setting.Default) switch
    {
        (> 0, { } value) => $"{setting.Description} ({setting.Allowed}; default: {value})",
        (_, { } value) => $"{setting.Description} (default: {value})",
        _ => setting.Description,
    };

    private static string Shown(SettingEntry entry) => entry.Value is { Length: > 0 } value ? Terminal.OneLine(value) : "-";

    private static SettingEntry EntryOf(Setting setting, ShareSettings settings) =>
        settings.Find(setting.Name) is { } value ? new(setting.Name, setting.IsSecret ? Setting.Mask : value.Text, value.Origin)
        : setting.IsSecret && settings.Find(setting.Name + "-file") is { } file ? new(setting.Name, Setting.Mask, file.Text)
        : new(setting.Name, null, SettingValue.Default);

    /// <param name="Name">As in a file of settings.</param>
    /// <param name="Value">Null: none; a secret is masked.</param>
    /// <param name="Origin">Where it came from.</param>
    internal sealed record SettingEntry(string Name, string? Value, string Origin);

    internal sealed record SettingEntries(IReadOnlyList<SettingEntry> Settings);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
    [JsonSerializable(typeof(SettingEntries))]
    internal sealed partial class SettingJson : JsonSerializerContext;
}
