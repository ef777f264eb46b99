namespace Vitrine.Events;

/// <summary>A durable log of events: in a folder of this machine, or on Kafka. Code above it does not know which.</summary>
/// <remarks>Thread-safe.</remarks>
public interface IEventLog : IAsyncDisposable
{
    /// <summary>Where it is, for people.</summary>
    string Name { get; }

    /// <summary>Appends a batch: all of it or nothing, in its order.</summary>
    /// <param name="batch">Not empty; not to be changed until this has ended.</param>
    /// <param name="cancellationToken">Ends the wait. What has been taken may be kept all the same.</param>
    /// <returns>Where its first event stands, when all of it is durable.</returns>
    /// <exception cref="EventLogException">It is not kept, or may not be (<see cref="EventLogException.Failure"/>).</exception>
    ValueTask<EventPosition> AppendAsync(EventBatch batch, CancellationToken cancellationToken = default);

    /// <summary>Reads on its own, without a group.</summary>
    /// <param name="start">Where it begins.</param>
    /// <param name="topics">What is read; none: all.</param>
    IEventReader Read(EventStart start, params IReadOnlyList<string> topics);

    /// <summary>Becomes a member of a group, whose members share the events among themselves. Each event is given to one of them.</summary>
    /// <param name="group">Which, and how.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="EventLogException">The log refuses.</exception>
    ValueTask<IEventConsumer> JoinAsync(EventGroup group, CancellationToken cancellationToken = default);
}

/// <summary>Reads events in their order.</summary>
/// <remarks>One thread at a time.</remarks>
public interface IEventReader : IAsyncDisposable
{
    /// <summary>Events that were asked for and could not be read: damaged, or too old and removed.</summary>
    long Missed { get; }

    /// <summary>All that was there at the last look has been read.</summary>
    bool IsAtEnd { get; }

    /// <summary>Reads the next event that is there.</summary>
    /// <param name="record">Valid until the next call.</param>
    /// <returns>False: there is none now.</returns>
    /// <exception cref="EventLogException">It cannot be read.</exception>
    bool TryRead(out EventRecord record);

    /// <summary>Ends when it is worth to try again after <see cref="TryRead"/> has found none.</summary>
    /// <exception cref="EventLogException">There will be none.</exception>
    /// <exception cref="ObjectDisposedException">The log was closed.</exception>
    ValueTask WaitAsync(CancellationToken cancellationToken = default);
}

/// <summary>A member of a group.</summary>
/// <remarks>One thread at a time. Disposing leaves the group; what was not committed is another member's then.</remarks>
public interface IEventConsumer : IEventReader
{
    /// <summary>Events of its partitions that are there and were not read yet, as far as it knows.</summary>
    long Behind { get; }

    /// <summary>Reads nothing for a while, and stays a member: what cannot be worked on now must not be given to others, to whom the same happens.</summary>
    /// <param name="pause">How long.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="EventLogException">It is no member any more.</exception>
    ValueTask HoldAsync(TimeSpan pause, CancellationToken cancellationToken = default);

    /// <summary>What was read is done, up to and with the last event.</summary>
    /// <exception cref="EventLogException"><see cref="EventLogFailure.Fenced"/>: another member has its events now; it must stop. Else: nothing was
    /// committed, and it may be tried again.</exception>
    ValueTask CommitAsync(CancellationToken cancellationToken = default);

    /// <summary>What was read is done up to and with the last event, and this comes of it: both are durable together, or neither.</summary>
    /// <param name="outputs">Events; may be none. To be cleared afterwards; as it was when this fails.</param>
    /// <param name="states">What the member knows now, for whoever goes on: of all partitions, or of none. Without it events since the last time
    /// are read again by whoever goes on, to know as much (<see cref="EventRecord.IsDone"/>).</param>
    /// <param name="cancellationToken">Ends the wait. It may be durable all the same: the member must leave.</param>
    /// <exception cref="EventLogException">As above.</exception>
    ValueTask CommitAsync(EventBatch outputs, IReadOnlyList<PartitionState> states, CancellationToken cancellationToken = default);
}

/// <summary>What a member knows of the events of a partition, as it has written it down.</summary>
/// <param name="Partition">Of all topics of the group: what belongs together has the same key, and so the same partition.</param>
/// <param name="State">At most <see cref="EventBatch.StateBytesMax"/> bytes; empty: nothing.</param>
public readonly record struct PartitionState(int Partition, ReadOnlyMemory<byte> State);

/// <summary>When a member's progress is committed.</summary>
public enum CommitPolicy
{
    /// <summary>Every <see cref="EventGroup.CommitInterval"/>, what was read before the last event: an event may be read twice after a failure,
    /// and none is missed.</summary>
    Automatic,

    /// <summary>When <see cref="IEventConsumer.CommitAsync(CancellationToken)"/> says so.</summary>
    Manual,

    /// <summary>Together with what comes of it, and only so: exactly once.</summary>
    Transactional,
}

/// <summary>A group, and how to be a member of it. Whom it tells of partitions, it tells while the member joins, reads, waits or commits, on that
/// thread.</summary>
/// <param name="Name">1 to 249 letters, digits, <c>.</c>, <c>_</c> and <c>-</c>.</param>
/// <param name="Topics">What its members read.</param>
/// <param name="Policy">When progress is committed.</param>
public sealed record EventGroup(string Name, IReadOnlyList<string> Topics, CommitPolicy Policy)
{
    /// <summary>Where a new group begins.</summary>
    public EventStart Start { get; init; } = EventStart.Oldest;

    /// <summary>Of <see cref="CommitPolicy.Automatic"/>.</summary>
    public TimeSpan CommitInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Joins only while there are fewer members than partitions, and waits until then: one more would have nothing to read, and have all of
    /// them shared anew whenever it comes or goes. A log that cannot say how many there are lets it join.</summary>
    public bool StandsBy { get; init; }

    /// <summary>The member has got partitions, with what was known of them. Called before the first of their events is read.</summary>
    public Action<IReadOnlyList<PartitionState>>? Assigned { get; init; }

    /// <summary>The member is to give all its partitions back: it finishes what it has begun, and commits it, before this ends. It may then be given
    /// others, or the same. When it cannot commit any more, whoever gets them reads them again.</summary>
    public Func<IReadOnlyList<int>, ValueTask>? Revoked { get; init; }

    /// <summary>The member has lost all its partitions, and with them what it has not committed: to be thrown away.</summary>
    public Action<IReadOnlyList<int>>? Lost { get; init; }
}

/// <summary>What every reader can do.</summary>
public static class EventReading
{
    /// <summary>Reads the next event, and waits for it.</summary>
    /// <param name="reader">Reads it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Valid until the next call.</returns>
    public static async ValueTask<EventRecord> ReadAsync(this IEventReader reader, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reader);
        EventRecord record;
        while (!reader.TryRead(out record))
        {
            await reader.WaitAsync(cancellationToken);
        }

        return record;
    }

    /// <summary>Reads the next event of those that are there; what is on its way from another machine is waited for.</summary>
    /// <param name="reader">Reads it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Valid until the next call; null: all that are there were read.</returns>
    public static async ValueTask<EventRecord?> ReadThereAsync(this IEventReader reader, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reader);
        while (true)
        {
            if (reader.TryRead(out EventRecord record))
            {
                return record;
            }

            if (reader.IsAtEnd)
            {
                return null;
            }

            await reader.WaitAsync(cancellationToken);
        }
    }
}
