namespace Vitrine.Events.Kafka.Doctor;

/// <summary>Requests of Kafka's protocol that are used or looked for here, by their number.</summary>
internal enum KafkaApi : short
{
    Produce = 0,
    Fetch = 1,
    Metadata = 3,
    FindCoordinator = 10,
    JoinGroup = 11,
    LeaveGroup = 13,
    SaslHandshake = 17,
    ApiVersions = 18,
    CreateTopics = 19,
    DeleteTopics = 20,
    InitProducerId = 22,
    AddPartitionsToTxn = 24,
    EndTxn = 26,
    TxnOffsetCommit = 28,
    DescribeConfigs = 32,
    DescribeLogDirs = 35,
    SaslAuthenticate = 36,
    Vote = 52,
}

/// <summary>Answers of brokers that something is not as it should be, by their number; those that are told apart or named here.</summary>
internal enum KafkaError : short
{
    UnknownServerError = -1,
    None = 0,
    UnknownTopicOrPartition = 3,
    LeaderNotAvailable = 5,
    NotLeaderOrFollower = 6,
    RequestTimedOut = 7,
    MessageTooLarge = 10,
    CoordinatorLoadInProgress = 14,
    CoordinatorNotAvailable = 15,
    NotCoordinator = 16,
    InvalidTopicException = 17,
    NotEnoughReplicas = 19,
    NotEnoughReplicasAfterAppend = 20,
    InvalidSessionTimeout = 26,
    TopicAuthorizationFailed = 29,
    GroupAuthorizationFailed = 30,
    ClusterAuthorizationFailed = 31,
    InvalidTimestamp = 32,
    UnsupportedSaslMechanism = 33,
    IllegalSaslState = 34,
    UnsupportedVersion = 35,
    TopicAlreadyExists = 36,
    InvalidPartitions = 37,
    InvalidReplicationFactor = 38,
    NotController = 41,
    PolicyViolation = 44,
    InvalidTransactionTimeout = 50,
    ConcurrentTransactions = 51,
    TransactionalIdAuthorizationFailed = 53,
    KafkaStorageError = 56,
    SaslAuthenticationFailed = 58,
    TopicDeletionDisabled = 73,
    MemberIdRequired = 79,
    InvalidRecord = 87,
    ThrottlingQuotaExceeded = 89,
}

/// <summary>Rights on a topic, as bits of what Metadata says of them (from Kafka 2.3 on).</summary>
[Flags]
internal enum KafkaRights
{
    None = 0,
    Read = 1 << 3,
    Write = 1 << 4,
}
