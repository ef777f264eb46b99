using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.Extensions.Configuration;
using static System.FormattableString;

namespace Vitrine.Cli.Settings;

/// <summary>Lays flags over <c>VITRINE_*</c> variables over a file over defaults, and checks every value before anything starts.</summary>
internal static class SettingLayers
{
    public const string VariablePrefix = "VITRINE_";

    /// <summary>Reads all layers.</summary>
    /// <param name="known">Every setting there is, with the options that were parsed.</param>
    /// <param name="parsed">The command line.</param>
    /// <param name="variable">Reads an environment variable.</param>
    /// <param name="file">The file to read; when null, <c>vitrine.yaml</c> or <c>vitrine.json</c> in the current folder, if one is there.</param>
    /// <param name="settings">The result; null after an error.</param>
    /// <returns>The first error, or null.</returns>
    public static SettingError? TryRead(
        IReadOnlyList<Setting> known, ParseResult parsed, Func<string, string?> variable, string? file, out ShareSettings? settings)
    {
        settings = null;
        SettingLayer flags = new(), variables = new(), fileLayer = new(), defaults = new();
        if (SettingFile.TryRead(known, file, fileLayer) is { } fileError)
        {
            return fileError;
        }

        foreach (Setting setting in known)
        {
            if (setting.Option is { } option && parsed.GetResult(option) is OptionResult { Implicit: false } result)
            {
                flags.Set(setting, new(result.GetValueOrDefault<string>() ?? "", option.Name));
            }

            // An empty variable is an unset one: that is how shells and unit files unset them.
            if (variable(setting.Variable) is { Length: > 0 } value)
            {
                variables.Set(setting, new(value, setting.Variable));
            }

            if (setting.Default is { } text)
            {
                defaults.Set(setting, new(text, SettingValue.Default));
            }
        }

        SettingLayer[] layers = [flags, variables, fileLayer, defaults];
        Dictionary<string, SettingValue> values = [];
        foreach (Setting setting in known)
        {
            if (layers.Select(layer => layer.Find(setting)).FirstOrDefault(found => found is not null) is not { } value)
            {
                continue;
            }

            if (!setting.IsValid(value.Text))
            {
                return setting.Refuse(value);
            }

            values[setting.Name] = value;
        }

        ConfigurationBuilder builder = new();
        foreach (SettingLayer layer in layers.Reverse())
        {
            builder.Add(layer);
        }

        IConfigurationRoot configuration = builder.Build();
        ShareSettings bound = new();
        configuration.Bind(bound);
        bound.Keep(values);
        if (CheckTogether(bound) is { } conflict)
        {
            return conflict;
        }

        settings = bound;
        return null;
    }

    /// <summary>Files with secrets in them that everybody on this machine can read.</summary>
    /// <remarks>No errors: in containers secrets are often mounted so, and nobody else is there.</remarks>
    public static IReadOnlyList<SettingError> FindExposed(IReadOnlyList<Setting> known, ShareSettings settings)
    {
        List<SettingError> exposed = [];
        foreach (Setting setting in known)
        {
            string? file = settings.Find(setting.Name) is not { } value ? null : setting.IsSecret ? value.File : setting.IsSecretFile ? value.Text : null;
            if (file is not null && IsReadableByOthers(file))
            {
                exposed.Add(new($"Everybody on this machine can read {file}.", $"It holds a secret, for {setting.Name}.", $"chmod o-r {file}"));
            }
        }

        return exposed;
    }

    private static bool IsReadableByOthers(string file)
    {
        try
        {
            // A link has a mode of its own. What is no file any more, such as a pipe that was read, nobody reads.
            FileSystemInfo found = new FileInfo(file);
            found = found.ResolveLinkTarget(returnFinalTarget: true) ?? found;
            return found.Exists && found.UnixFileMode.HasFlag(UnixFileMode.OtherRead);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return false; // what reads it says so
        }
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
            : KafkaSettings.CheckTogether(settings);
    }
}
