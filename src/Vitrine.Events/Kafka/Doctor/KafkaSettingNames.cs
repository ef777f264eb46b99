namespace Vitrine.Events.Kafka.Doctor;

/// <summary>Names of the settings that <see cref="KafkaOptions"/> is made of, as users write them in <c>vitrine.yaml</c>.</summary>
public static class KafkaSettingNames
{
    /// <summary>The file that they stand in.</summary>
    public const string FileName = "vitrine.yaml";

    /// <summary>Of <see cref="KafkaOptions.Bootstrap"/>.</summary>
    public const string Bootstrap = "events.kafka.bootstrap";

    /// <summary>Of <see cref="KafkaOptions.TopicPrefix"/>.</summary>
    public const string TopicPrefix = "events.kafka.topic-prefix";

    /// <summary>Of <see cref="KafkaOptions.MakesTopics"/>: on, off.</summary>
    public const string MakesTopics = "events.kafka.make-topics";

    /// <summary>Of <see cref="KafkaOptions.Partitions"/>.</summary>
    public const string Partitions = "events.kafka.partitions";

    /// <summary>Of <see cref="KafkaOptions.Replication"/>.</summary>
    public const string Replication = "events.kafka.replication";

    /// <summary>Of <see cref="KafkaOptions.SessionTimeout"/>, in seconds.</summary>
    public const string SessionTimeout = "events.kafka.session-timeout";

    /// <summary>Of <see cref="KafkaOptions.Tls"/>: on, off.</summary>
    public const string Tls = "events.kafka.tls";

    /// <summary>Of <see cref="KafkaTls.AuthoritiesFile"/>.</summary>
    public const string Authorities = "events.kafka.tls-ca";

    /// <summary>Of <see cref="KafkaTls.CertificateFile"/>.</summary>
    public const string Certificate = "events.kafka.tls-cert";

    /// <summary>Of <see cref="KafkaTls.KeyFile"/>.</summary>
    public const string Key = "events.kafka.tls-key";

    /// <summary>Of <see cref="KafkaTls.KeyPassword"/>.</summary>
    public const string KeyPassword = "events.kafka.tls-key-password";

    /// <summary>Of <see cref="KafkaSasl.Mechanism"/>: none, plain, scram-sha-256, scram-sha-512.</summary>
    public const string Sasl = "events.kafka.sasl";

    /// <summary>Of <see cref="KafkaSasl.User"/>.</summary>
    public const string User = "events.kafka.sasl-user";

    /// <summary>Of <see cref="KafkaSasl.Password"/>.</summary>
    public const string Password = "events.kafka.sasl-password";

    /// <summary>Of <see cref="KafkaOptions.Registry"/>.</summary>
    public const string Registry = "events.kafka.registry";

    /// <summary>Who signs in at the registry.</summary>
    public const string RegistryUser = "events.kafka.registry-user";

    /// <summary>File with the password of that user.</summary>
    public const string RegistryPasswordFile = "events.kafka.registry-password-file";
}
