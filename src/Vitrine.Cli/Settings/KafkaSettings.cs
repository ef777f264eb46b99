using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Vitrine.Events.Kafka;

namespace Vitrine.Cli.Settings;

/// <summary>What is below <c>events.kafka</c>. Its defaults come with the layers, from <see cref="Setting.Default"/>.</summary>
internal sealed class KafkaSettings
{
    /// <summary>What the names of these settings begin with.</summary>
    public const string Section = "events.kafka.";

    public const string NoSasl = "none";
    public const int PasswordCharactersMax = 4_096;

    private static readonly string[] s_mechanisms = [.. Enum.GetValues<KafkaSaslMechanism>().Select(mechanism => KafkaSasl.NameOf(mechanism).ToLowerInvariant())];

    /// <summary>Values of <c>sasl</c>.</summary>
    public static readonly string[] SaslNames = [NoSasl, .. s_mechanisms];

    public string? Bootstrap { get; set; }

    public string TopicPrefix { get; set; } = "";

    /// <summary>«on» or «off».</summary>
    public string MakeTopics { get; set; } = "";

    public int Partitions { get; set; }

    public int? Replication { get; set; }

    public string Compression { get; set; } = "";

    public int LingerMs { get; set; }

    /// <summary>Seconds.</summary>
    public int DeliveryTimeout { get; set; }

    /// <summary>Seconds.</summary>
    public int SessionTimeout { get; set; }

    public string ClientId { get; set; } = "";

    /// <summary>«on» or «off».</summary>
    public string Tls { get; set; } = "";

    public string? TlsCa { get; set; }

    public string? TlsCert { get; set; }

    public string? TlsKey { get; set; }

    public string? TlsKeyPassword { get; set; }

    public string? TlsKeyPasswordFile { get; set; }

    /// <summary>One of <see cref="SaslNames"/>.</summary>
    public string Sasl { get; set; } = "";

    public string? SaslUser { get; set; }

    public string? SaslPassword { get; set; }

    public string? SaslPasswordFile { get; set; }

    public string? Registry { get; set; }

    public string? RegistryUser { get; set; }

    public string? RegistryPassword { get; set; }

    public string? RegistryPasswordFile { get; set; }

    public string? RegistryCa { get; set; }

    /// <summary>Whether a text can be a password.</summary>
    public static bool IsPassword(string text) => text.Length is >= 1 and <= PasswordCharactersMax && !text.Any(char.IsControl);

    /// <summary>What no setting shows by itself.</summary>
    /// <returns>The first fault, or null.</returns>
    public static SettingError? CheckTogether(ShareSettings settings)
    {
        KafkaSettings kafka = settings.EventsKafka;
        bool hasTls = kafka.Tls == "on";
        bool hasSasl = kafka.Sasl != NoSasl;
        string[] hosts = kafka.Bootstrap is { } brokers && Setting.TryParseBrokers(brokers, out string[] parsed) ? parsed : [];
        bool registryIsSafe = kafka.Registry is null || new Uri(kafka.Registry) is { Scheme: "https" } or { IsLoopback: true };
        string[] sasl = hasSasl ? ["sasl"] : [];
        IReadOnlyList<Setting> known = Setting.Some(Section[..^1]);
        string[] everything = [.. known.Select(setting => setting.Name[Section.Length..]).Where(name => hasSasl || name != "sasl")];

        // Whoever gives one of the names needs something else, for a reason.
        (string[] Names, bool HasWhatItNeeds, string Need, string Reason)[] needs =
        [
            (everything, kafka.Bootstrap is not null, "bootstrap: HOST:PORT", "Without brokers to ask first, events are kept in a folder."),
            (["tls-ca", "tls-cert", "tls-key", "tls-key-password", "tls-key-password-file"], hasTls, "tls: on", "Brokers are spoken to without TLS unless it is asked for."),
            (["tls-cert"], kafka.TlsKey is not null, "tls-key: FILE", "A certificate and its private key belong together."),
            (["tls-key"], kafka.TlsCert is not null, "tls-cert: FILE", "A certificate and its private key belong together."),
            (["tls-key-password", "tls-key-password-file"], kafka.TlsKey is not null, "tls-key: FILE", "It is the password of that key."),
            (["sasl-user", "sasl-password", "sasl-password-file"], hasSasl, $"sasl: {string.Join(", ", s_mechanisms.SkipLast(1))} or {s_mechanisms[^1]}", "Nobody signs in unless it is said how."),
            (sasl, kafka.SaslUser is not null, "sasl-user: NAME", "Who signs in has a name and a password."),
            (sasl, (kafka.SaslPassword ?? kafka.SaslPasswordFile) is not null, "sasl-password-file: FILE, or sasl-password", "Who signs in has a name and a password."),
            (kafka.Sasl == "plain" ? sasl : [], hasTls || hosts.All(IsLoopback), "tls: on", "The password itself is sent, and everybody on the way to the brokers could read it; scram-sha-512 does not send it."),
            (["registry-user", "registry-password", "registry-password-file", "registry-ca"], kafka.Registry is not null, "registry: URL", "It is for the registry of schemas alone."),
            (["registry-user"], (kafka.RegistryPassword ?? kafka.RegistryPasswordFile) is not null, "registry-password-file: FILE, or registry-password", "Who signs in has a name and a password."),
            (["registry-password", "registry-password-file"], kafka.RegistryUser is not null, "registry-user: NAME", "Who signs in has a name and a password."),
            (["registry-user"], registryIsSafe, "registry: https://HOST:PORT", "The password itself is sent, and everybody on the way to the registry could read it."),
            (["registry-ca"], kafka.Registry is null || kafka.Registry.StartsWith("https:", StringComparison.OrdinalIgnoreCase), "registry: https://HOST:PORT", "Without TLS nobody shows a certificate."),
        ];
        foreach ((string[] names, bool hasWhatItNeeds, string need, string reason) in needs)
        {
            if (!hasWhatItNeeds && Given(settings, names) is (var name, var value))
            {
                string shown = known.First(setting => setting.Name == Section + name).Show(value.Text);
                return new($"{Section}{name}: {shown} needs {Section}{need}.", $"It comes from {value.Origin}. {reason}", $"Give that as well, or leave {Section}{name} out.");
            }
        }

        foreach (string name in (string[])["tls-key-password", "sasl-password", "registry-password"])
        {
            if (Given(settings, name) is (_, var inPlace) && Given(settings, name + "-file") is (_, var inFile))
            {
                return new($"{Section}{name} and {Section}{name}-file are given together.", $"They come from {inPlace.Origin}, and from {inFile.Origin}.", "Keep one of them.");
            }
        }

        return null;
    }

    /// <summary>What the library of events takes, with what is in the files of passwords and certificates.</summary>
    /// <param name="settings">Checked.</param>
    /// <param name="options">Null without <c>events.kafka.bootstrap</c>, and after an error.</param>
    /// <returns>The first error, or null.</returns>
    public static SettingError? TryMakeOptions(ShareSettings settings, out KafkaOptions? options)
    {
        options = null;
        KafkaSettings kafka = settings.EventsKafka;
        if (kafka.Bootstrap is null)
        {
            return null;
        }

        SettingError? error = null;
        string? keyPassword = Password("tls-key-password", kafka.TlsKeyPassword, kafka.TlsKeyPasswordFile);
        string? saslPassword = Password("sasl-password", kafka.SaslPassword, kafka.SaslPasswordFile);
        string? registryPassword = Password("registry-password", kafka.RegistryPassword, kafka.RegistryPasswordFile);
        X509Certificate2Collection registryAuthorities = Certificates("registry-ca", kafka.RegistryCa);
        // Read by librdkafka later; here it can still be said which file it was.
        _ = Certificates("tls-ca", kafka.TlsCa);
        _ = Certificates("tls-cert", kafka.TlsCert);
        if (error is not null)
        {
            return error;
        }

        options = new()
        {
            Bootstrap = string.Join(',', kafka.Bootstrap.Split(',', StringSplitOptions.TrimEntries)),
            ClientId = kafka.ClientId,
            TopicPrefix = kafka.TopicPrefix,
            MakesTopics = kafka.MakeTopics == "on",
            Partitions = kafka.Partitions,
            Replication = (short?)kafka.Replication,
            Compression = Enum.Parse<KafkaCompression>(kafka.Compression, ignoreCase: true),
            Linger = TimeSpan.FromMilliseconds(kafka.LingerMs),
            DeliveryTimeout = TimeSpan.FromSeconds(kafka.DeliveryTimeout),
            SessionTimeout = TimeSpan.FromSeconds(kafka.SessionTimeout),
            Tls = kafka.Tls == "on"
                ? new() { AuthoritiesFile = kafka.TlsCa, CertificateFile = kafka.TlsCert, KeyFile = kafka.TlsKey, KeyPassword = keyPassword }
                : null,
            Sasl = KafkaSasl.TryParse(kafka.Sasl, out KafkaSaslMechanism mechanism) ? new(mechanism, kafka.SaslUser!, saslPassword!) : null,
            Registry = kafka.Registry is null ? null : new()
            {
                Address = new(kafka.Registry),
                Credentials = kafka.RegistryUser is null ? null : new(kafka.RegistryUser, registryPassword),
                TrustedAuthorities = registryAuthorities,
            },
        };
        return null;

        string? Password(string name, string? given, string? file)
        {
            if (file is not null)
            {
                error ??= TryReadPassword(file, settings.Find($"{Section}{name}-file")!.Origin, out given);
            }

            return given;
        }

        X509Certificate2Collection Certificates(string name, string? file)
        {
            X509Certificate2Collection certificates = [];
            if (file is not null)
            {
                error ??= TryReadCertificates(file, settings.Find(Section + name)!.Origin, certificates);
            }

            return certificates;
        }
    }

    private static SettingError? TryReadPassword(string file, string origin, out string? password)
    {
        password = null;
        try
        {
            using StreamReader reader = new(file);
            char[] start = new char[PasswordCharactersMax + 3]; // one too many, and the end of a line
            string text = new(start, 0, reader.ReadBlock(start));
            text = text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
            password = text;
            return IsPassword(text)
                ? null
                : new($"{file} {(text.Length == 0 ? "is empty" : "holds no password")}.", $"It comes from {origin}.", $"The file holds one line: a password of 1 to {PasswordCharactersMax} characters.");
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return new($"{file} cannot be read.", $"It comes from {origin}. {unreadable.Message}", "The file holds one line: a password. This user must be able to read it.");
        }
    }

    private static SettingError? TryReadCertificates(string file, string origin, X509Certificate2Collection certificates)
    {
        string fault = "";
        try
        {
            certificates.ImportFromPemFile(file);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException or CryptographicException)
        {
            fault = " " + unreadable.Message;
        }

        return certificates.Count > 0
            ? null
            : new($"{file} holds no certificate.", $"It comes from {origin}.{fault}", "Allowed: a PEM file with «-----BEGIN CERTIFICATE-----» in it.");
    }

    private static bool IsLoopback(string host) =>
        host == "localhost" || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));

    /// <summary>The first of these settings that somebody gave.</summary>
    private static (string Name, SettingValue Value)? Given(ShareSettings settings, params string[] names)
    {
        foreach (string name in names)
        {
            if (settings.Find(Section + name) is { Origin: not SettingValue.Default } value)
            {
                return (name, value);
            }
        }

        return null;
    }
}
