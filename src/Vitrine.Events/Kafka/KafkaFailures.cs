using Confluent.Kafka;

namespace Vitrine.Events.Kafka;

/// <summary>Says of each of Kafka's errors what kind it is, and what to do about it.</summary>
/// <remarks>The numbers are of <see href="https://kafka.apache.org/protocol.html#protocol_error_codes"/>; negative ones are librdkafka's own.</remarks>
internal static class KafkaFailures
{
    /// <summary>What kind an error is.</summary>
    public static EventLogFailure ClassOf(ErrorCode code) => code switch
    {
        ErrorCode.InvalidProducerEpoch or ErrorCode.ProducerFenced or ErrorCode.Local_Fenced or ErrorCode.FencedInstanceId or ErrorCode.IllegalGeneration
            or ErrorCode.UnknownMemberId or ErrorCode.TransactionCoordinatorFenced or ErrorCode.InvalidProducerIdMapping or ErrorCode.Local_AssignmentLost
            or ErrorCode.Local_MaxPollExceeded => EventLogFailure.Fenced,
        ErrorCode.TopicAuthorizationFailed or ErrorCode.GroupAuthorizationFailed or ErrorCode.ClusterAuthorizationFailed
            or ErrorCode.TransactionalIdAuthorizationFailed or ErrorCode.SaslAuthenticationFailed or ErrorCode.UnsupportedSaslMechanism
            or ErrorCode.IllegalSaslState or ErrorCode.Local_Authentication or ErrorCode.SecurityDisabled => EventLogFailure.Authorization,
        ErrorCode.Local_Transport or ErrorCode.Local_Resolve or ErrorCode.Local_AllBrokersDown or ErrorCode.Local_TimedOut or ErrorCode.Local_MsgTimedOut
            or ErrorCode.Local_TimedOutQueue or ErrorCode.Local_Ssl or ErrorCode.Local_WaitCoord or ErrorCode.NetworkException
            or ErrorCode.RequestTimedOut => EventLogFailure.Network,
        ErrorCode.LeaderNotAvailable or ErrorCode.NotLeaderForPartition or ErrorCode.BrokerNotAvailable or ErrorCode.ReplicaNotAvailable
            or ErrorCode.GroupLoadInProgress or ErrorCode.GroupCoordinatorNotAvailable or ErrorCode.NotCoordinatorForGroup
            or ErrorCode.NotEnoughReplicas or ErrorCode.NotEnoughReplicasAfterAppend or ErrorCode.RebalanceInProgress or ErrorCode.NotController
            or ErrorCode.ConcurrentTransactions or ErrorCode.KafkaStorageError or ErrorCode.ThrottlingQuotaExceeded or ErrorCode.UnstableOffsetCommit
            or ErrorCode.FencedLeaderEpoch or ErrorCode.UnknownLeaderEpoch or ErrorCode.OffsetNotAvailable or ErrorCode.PreferredLeaderNotAvailable
            or ErrorCode.EligibleLeadersNotAvailable or ErrorCode.StaleBrokerEpoch or ErrorCode.Local_IsrInsuff or ErrorCode.Local_QueueFull
            or ErrorCode.Local_Retry or ErrorCode.Local_InProgress or ErrorCode.Local_PrevInProgress => EventLogFailure.Broker,
        ErrorCode.MsgSizeTooLarge or ErrorCode.RecordListTooLarge or ErrorCode.InvalidMsg or ErrorCode.InvalidMsgSize or ErrorCode.InvalidRecord
            or ErrorCode.InvalidTimestamp or ErrorCode.Local_BadMsg => EventLogFailure.BadEvent,
        ErrorCode.UnknownTopicOrPart or ErrorCode.TopicException or ErrorCode.Local_UnknownTopic or ErrorCode.Local_UnknownPartition
            or ErrorCode.InvalidPartitions or ErrorCode.InvalidReplicationFactor or ErrorCode.PolicyViolation => EventLogFailure.Topic,
        _ => EventLogFailure.Unknown,
    };

    /// <summary>What to do about it; empty where the failure passes by itself, or nobody knows.</summary>
    public static string MendOf(ErrorCode code) => code switch
    {
        ErrorCode.TopicAuthorizationFailed => " Give the user the rights to read, write and describe the topics (kafka-acls --topic), and to make them.",
        ErrorCode.GroupAuthorizationFailed => " Give the user the right to read the group (kafka-acls --group).",
        ErrorCode.TransactionalIdAuthorizationFailed => " Give the user the right to write with transactional ids (kafka-acls --transactional-id).",
        ErrorCode.ClusterAuthorizationFailed => " Give the user the right to write idempotently and to make topics (kafka-acls --cluster).",
        ErrorCode.SaslAuthenticationFailed or ErrorCode.Local_Authentication => " Look at events.kafka.sasl-user and its password.",
        ErrorCode.UnsupportedSaslMechanism => " Take a way to sign in that the brokers offer: events.kafka.sasl.",
        ErrorCode.MsgSizeTooLarge or ErrorCode.RecordListTooLarge => " Allow larger ones: max.message.bytes of the topic, message.max.bytes of the brokers.",
        ErrorCode.UnknownTopicOrPart or ErrorCode.Local_UnknownTopic => " Make the topic, or let it be made: events.kafka.make-topics.",
        ErrorCode.InvalidReplicationFactor => " There are fewer brokers than copies: events.kafka.replication.",
        ErrorCode.Local_AllBrokersDown or ErrorCode.Local_Transport or ErrorCode.Local_Resolve or ErrorCode.Local_TimedOut or ErrorCode.Local_MsgTimedOut
            or ErrorCode.Local_Ssl => " «vitrine events doctor» finds out why.",
        _ => "",
    };

    /// <summary>The failure that an error is.</summary>
    /// <param name="error">As it was told.</param>
    /// <param name="what">What did not work, for people.</param>
    /// <param name="known">What was heard of the brokers last; a time that is over does not say why.</param>
    /// <param name="inner">What it was thrown as.</param>
    public static EventLogException From(Error error, string what, Error? known = null, Exception? inner = null)
    {
        bool isVague = error.Code is ErrorCode.Local_Transport or ErrorCode.Local_TimedOut or ErrorCode.Local_MsgTimedOut or ErrorCode.Local_AllBrokersDown or ErrorCode.Local_TimedOutQueue;
        Error cause = isVague && known is not null ? known : error;
        string reason = cause == error ? error.Reason : $"{error.Reason}; last heard: {cause.Reason}";
        return new(ClassOf(cause.Code), $"{what}: {reason.TrimEnd('.')}.{MendOf(cause.Code)}", inner);
    }
}
