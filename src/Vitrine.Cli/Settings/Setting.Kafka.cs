using System.Globalization;
using Vitrine.Events.Kafka;

namespace Vitrine.Cli.Settings;

/// <content>Those of events on Kafka.</content>
internal sealed partial class Setting
{
    private static readonly string[] s_compressions = [.. Enum.GetNames<KafkaCompression>().Select(name => name.ToLowerInvariant())];

    /// <summary>Parses <c>HOST:PORT,HOST:PORT</c>.</summary>
    public static bool TryParseBrokers(string text, out string[] hosts)
    {
        hosts = [];
        List<string> found = [];
        foreach (string broker in text.Split(',', StringSplitOptions.TrimEntries))
        {
            int colon = broker.LastIndexOf(':');
            string host = colon < 0 ? "" : broker[..colon];
            bool isBracketed = host.StartsWith('[') && host.EndsWith(']');
            UriHostNameType kind = Uri.CheckHostName(isBracketed ? host[1..^1] : host);
            if (kind == UriHostNameType.Unknown || isBracketed != (kind == UriHostNameType.IPv6) || !IsNumber(1, 65_535)(broker[(colon + 1)..]))
            {
                return false;
            }

            found.Add(host);
        }

        hosts = [.. found];
        return true;
    }

    private static IEnumerable<Setting> OfKafka()
    {
        KafkaOptions defaults = new() { Bootstrap = "" };
        const string Cluster = "cluster", Tls = "TLS", SigningIn = "signing in", Registry = "schema registry";
        const string SomeFile = "a file that exists", PemFile = "a PEM file that exists";
        return
        [
            Kafka(Cluster, "bootstrap", "HOST:PORT,...", "brokers to ask first; the others are learnt from them. Without it events are kept in a folder", "HOST:PORT, with commas between several, such as kafka-1:9092,kafka-2:9092", text => TryParseBrokers(text, out _)),
            Kafka(Cluster, "topic-prefix", "TEXT", "what the names of all topics begin with; may be empty", "up to 100 letters, digits, . _ and -", text => text.Length <= 100 && IsTopicText(text), defaults.TopicPrefix),
            Kafka(Cluster, "make-topics", "on|off", "whether topics that are not there are made", "on or off", text => text is "on" or "off", defaults.MakesTopics ? "on" : "off"),
            Kafka(Cluster, "partitions", "N", "of topics that are made: so many hosts can share the work on events", "1 to 1000", IsNumber(1, 1_000), Text(defaults.Partitions)),
            Kafka(Cluster, "replication", "N", "of topics that are made: so many brokers have a copy (default: as the cluster says)", "1 to 100", IsNumber(1, 100)),
            Kafka(Cluster, "compression", "NAME", "how events are compressed", string.Join(", ", s_compressions), text => s_compressions.Contains(text), s_compressions[(int)defaults.Compression], s_compressions),
            Kafka(Cluster, "linger-ms", "N", "how long to wait for more events before some are sent, in milliseconds", "0 to 500", IsNumber(0, 500), Text(defaults.Linger.TotalMilliseconds)),
            Kafka(Cluster, "delivery-timeout", "SECONDS", "how long an event may take until brokers have it, with all that is tried again", "1 to 3600, in seconds", IsNumber(1, 3_600), Text(defaults.DeliveryTimeout.TotalSeconds)),
            Kafka(Cluster, "session-timeout", "SECONDS", "after how long without a sign of life the work of a host goes to others; brokers take 6 to 1800 unless told otherwise", "1 to 1800, in seconds", IsNumber(1, 1_800), Text(defaults.SessionTimeout.TotalSeconds)),
            Kafka(Cluster, "client-id", "TEXT", "how logs and quotas of brokers name this program", "1 to 200 letters, digits, . _ and -", text => text.Length is >= 1 and <= 200 && IsTopicText(text), defaults.ClientId),

            Kafka(Tls, "tls", "on|off", "whether brokers are spoken to over TLS", "on or off", text => text is "on" or "off", "off"),
            Kafka(Tls, "tls-ca", "FILE", "authorities (PEM) that vouch for brokers (default: those of the system)", PemFile, File.Exists),
            Kafka(Tls, "tls-cert", "FILE", "certificate (PEM) to show to brokers", PemFile, File.Exists),
            Kafka(Tls, "tls-key", "FILE", "its private key (PEM)", PemFile, File.Exists, isSecretFile: true),
            Password(Tls, "tls-key-password", "password of the private key"),
            Kafka(Tls, "tls-key-password-file", "FILE", "file that holds it", SomeFile, File.Exists, isSecretFile: true),

            Kafka(SigningIn, "sasl", "NAME", "how to sign in; plain sends the password itself, over TLS only", string.Join(", ", KafkaSettings.SaslNames), text => KafkaSettings.SaslNames.Contains(text), KafkaSettings.NoSasl, KafkaSettings.SaslNames),
            Kafka(SigningIn, "sasl-user", "NAME", "who signs in", "a name", IsText(256)),
            Password(SigningIn, "sasl-password", "password of the user"),
            Kafka(SigningIn, "sasl-password-file", "FILE", "file that holds it", SomeFile, File.Exists, isSecretFile: true),

            Kafka(Registry, "registry", "URL", "where the schemas of events are (default: in a topic of the cluster)", "http://HOST:PORT or https://HOST:PORT; a path may follow, name and password have settings of their own", IsAddress),
            Kafka(Registry, "registry-user", "NAME", "who signs in there", "a name without a colon", text => IsText(256)(text) && !text.Contains(':')), // RFC 7617
            Password(Registry, "registry-password", "password of that user"),
            Kafka(Registry, "registry-password-file", "FILE", "file that holds it", SomeFile, File.Exists, isSecretFile: true),
            Kafka(Registry, "registry-ca", "FILE", "authorities (PEM) that vouch for the registry (default: those of the system)", PemFile, File.Exists),
        ];
    }

    private static Setting Kafka(
        string group, string name, string valueName, string description, string allowed, Func<string, bool> isValid,
        string? defaultValue = null, IReadOnlyList<string>? choices = null, bool isSecretFile = false)
    {
        Setting setting = new(KafkaSettings.Section + name, valueName, description, allowed, isValid)
        {
            Group = group,
            Default = defaultValue,
            Choices = choices ?? [],
            IsSecretFile = isSecretFile,
        };
        setting.Option!.Hidden = true;
        return setting;
    }

    private static Setting Password(string group, string name, string description) =>
        new(KafkaSettings.Section + name, "TEXT", description + "; no flag, since ps would show it", $"1 to {KafkaSettings.PasswordCharactersMax} characters in one line", KafkaSettings.IsPassword)
        {
            Group = group,
            IsSecret = true,
            Option = null,
        };

    private static bool IsTopicText(string text) => text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    private static bool IsAddress(string text) =>
        text.Length <= 2_000 && Uri.TryCreate(text, UriKind.Absolute, out Uri? address)
        && address is { Scheme: "http" or "https", Host.Length: > 0, UserInfo: "", Query: "", Fragment: "" };

    private static string Text(double number) => number.ToString(CultureInfo.InvariantCulture);
}
