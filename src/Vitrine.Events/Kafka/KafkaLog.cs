using Confluent.Kafka;
using Vitrine.Events.Schemas;

namespace Vitrine.Events.Kafka;

/// <summary>A log on a Kafka cluster. What is appended is acknowledged when all copies that are in step have it.</summary>
/// <remarks>
/// <para>Thread-safe. librdkafka's threads speak to the brokers, and try again what can be tried again.</para>
/// <para>Each topic has its order in each partition; events of one key are in one partition. A batch keeps its order there. Outside of a transaction
/// (<see cref="IEventConsumer.CommitAsync(EventBatch, IReadOnlyList{PartitionState}, CancellationToken)"/>) Kafka has nothing that takes a batch as a
/// whole: when an append fails, a part of it may be kept. None is kept twice.</para>
/// </remarks>
public sealed class KafkaLog : IEventLog
{
    private readonly KafkaSender _sender;
    private readonly IAdminClient _admin;
    private volatile Error? _lastHeard;

    private KafkaLog(KafkaOptions options)
    {
        Options = options;
        _sender = new(KafkaClients.Producer(options), Hear);
        _admin = new AdminClientBuilder(KafkaClients.Admin(options)).SetErrorHandler((_, error) => Hear(error)).SetLogHandler(Ignore).Build();
        Topics = new(options, _admin, () => _lastHeard);
    }

    /// <inheritdoc/>
    public string Name => $"Kafka at {Options.Bootstrap}";

    internal KafkaOptions Options { get; }

    internal KafkaTopics Topics { get; }

    /// <summary>What a client has heard of the brokers that was bad, last.</summary>
    internal Error? LastHeard => _lastHeard;

    /// <summary>Begins to speak to a cluster. That brokers are not reached is found by the first use: it may pass.</summary>
    /// <exception cref="EventLogException">The library is not there, or settings cannot be used.</exception>
    public static KafkaLog Open(KafkaOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        KafkaLibrary.Need();
        try
        {
            return new(options);
        }
        catch (Exception unusable) when (unusable is InvalidOperationException or ArgumentException or KafkaException)
        {
            throw new EventLogException(EventLogFailure.Unavailable, $"Kafka's settings cannot be used: {unusable.Message}", unusable);
        }
    }

    /// <summary>Opens the schemas of its events: in the registry that the settings name, else in a topic. The log stays open as long.</summary>
    public ISchemaStore OpenSchemas() => Options.Registry is { } registry ? new SchemaRegistryClient(registry) : new KafkaSchemaStore(this);

    /// <inheritdoc/>
    public async ValueTask<EventPosition> AppendAsync(EventBatch batch, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Count == 0)
        {
            throw new ArgumentException("The batch is empty.", nameof(batch));
        }

        try
        {
            EventPosition position = await KafkaDelivery.SendAsync(_sender, Topics, batch, cancellationToken);
            EventLogMeter.Ended(1, batch.Bytes, null);
            return position;
        }
        catch (KafkaException failed)
        {
            EventLogException refused = KafkaFailures.From(failed.Error, $"{batch.Count} events were not taken by {Name}", _lastHeard, failed);
            EventLogMeter.Ended(1, batch.Bytes, refused);
            throw refused;
        }
    }

    /// <inheritdoc/>
    public IEventReader Read(EventStart start, params IReadOnlyList<string> topics) => new KafkaLogReader(this, start, topics);

    /// <inheritdoc/>
    /// <remarks>Members share the partitions. A member that joins, or leaves, or dies, has them shared anew, after at most
    /// <see cref="KafkaOptions.SessionTimeout"/>.</remarks>
    public async ValueTask<IEventConsumer> JoinAsync(EventGroup group, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(group);
        return await KafkaConsumer.JoinAsync(this, group, cancellationToken);
    }

    /// <summary>Sends what waits, if that works at once, and ends; appends that are not answered by then have failed.</summary>
    public async ValueTask DisposeAsync()
    {
        await Task.Run(_sender.Dispose);
        _admin.Dispose();
    }

    /// <summary>Appends a record to one partition.</summary>
    /// <exception cref="EventLogException">It is not kept.</exception>
    internal async Task AppendToAsync(string topic, int partition, byte[] key, byte[] value, CancellationToken cancellationToken)
    {
        try
        {
            await KafkaDelivery.SendAsync(_sender, Topics.NameOf(topic), partition, key, value, cancellationToken);
        }
        catch (KafkaException failed)
        {
            throw KafkaFailures.From(failed.Error, $"{Topics.NameOf(topic)} was not written", LastHeard, failed);
        }
    }

    /// <summary>Ends when a group has fewer members than there are partitions, or nobody can say how many it has.</summary>
    /// <param name="group">Its name.</param>
    /// <param name="partitions">Of each of its topics.</param>
    /// <param name="interval">It looks again after one to two of them: who waits does not come back at the same moment as all others.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal async Task WaitForRoomAsync(string group, int partitions, TimeSpan interval, CancellationToken cancellationToken)
    {
        while (await Task.Run(() => MembersOf(group), cancellationToken) >= partitions)
        {
            await Task.Delay(interval * (1 + Random.Shared.NextDouble()), cancellationToken);
        }
    }

    // Null: not known. Whoever joins then hears what is wrong, if something is.
    private int? MembersOf(string group)
    {
        try
        {
            return _admin.ListGroup(Options.TopicPrefix + group, KafkaClients.QuestionTimeout)?.Members.Count;
        }
        catch (KafkaException)
        {
            return null;
        }
    }

    /// <summary>Makes a consumer that tells this log what it hears.</summary>
    internal ConsumerBuilder<byte[], byte[]> MakeConsumer(ConsumerConfig config) =>
        new ConsumerBuilder<byte[], byte[]>(config).SetErrorHandler((_, error) => Hear(error)).SetLogHandler(Ignore);

    /// <summary>Makes a producer that tells this log what it hears.</summary>
    internal IProducer<byte[], byte[]> MakeProducer(string transactionalId) =>
        new ProducerBuilder<byte[], byte[]>(KafkaClients.Producer(Options, transactionalId)).SetErrorHandler((_, error) => Hear(error)).SetLogHandler(Ignore).Build();

    // That all brokers are down follows from what was heard of each, and says less.
    private void Hear(Error error)
    {
        if (error.Code != ErrorCode.Local_AllBrokersDown)
        {
            _lastHeard = error;
        }
    }

    // What matters of it comes as an error too.
    private static void Ignore(object client, LogMessage message)
    {
    }
}
