using System.Collections.Concurrent;
using System.Globalization;
using Confluent.Kafka;
using Confluent.Kafka.Admin;

namespace Vitrine.Events.Kafka;

/// <summary>The topics of a fleet on a cluster: how they are called there, and that they are there.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class KafkaTopics(KafkaOptions options, IAdminClient admin, Func<Error?> lastHeard)
{
    /// <summary>What members of groups know, by group and partition.</summary>
    public const string States = "group-states";

    /// <summary>Schemas, where there is no registry for them (<see cref="KafkaSchemaStore"/>).</summary>
    public const string Schemas = "schemas";

    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(50);

    private readonly ConcurrentDictionary<string, int> _partitions = new();

    /// <summary>As the cluster calls it.</summary>
    public string NameOf(string topic) => options.TopicPrefix + topic;

    /// <summary>As the cluster does not call it.</summary>
    public string TopicOf(string name) => name.StartsWith(options.TopicPrefix, StringComparison.Ordinal) ? name[options.TopicPrefix.Length..] : name;

    /// <summary>Has a topic there, and says how many partitions it has.</summary>
    /// <exception cref="EventLogException">It is not there, and may not be made, or nobody answers.</exception>
    public ValueTask<int> NeedAsync(string topic, CancellationToken cancellationToken) =>
        _partitions.TryGetValue(topic, out int partitions) ? new(partitions) : new(MakeAsync(topic, cancellationToken));

    /// <summary>Those of the fleet that are there, but for <see cref="States"/> and <see cref="Schemas"/>.</summary>
    public async Task<IReadOnlyList<string>> AllAsync(CancellationToken cancellationToken) =>
        [.. (await DescribeAsync(cancellationToken)).Topics
            .Where(each => each.Topic.StartsWith(options.TopicPrefix, StringComparison.Ordinal) && !each.Topic.StartsWith("__", StringComparison.Ordinal))
            .Select(each => TopicOf(each.Topic)).Where(topic => topic is not (States or Schemas)).Order(StringComparer.Ordinal)];

    private async Task<int> MakeAsync(string topic, CancellationToken cancellationToken)
    {
        string name = NameOf(topic);
        if (PartitionsOf(await DescribeAsync(cancellationToken), name) is not { } partitions)
        {
            if (!options.MakesTopics)
            {
                throw new EventLogException(EventLogFailure.Topic, $"There is no topic {name}, and events.kafka.make-topics is off: make it, with {options.Partitions} partitions.");
            }

            await CreateAsync(topic, name);
            long until = Environment.TickCount64 + (long)KafkaClients.QuestionTimeout.TotalMilliseconds;
            while ((partitions = PartitionsOf(await DescribeAsync(cancellationToken, name), name) ?? 0) == 0)
            {
                if (Environment.TickCount64 > until)
                {
                    throw new EventLogException(EventLogFailure.Topic, $"The topic {name} was asked for, and does not come. «vitrine events doctor» finds out why.");
                }

                await Task.Delay(s_look, cancellationToken);
            }
        }

        return _partitions[topic] = partitions;
    }

    private async Task CreateAsync(string topic, string name)
    {
        TopicSpecification wanted = new()
        {
            Name = name,
            NumPartitions = options.Partitions,
            ReplicationFactor = options.Replication ?? (short)-1,
            Configs = topic switch
            {
                States => new() { ["cleanup.policy"] = "compact", ["max.message.bytes"] = KafkaClients.MessageBytesMax.ToString(CultureInfo.InvariantCulture) },
                Schemas => new() { ["cleanup.policy"] = "delete", ["retention.ms"] = "-1", ["retention.bytes"] = "-1" },
                _ => new() { ["message.timestamp.type"] = "LogAppendTime" }, // as the log took it, whatever the clocks of hosts say
            },
        };
        try
        {
            await admin.CreateTopicsAsync([wanted], new() { RequestTimeout = KafkaClients.QuestionTimeout, OperationTimeout = KafkaClients.QuestionTimeout });
        }
        catch (KafkaException failed)
        {
            Error error = failed is CreateTopicsException refused ? refused.Results[0].Error : failed.Error;
            if (error.Code is not (ErrorCode.TopicAlreadyExists or ErrorCode.Local_UnsupportedFeature or ErrorCode.Local_TimedOut))
            {
                throw KafkaFailures.From(error, $"The topic {name} cannot be made", lastHeard(), failed);
            }

            // Another one has made it this moment; or there is no controller to ask, and brokers may make it when they are asked about it.
        }
    }

    // Asking about one topic lets brokers make it that do so.
    private async Task<Metadata> DescribeAsync(CancellationToken cancellationToken, string? name = null)
    {
        try
        {
            return await Task.Run(() => name is null ? admin.GetMetadata(KafkaClients.QuestionTimeout) : admin.GetMetadata(name, KafkaClients.QuestionTimeout), cancellationToken);
        }
        catch (KafkaException failed)
        {
            throw KafkaFailures.From(failed.Error, $"Kafka at {options.Bootstrap} does not say which topics there are", lastHeard(), failed);
        }
    }

    private static int? PartitionsOf(Metadata metadata, string name)
    {
        TopicMetadata? found = metadata.Topics.Find(each => each.Topic == name);
        return found switch
        {
            null or { Error.Code: ErrorCode.UnknownTopicOrPart or ErrorCode.LeaderNotAvailable } => null,
            { Error.IsError: true } => throw KafkaFailures.From(found.Error, $"The topic {name} cannot be used"),
            { Partitions.Count: 0 } => null,
            _ => found.Partitions.Count,
        };
    }
}
