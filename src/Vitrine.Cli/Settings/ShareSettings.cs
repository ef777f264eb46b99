using Vitrine.Server;

namespace Vitrine.Cli.Settings;

/// <summary>What to share and how, after flags, environment, file and defaults were laid over each other and checked.
/// Text that has a form of its own (region, size, address) was checked to have it.</summary>
internal sealed class ShareSettings
{
    public const int DefaultFps = 60;
    public const int FpsMax = 240;
    public const string DefaultListen = "127.0.0.1";
    public const int DefaultPort = ServerOptions.DefaultPort;
    public const int DefaultMaxViewers = 64;
    public const int MaxViewersMax = 1_024;

    public const int DefaultQuicThreads = 1;
    public const int QuicThreadsMax = ServerOptions.QuicThreadsMax;

    public const int DefaultBitrate = 20;
    public const int BitrateMost = 200;
    public const double DefaultBitrateMin = 0.25;
    public const double BitrateMinLeast = 0.1;

    private IReadOnlyDictionary<string, SettingValue> _values = new Dictionary<string, SettingValue>();

    public string? Display { get; set; }

    public string? Monitor { get; set; }

    public string? Region { get; set; }

    public string? Window { get; set; }

    public string? Size { get; set; }

    public int Fps { get; set; } = DefaultFps;

    /// <summary>«on» or «off».</summary>
    public string Video { get; set; } = "on";

    public string Encoder { get; set; } = ShareOptions.AnyEncoder;

    /// <summary>Megabits a second.</summary>
    public int Bitrate { get; set; } = DefaultBitrate;

    /// <summary>Megabits a second, at most <see cref="Bitrate"/>.</summary>
    public double BitrateMin { get; set; } = DefaultBitrateMin;

    public string? Trace { get; set; }

    public string Backend { get; set; } = "auto";

    public string Listen { get; set; } = DefaultListen;

    public int Port { get; set; } = DefaultPort;

    public string? Token { get; set; }

    public string? TokenFile { get; set; }

    public string? Cert { get; set; }

    public string? Key { get; set; }

    public int MaxViewers { get; set; } = DefaultMaxViewers;

    /// <summary>«on» or «off».</summary>
    public string Administer { get; set; } = "off";

    /// <summary>«on», «off», «cubic» or «bbr».</summary>
    public string Quic { get; set; } = "on";

    public int QuicThreads { get; set; } = DefaultQuicThreads;

    /// <summary>«on» or «off».</summary>
    public string Events { get; set; } = "on";

    public string? EventsFolder { get; set; }

    /// <summary>«off», or seconds.</summary>
    public string EventsThumbnails { get; set; } = "off";

    public KafkaSettings EventsKafka { get; set; } = new();

    public string? Cpus { get; set; }

    public string? ReadyFile { get; set; }

    /// <summary>Text and origin of a setting, by its name; null: it has no value, or one that is only here.</summary>
    public SettingValue? Find(string name) => _values.GetValueOrDefault(name);

    /// <summary>Keeps what <see cref="Find"/> tells.</summary>
    public void Keep(IReadOnlyDictionary<string, SettingValue> values) => _values = values;
}
