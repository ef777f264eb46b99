using System.CommandLine;
using Vitrine.Cli.Settings;

namespace Vitrine.Cli.Tests.Settings;

/// <summary>Settings as a verb reads them that knows all of them.</summary>
internal static class GivenSettings
{
    public static (ShareSettings? Settings, SettingError? Error) Read(string? path, string[] flags, Dictionary<string, string> variables)
    {
        IReadOnlyList<Setting> known = Setting.All();
        Command command = new("share");
        foreach (Option<string> option in known.Select(setting => setting.Option).OfType<Option<string>>())
        {
            command.Add(option);
        }

        SettingError? error = SettingLayers.TryRead(known, command.Parse(flags), name => variables.GetValueOrDefault(name), path, out ShareSettings? settings);
        return (settings, error);
    }
}
