using Vitrine.Events.Schemas;

namespace Vitrine.Events.Kafka;

/// <summary>Where a Kafka cluster is, how it is spoken to, and what the topics of a fleet are like.</summary>
public sealed record KafkaOptions
{
    /// <summary>Of <see cref="TopicPrefix"/>.</summary>
    public const string DefaultTopicPrefix = "vitrine.";

    /// <summary>Of <see cref="Partitions"/>.</summary>
    public const int DefaultPartitions = 6;

    /// <summary>Brokers to ask first, with commas between them: <c>kafka-1:9092,kafka-2:9092</c>. The others are learnt from them.</summary>
    public required string Bootstrap { get; init; }

    /// <summary>How the brokers' logs and quotas name this program.</summary>
    public string ClientId { get; init; } = "vitrine";

    /// <summary>What the names of all topics begin with; may be empty.</summary>
    public string TopicPrefix { get; init; } = DefaultTopicPrefix;

    /// <summary>Whether topics that are not there are made. Without it they must be there.</summary>
    public bool MakesTopics { get; init; } = true;

    /// <summary>Of topics that are made: how many members of a group can share the work. All topics must have the same number.</summary>
    public int Partitions { get; init; } = DefaultPartitions;

    /// <summary>Of topics that are made: how many brokers have a copy; null: as the cluster says.</summary>
    public short? Replication { get; init; }

    /// <summary>How events are compressed.</summary>
    public KafkaCompression Compression { get; init; } = KafkaCompression.Lz4;

    /// <summary>How long a producer waits for more events before it sends.</summary>
    public TimeSpan Linger { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>How long an append may take, with all that is tried again, before it has failed.</summary>
    public TimeSpan DeliveryTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>After how long without a sign of life a group gives a member's partitions to others.</summary>
    public TimeSpan SessionTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Null: without TLS, readable by everybody on the way.</summary>
    public KafkaTls? Tls { get; init; }

    /// <summary>Null: nobody signs in.</summary>
    public KafkaSasl? Sasl { get; init; }

    /// <summary>Where the schemas are; null: in a topic of the cluster (<see cref="KafkaSchemaStore"/>).</summary>
    public SchemaRegistryOptions? Registry { get; init; }

    /// <summary>The cluster that tests and laboratories are given by the environment: <c>VITRINE_KAFKA_BOOTSTRAP</c>, <c>VITRINE_KAFKA_TLS</c> (<c>on</c>),
    /// <c>VITRINE_KAFKA_TLS_CA</c>, <c>_CERT</c>,
    /// <c>_KEY</c>, <c>_KEY_PASSWORD</c>, <c>VITRINE_KAFKA_SASL_MECHANISM</c> (<c>PLAIN</c>, <c>SCRAM-SHA-256</c> or, unless said, <c>SCRAM-SHA-512</c>), <c>_USER</c>,
    /// <c>_PASSWORD</c>.</summary>
    /// <param name="bootstrap">In place of the variable; null: as it says.</param>
    /// <returns>Null: none is given.</returns>
    /// <exception cref="EventLogException">There is no such way to sign in.</exception>
    public static KafkaOptions? FromEnvironment(string? bootstrap = null)
    {
        static string? Of(string name) => Environment.GetEnvironmentVariable("VITRINE_KAFKA_" + name) is { Length: > 0 } value ? value : null;
        if ((bootstrap ?? Of("BOOTSTRAP")) is not { } brokers)
        {
            return null;
        }

        string mechanism = Of("SASL_MECHANISM") ?? KafkaSasl.NameOf(KafkaSaslMechanism.ScramSha512);
        if (!KafkaSasl.TryParse(mechanism, out KafkaSaslMechanism way))
        {
            throw new EventLogException(
                EventLogFailure.Unavailable, $"VITRINE_KAFKA_SASL_MECHANISM is «{mechanism}»; allowed: {string.Join(", ", Enum.GetValues<KafkaSaslMechanism>().Select(KafkaSasl.NameOf))}.");
        }

        return new()
        {
            Bootstrap = brokers,
            Tls = Of("TLS") == "on" || Of("TLS_CA") is not null
                ? new() { AuthoritiesFile = Of("TLS_CA"), CertificateFile = Of("TLS_CERT"), KeyFile = Of("TLS_KEY"), KeyPassword = Of("TLS_KEY_PASSWORD") }
                : null,
            Sasl = Of("SASL_USER") is { } user ? new(way, user, Of("SASL_PASSWORD") ?? "") : null,
        };
    }
}

/// <summary>How the brokers are known, and how they know us.</summary>
public sealed record KafkaTls
{
    /// <summary>File of the authorities (PEM) whose word counts; null: those of the system.</summary>
    public string? AuthoritiesFile { get; init; }

    /// <summary>File of our certificate (PEM), where brokers ask for one; null: none.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>File of its private key (PEM).</summary>
    public string? KeyFile { get; init; }

    /// <summary>Of the private key; null: it has none. Never logged.</summary>
    public string? KeyPassword { get; init; }

    /// <summary>Without the password.</summary>
    public override string ToString() => $"authorities {AuthoritiesFile ?? "of the system"}, certificate {CertificateFile ?? "none"}";
}

/// <summary>How we sign in.</summary>
/// <param name="Mechanism">Which way.</param>
/// <param name="User">Who.</param>
/// <param name="Password">Never logged.</param>
public sealed record KafkaSasl(KafkaSaslMechanism Mechanism, string User, string Password)
{
    /// <summary>As brokers call a mechanism (<c>sasl.enabled.mechanisms</c>).</summary>
    public static string NameOf(KafkaSaslMechanism mechanism) => mechanism switch
    {
        KafkaSaslMechanism.ScramSha256 => "SCRAM-SHA-256",
        KafkaSaslMechanism.ScramSha512 => "SCRAM-SHA-512",
        _ => "PLAIN",
    };

    /// <summary>Reads such a name, whatever the case of its letters.</summary>
    public static bool TryParse(string name, out KafkaSaslMechanism mechanism)
    {
        foreach (KafkaSaslMechanism each in Enum.GetValues<KafkaSaslMechanism>())
        {
            mechanism = each;
            if (string.Equals(name, NameOf(each), StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        mechanism = default;
        return false;
    }

    /// <summary>Without the password.</summary>
    public override string ToString() => $"{User}, {NameOf(Mechanism)}";
}

/// <summary>Ways to sign in.</summary>
public enum KafkaSaslMechanism
{
    /// <summary>The password itself is sent: with TLS only (RFC 4616).</summary>
    Plain,

    /// <summary>SCRAM-SHA-256 (RFC 7677).</summary>
    ScramSha256,

    /// <summary>SCRAM-SHA-512.</summary>
    ScramSha512,
}

/// <summary>How events are compressed on the way to Kafka and in it.</summary>
public enum KafkaCompression
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>Smallest with old brokers, at the cost of the processor.</summary>
    Gzip,

    /// <summary>Snappy.</summary>
    Snappy,

    /// <summary>LZ4: costs least.</summary>
    Lz4,

    /// <summary>Zstandard: smallest; brokers from 2.1 on.</summary>
    Zstd,
}
