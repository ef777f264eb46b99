using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Vitrine.Cli.Settings;

/// <summary>Reads a file of settings: YAML, and with it JSON. What is below a name may stand nested or with dots in its name.</summary>
/// <remarks>Nothing but settings is walked into, references are not followed, and the first fault ends it: no file takes long.</remarks>
internal sealed class SettingFile
{
    public const string YamlName = "vitrine.yaml";
    public const string JsonName = "vitrine.json";

    // A file of settings has some fifty lines; what is larger is another file.
    private const int BytesMax = 64 * 1024;
    private const int NameCharactersMax = 64;

    private readonly IReadOnlyList<Setting> _known;
    private readonly string _path;
    private readonly string[] _lines;
    private readonly SettingLayer _layer;
    private readonly Scanner _scanner;
    private readonly Parser _parser;
    private readonly Dictionary<string, string> _origins = [];

    private SettingFile(IReadOnlyList<Setting> known, string path, string text, SettingLayer layer)
    {
        (_known, _path, _layer) = (known, path, layer);
        _lines = text.Split('\n');
        _scanner = new(new StringReader(text));
        _parser = new(_scanner);
    }

    private bool IsJson => _path.EndsWith(".json", StringComparison.OrdinalIgnoreCase);

    private string Example => IsJson ? "One setting a line: «{ \"port\": 8790 }», with commas between them." : "One setting a line: «port: 8790».";

    /// <summary>Reads a file into a layer.</summary>
    /// <param name="known">Every setting there is.</param>
    /// <param name="path">When null, <c>vitrine.yaml</c> or <c>vitrine.json</c> in the current folder, if one is there.</param>
    /// <param name="layer">Takes what is in it.</param>
    /// <returns>The first error, or null.</returns>
    public static SettingError? TryRead(IReadOnlyList<Setting> known, string? path, SettingLayer layer)
    {
        if (path is null)
        {
            bool hasYaml = File.Exists(YamlName), hasJson = File.Exists(JsonName);
            if (hasYaml && hasJson)
            {
                return new($"{YamlName} and {JsonName} are both in this folder.", "Only one file of settings is read.", "Keep one of them, or name it with --config FILE.");
            }

            if (!hasYaml && !hasJson)
            {
                return null;
            }

            path = hasYaml ? YamlName : JsonName;
        }

        byte[] bytes = new byte[BytesMax + 1];
        int length;
        try
        {
            using FileStream stream = File.OpenRead(path);
            length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return new($"«{path}» cannot be read.", unreadable.Message, "Name another file with --config FILE.");
        }

        if (length > BytesMax)
        {
            return new($"{path} is no file of settings.", $"It has more than {BytesMax} bytes.", "Name another one with --config FILE.");
        }

        using StreamReader reader = new(new MemoryStream(bytes, 0, length));
        SettingFile file = new(known, path, reader.ReadToEnd(), layer);
        try
        {
            return file.Read();
        }
        catch (YamlException broken)
        {
            // Some faults come without their place.
            return file.Broken(broken.Start.Equals(Mark.Empty) ? file._scanner.CurrentPosition.Line : broken.Start.Line, broken.Message);
        }
        catch (Exception broken) when (broken is ArgumentException or InvalidOperationException)
        {
            // The parser's own faults: half of a surrogate pair («\ud800\u0041»), some braces in the middle of a word.
            return file.Broken(file._scanner.CurrentPosition.Line, "There is a character that stands for something else, or for nothing: put the value in quotation marks.");
        }
    }

    private SettingError? Read()
    {
        // To the parser it would be the end.
        int zero = Array.FindIndex(_lines, line => line.Contains('\0'));
        if (zero >= 0)
        {
            return Broken(zero + 1, "It is no text: there is a character of the value 0.");
        }

        _parser.Consume<StreamStart>();
        if (_parser.TryConsume<StreamEnd>(out _))
        {
            return null;
        }

        _parser.Consume<DocumentStart>();
        if (!_parser.TryConsume<MappingStart>(out _))
        {
            return new($"{_path} has no settings.", $"What begins in line {_parser.Current!.Start.Line} is no list of «name: value».", Example);
        }

        if (ReadMapping("") is { } error)
        {
            return error;
        }

        _parser.Consume<DocumentEnd>();
        return _parser.TryConsume<DocumentStart>(out DocumentStart? second)
            ? new($"{_path} has a second document in line {second.Start.Line}.", "Only one is read.", "Take the line «---» out, or what follows it.")
            : null;
    }

    private SettingError? ReadMapping(string section)
    {
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            if (!_parser.TryConsume<Scalar>(out Scalar? key))
            {
                return new($"{_path}, line {_parser.Current!.Start.Line} has no name of a setting.", "There is a list, a mapping or a reference where a name belongs.", Example);
            }

            if (ReadEntry(section + key.Value, $"{_path}, line {key.Start.Line}") is { } error)
            {
                return error;
            }
        }

        return null;
    }

    private SettingError? ReadEntry(string name, string origin)
    {
        Setting? setting = _known.FirstOrDefault(candidate => candidate.Name == name);
        string section = name + ".";
        bool isSection = _known.Any(candidate => candidate.Name.StartsWith(section, StringComparison.Ordinal));
        if (setting is null && !isSection)
        {
            return Unknown(name, origin);
        }

        string below = string.Join(", ", NamesIn(section));
        string allowed = setting is null ? $"Below {name} are allowed: {below}." : isSection ? $"Allowed: {setting.Allowed}; and below {name}: {below}." : $"Allowed: {setting.Allowed}.";
        if (!_origins.TryAdd(name, origin))
        {
            return new($"{name} is given twice.", $"It comes from {_origins[name]}, and from {origin}.", $"Keep one of them. {allowed}");
        }

        if (isSection && _parser.TryConsume<MappingStart>(out _))
        {
            return ReadMapping(section);
        }

        if (_parser.Accept<AnchorAlias>(out _))
        {
            return new($"{name} has a reference for a value.", $"It comes from {origin}. References are not followed.", $"Write the value itself. {allowed}");
        }

        if (!_parser.TryConsume<Scalar>(out Scalar? value))
        {
            return new($"{name} has a {(_parser.Accept<MappingStart>(out _) ? "mapping" : "list")} for a value.", $"It comes from {origin}.", allowed);
        }

        bool isNothing = value is { Style: ScalarStyle.Plain, Value: "" or "~" or "null" };
        if (setting is null)
        {
            return isNothing ? null : new($"{name} has no value of its own.", $"It comes from {origin}.", allowed);
        }

        if (isNothing)
        {
            return new($"{name} has no value.", $"It comes from {origin}.", $"Give one, or take the line out. {allowed}");
        }

        _layer.Set(setting, new(value.Value, origin, _path));
        return null;
    }

    private SettingError Unknown(string name, string origin)
    {
        // What follows a colon without a space is in the name, and may be a password.
        string shown = name.Split(':', '=', ' ', '\t', '\n', '\r')[0];
        string cut = shown.Length > NameCharactersMax ? shown[..NameCharactersMax] : shown;
        string section = "";
        for (int dot = shown.IndexOf('.'); dot >= 0 && NamesIn(shown[..(dot + 1)]).Any(); dot = shown.IndexOf('.', dot + 1))
        {
            section = shown[..(dot + 1)];
        }

        string nearest = FindNearest(shown, section) is { } meant ? $"Did you mean {meant}? " : "";
        return new(
            $"There is no setting «{cut}{(cut.Length < name.Length ? "…" : "")}».",
            $"It comes from {origin}.",
            shown.Length < name.Length && _known.FirstOrDefault(setting => setting.Name == shown) is { } known
                ? $"A colon and a space stand between a name and its value: «{shown}: {known.ValueName}»."
                : $"{nearest}{(section.Length > 0 ? $"Below {section[..^1]} are allowed" : "Allowed")}: {string.Join(", ", NamesIn(section))}.");
    }

    /// <summary>What was meant: the right name in the wrong place, one that is mistyped in its section, one that is mistyped as a whole.</summary>
    private string? FindNearest(string name, string section)
    {
        string rest = name[section.Length..];
        string[] all = [.. _known.Select(setting => setting.Name), KafkaSettings.Section[..^1]];
        return all.FirstOrDefault(candidate => candidate.EndsWith("." + rest, StringComparison.Ordinal))
            ?? (section.Length > 0 && NearestName.Find(rest, NamesIn(section)) is { } nearest ? section + nearest : null)
            ?? NearestName.Find(name, all.Where(candidate => section.Length == 0 || !candidate.StartsWith(section, StringComparison.Ordinal)));
    }

    /// <summary>The names that may follow a section's, up to their next dot.</summary>
    private IEnumerable<string> NamesIn(string section) =>
        _known.Where(setting => setting.Name.StartsWith(section, StringComparison.Ordinal)).Select(setting => setting.Name[section.Length..].Split('.')[0]).Distinct();

    private SettingError Broken(long line, string why)
    {
        string text = line >= 1 && line <= _lines.Length ? _lines[line - 1] : "";
        string name = text.Split(':')[0].Trim(' ', '\t', '\r', '"', '\'', '{', ',');
        bool isName = name.Length > 0 && _known.Any(setting => setting.Name == name || setting.Name.Split('.').Contains(name));
        bool hasTab = !IsJson && text[..^text.TrimStart().Length].Contains('\t');
        string reason = hasTab ? "There is a tab in its indentation."
            : why.Contains("flow mapping", StringComparison.Ordinal) ? "A comma, a quotation mark or a closing brace is missing before it."
            : why.Contains("invalid mapping", StringComparison.Ordinal) ? "There is a second colon in a value, or the line is indented further than those around it."
            : why.Contains("quoted scalar", StringComparison.Ordinal) && !why.Contains("escape", StringComparison.Ordinal) ? "A quotation mark is not closed."
            : why; // the parser's words
        return new($"{_path}, line {line}{(isName ? $", at {name}," : "")} is not {(IsJson ? "JSON" : "YAML")}.", reason, hasTab ? "Indent with spaces." : Example);
    }
}
