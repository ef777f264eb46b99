using Microsoft.Extensions.Configuration;

namespace Vitrine.Cli.Settings;

/// <summary>The settings that one place gives.</summary>
internal sealed class SettingLayer : ConfigurationProvider, IConfigurationSource
{
    private readonly Dictionary<string, SettingValue> _values = [];

    public void Set(Setting setting, SettingValue value)
    {
        Data[setting.Key] = value.Text;
        _values[setting.Name] = value;
    }

    /// <summary>What this layer has for the setting; null when it does not give it.</summary>
    public SettingValue? Find(Setting setting) => _values.GetValueOrDefault(setting.Name);

    IConfigurationProvider IConfigurationSource.Build(IConfigurationBuilder builder) => this;
}
