using System.Runtime.InteropServices;

namespace Vitrine.Events.Kafka;

/// <summary>Makes Confluent.Kafka use the system's librdkafka, and says so when there is none.</summary>
/// <remarks>Confluent.Kafka 1.9.3 with librdkafka 2.0.2 (Debian 12) and later: the wire is spoken by librdkafka, and only calls that both know are used.</remarks>
public static class KafkaLibrary
{
    /// <summary>Debian's name of what has it.</summary>
    public const string Package = "librdkafka1";

    private const string Name = "librdkafka.so.1";
    private const int VersionLeast = 0x02000200; // 2.0.2, as rd_kafka_version gives it: major, minor, revision, pre-release

    private static readonly Lazy<string?> s_missing = new(Bind);

    /// <summary>Why there is no Kafka here, with the mend; null: there is.</summary>
    public static string? Missing => s_missing.Value;

    /// <summary>Its version; null where there is none.</summary>
    public static string? Version => Missing is null ? Confluent.Kafka.Library.VersionString : null;

    /// <summary>To be called before anything of Confluent.Kafka's is touched.</summary>
    /// <exception cref="EventLogException">It is not there, or too old.</exception>
    internal static void Need()
    {
        if (Missing is { } why)
        {
            throw new EventLogException(EventLogFailure.Unavailable, why);
        }
    }

    private static string? Bind()
    {
        if (!NativeLibrary.TryLoad(Name, out nint library))
        {
            return $"Kafka needs {Name}, which is not installed: apt-get install {Package}.";
        }

        // Its own search would look for copies that come in a package for each system; none of them is used.
        NativeLibrary.SetDllImportResolver(typeof(Confluent.Kafka.Library).Assembly, (name, _, _) => name == "librdkafka" ? library : 0);
        return Confluent.Kafka.Library.Version >= VersionLeast
            ? null
            : $"Kafka needs librdkafka 2.0.2 or later; {Confluent.Kafka.Library.VersionString} is installed: apt-get install {Package}.";
    }
}
