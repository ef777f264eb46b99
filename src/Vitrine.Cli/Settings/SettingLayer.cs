using Microsoft.Extensions.Configuration;

namespace Vitrine.Cli.Settings;

/// <summary>The settings that one place gives, each with its origin for messages («--port», «vitrine.yaml, line 3»).</summary>
internal sealed class SettingLayer : ConfigurationProvider, IConfigurationSource
{
    private readonly Dictionary<string, string> _origins = new(StringComparer.OrdinalIgnoreCase);

    public void Set(Setting setting, string value, string origin)
    {
        Data[setting.Key] = value;
        _origins[setting.Key] = origin;
    }

    /// <summary>Where this layer has the setting from; null when it does not give it.</summary>
    public string? OriginOf(Setting setting) => _origins.GetValueOrDefault(setting.Key);

    IConfigurationProvider IConfigurationSource.Build(IConfigurationBuilder builder) => this;
}
