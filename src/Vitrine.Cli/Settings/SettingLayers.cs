using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.Extensions.Configuration;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;
using static System.FormattableString;

namespace Vitrine.Cli.Settings;

/// <summary>Lays flags over <c>VITRINE_*</c> variables over <c>vitrine.yaml</c> over defaults, and checks every value
/// before anything starts.</summary>
internal static class SettingLayers
{
    public const string VariablePrefix = "VITRINE_";
    public const string FileName = "vitrine.yaml";

    // A file of settings has some fifteen lines; what is larger is another file.
    private const long FileBytesMax = 64 * 1024;

    /// <summary>Reads all layers.</summary>
    /// <param name="known">Every setting there is, with the options that were parsed.</param>
    /// <param name="parsed">The command line.</param>
    /// <param name="variable">Reads an environment variable.</param>
    /// <param name="file">The file to read; when null, <c>vitrine.yaml</c> in the current folder if it is there.</param>
    /// <param name="settings">The result; null after an error.</param>
    /// <returns>The first error, or null.</returns>
    public static SettingError? TryRead(
        IReadOnlyList<Setting> known, ParseResult parsed, Func<string, string?> variable, string? file, out ShareSettings? settings)
    {
        settings = null;
        SettingLayer fileLayer = new(), variables = new(), flags = new();
        if (ReadFile(known, file, fileLayer) is { } fileError)
        {
            return fileError;
        }

        foreach (Setting setting in known)
        {
            // An empty variable is an unset one: that is how shells and unit files unset them.
            if (variable(setting.Variable) is { Length: > 0 } value)
            {
                variables.Set(setting, value, setting.Variable);
            }

            if (parsed.GetResult(setting.Option) is OptionResult { Implicit: false } result)
            {
                flags.Set(setting, result.GetValueOrDefault<string>() ?? "", setting.Option.Name);
            }
        }

        SettingLayer[] layers = [fileLayer, variables, flags];
        ConfigurationBuilder builder = new();
        foreach (SettingLayer layer in layers)
        {
            builder.Add(layer);
        }

        IConfigurationRoot configuration = builder.Build();
        foreach (Setting setting in known)
        {
            if (configuration[setting.Key] is { } value && !setting.IsValid(value))
            {
                string origin = layers.Reverse().Select(layer => layer.OriginOf(setting)).First(found => found is not null)!;
                string shown = setting.Name == "token" ? "That" : $"«{value}»";
                return new($"{shown} is not a value of {setting.Name}.", $"It comes from {origin}.", $"Allowed: {setting.Allowed}.");
            }
        }

        ShareSettings bound = new();
        configuration.Bind(bound);
        if (CheckTogether(bound) is { } conflict)
        {
            return conflict;
        }

        settings = bound;
        return null;
    }

    private static SettingError? CheckTogether(ShareSettings settings)
    {
        string[] parts = [.. new[] { (settings.Monitor, "monitor"), (settings.Region, "region"), (settings.Window, "window") }
            .Where(part => part.Item1 is not null).Select(part => part.Item2)];
        if (parts.Length > 1)
        {
            return new($"{string.Join(" and ", parts)} are given together.", "Each says by itself what to share.", $"Keep one of them.");
        }

        if ((settings.Cert is null) != (settings.Key is null))
        {
            (string given, string lacking) = settings.Key is null ? ("cert", "key") : ("key", "cert");
            return new($"{given} is given without {lacking}.", "A certificate and its private key belong together.", $"Give --{lacking} FILE too, or neither: one is made on first use.");
        }

        if (settings.BitrateMin > settings.Bitrate)
        {
            return new(
                Invariant($"bitrate-min is {settings.BitrateMin} Mbit/s, bitrate is {settings.Bitrate}."), "One is the least that video for a viewer has, the other the most.",
                Invariant($"Allowed for bitrate-min: {ShareSettings.BitrateMinLeast} to what bitrate is."));
        }

        return settings.Token is not null && settings.TokenFile is not null
            ? new("token and token-file are given together.", "There is one access token.", "Keep one of them.")
            : null;
    }

    private static SettingError? ReadFile(IReadOnlyList<Setting> known, string? file, SettingLayer layer)
    {
        string path = file ?? FileName;
        if (file is null && !File.Exists(path))
        {
            return null;
        }

        YamlStream yaml = new();
        try
        {
            FileInfo info = new(path);
            if (info.Length > FileBytesMax)
            {
                return new($"{path} is no file of settings.", $"It has {info.Length} bytes; at most {FileBytesMax} are read.", "Name another one with --config FILE.");
            }

            using StreamReader reader = new(path);
            yaml.Load(reader);
        }
        catch (YamlException broken)
        {
            return new($"{path}, line {broken.Start.Line} is not YAML.", broken.Message, "One setting a line: «port: 8790».");
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return new($"{path} cannot be read.", unreadable.Message, "Name another one with --config FILE.");
        }

        if (yaml.Documents.Count == 0)
        {
            return null;
        }

        if (yaml.Documents[0].RootNode is not YamlMappingNode mapping)
        {
            return new($"{path} has no settings.", "It is not a list of «name: value».", "One setting a line: «port: 8790».");
        }

        foreach ((YamlNode keyNode, YamlNode valueNode) in mapping)
        {
            string origin = $"{path}, line {keyNode.Start.Line}";
            string name = (keyNode as YamlScalarNode)?.Value ?? "";
            Setting? setting = known.FirstOrDefault(candidate => candidate.Name == name);
            if (setting is null)
            {
                string? nearest = NearestName.Find(name, known.Select(candidate => candidate.Name));
                return new($"There is no setting «{name}».", $"It comes from {origin}.", nearest is null ? "vitrine share --help lists them." : $"Did you mean {nearest}?");
            }

            if (valueNode is not YamlScalarNode { Value: { } value })
            {
                return new($"{name} has no single value.", $"It comes from {origin}.", $"Allowed: {setting.Allowed}.");
            }

            layer.Set(setting, value, origin);
        }

        return null;
    }
}
