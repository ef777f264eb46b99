using Confluent.Kafka;

namespace Vitrine.Events.Kafka;

/// <summary>What clients of a cluster are told, by kind.</summary>
internal static class KafkaClients
{
    /// <summary>A batch of ours, and what Kafka says about it.</summary>
    public const int MessageBytesMax = EventBatch.BytesMax + (64 << 10);

    // librdkafka's own value, said because it counts: a consumer that has this much fetched does not ask again for a second.
    private const int ReadAheadKilobytesMax = 64 << 10;

    /// <summary>How long one question to the brokers may take.</summary>
    public static readonly TimeSpan QuestionTimeout = TimeSpan.FromSeconds(10);

    public static ProducerConfig Producer(KafkaOptions options, string? transactionalId = null) => new(Common(options))
    {
        EnableIdempotence = true, // and with it acks=all, and the order of a partition
        LingerMs = options.Linger.TotalMilliseconds,
        CompressionType = Enum.Parse<CompressionType>(options.Compression.ToString()),
        MessageTimeoutMs = (int)options.DeliveryTimeout.TotalMilliseconds,
        Partitioner = Partitioner.Murmur2Random, // as Java's clients: events of one key are together, whoever writes them
        DeliveryReportFields = "status",
        TransactionalId = transactionalId,
        TransactionTimeoutMs = transactionalId is null ? null : (int)options.DeliveryTimeout.TotalMilliseconds,
    };

    /// <param name="options">Of the cluster.</param>
    /// <param name="group">Of which it is a member; readers on their own say one that is never committed to.</param>
    /// <param name="policy">When its progress is committed; null: never.</param>
    /// <param name="commitInterval">Of <see cref="CommitPolicy.Automatic"/>.</param>
    public static ConsumerConfig Consumer(KafkaOptions options, string group, CommitPolicy? policy = null, TimeSpan commitInterval = default) => new(Common(options))
    {
        GroupId = group,
        EnableAutoCommit = policy == CommitPolicy.Automatic,
        AutoCommitIntervalMs = policy == CommitPolicy.Automatic ? (int)commitInterval.TotalMilliseconds : null,
        EnableAutoOffsetStore = false,
        AutoOffsetReset = AutoOffsetReset.Error, // what was removed is counted, not passed over in silence
        IsolationLevel = IsolationLevel.ReadCommitted,
        PartitionAssignmentStrategy = PartitionAssignmentStrategy.Range, // the same partition of all topics to the same member
        SessionTimeoutMs = (int)options.SessionTimeout.TotalMilliseconds,
        QueuedMaxMessagesKbytes = ReadAheadKilobytesMax,
        FetchWaitMaxMs = 100,
        AllowAutoCreateTopics = false,
        EnablePartitionEof = true,
        ConsumeResultFields = "timestamp,topic", // nobody asks for the headers of each
    };

    public static AdminClientConfig Admin(KafkaOptions options) => new(Common(options));

    private static ClientConfig Common(KafkaOptions options)
    {
        ClientConfig config = new()
        {
            BootstrapServers = options.Bootstrap,
            ClientId = options.ClientId,
            MessageMaxBytes = MessageBytesMax,
            SocketKeepaliveEnable = true,
            ReconnectBackoffMaxMs = 2000,
            SecurityProtocol = (options.Tls, options.Sasl) switch
            {
                (null, null) => SecurityProtocol.Plaintext,
                (null, _) => SecurityProtocol.SaslPlaintext,
                (_, null) => SecurityProtocol.Ssl,
                _ => SecurityProtocol.SaslSsl,
            },
        };
        if (options.Tls is { } tls)
        {
            config.SslCaLocation = tls.AuthoritiesFile;
            config.SslCertificateLocation = tls.CertificateFile;
            config.SslKeyLocation = tls.KeyFile;
            config.SslKeyPassword = tls.KeyPassword;
            config.SslEndpointIdentificationAlgorithm = SslEndpointIdentificationAlgorithm.Https;
        }

        if (options.Sasl is { } sasl)
        {
            config.SaslMechanism = Enum.Parse<SaslMechanism>(sasl.Mechanism.ToString());
            (config.SaslUsername, config.SaslPassword) = (sasl.User, sasl.Password);
        }

        return config;
    }
}
