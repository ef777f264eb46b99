using System.Diagnostics.Metrics;
using Google.Protobuf;
using Vitrine.Events.Schemas;

namespace Vitrine.Events.Processing;

/// <summary>Reads events, works on them, and appends what comes of it: each event counts once, whatever ends in between, because what comes
/// of it and how far it has come are durable together.</summary>
/// <remarks>
/// <para>The same on the embedded log and on Kafka. An event that cannot be read, or worked on, is put aside as a dead letter in the same
/// step. When the log fails for a while, nothing is committed, and it is tried again.</para>
/// <para>What workers know is written down every <see cref="ExactlyOnceOptions{TIn, TOut}.StateInterval"/>, and with all that comes of time passing. In
/// between only the place moves: whoever goes on reads the events since then again, without adding what has come of them.</para>
/// </remarks>
/// <typeparam name="TIn">What it reads.</typeparam>
/// <typeparam name="TOut">What comes of it.</typeparam>
/// <param name="log">Has the inputs, and takes the outputs.</param>
/// <param name="inputs">Reads them.</param>
/// <param name="outputs">Writes them.</param>
/// <param name="options">The group, and how.</param>
public sealed class ExactlyOnceProcessor<TIn, TOut>(IEventLog log, EventFormat<TIn> inputs, EventFormat<TOut> outputs, ExactlyOnceOptions<TIn, TOut> options)
    where TIn : class, IMessage<TIn>, new()
    where TOut : class, IMessage<TOut>, new()
{
    // Held below what a batch may have: an event's outputs are one step.
    private const int BatchBytesMax = EventBatch.StateBytesMax / 2;
    private const int BatchEventsMax = 1000;

    private static readonly Meter s_meter = new("vitrine", typeof(ExactlyOnceProcessor<,>).Assembly.GetName().Version?.ToString(3));
    private static readonly Counter<long> s_processed = s_meter.CreateCounter<long>("vitrine.events.processed", "{event}", "Events that were worked on, and committed.");
    private static readonly Counter<long> s_deadLetters = s_meter.CreateCounter<long>("vitrine.events.dead_letters", "{event}", "Events that were put aside; see the reason.");
    private static readonly Gauge<long> s_behind = s_meter.CreateGauge<long>("vitrine.events.behind", "{event}", "Events that a group has not worked on yet; see the group.");
    private static readonly Counter<long> s_retries = s_meter.CreateCounter<long>("vitrine.events.retries", "{attempt}", "Times that something was tried again because the log or the schemas failed.");

    private readonly SortedDictionary<int, EventWorker<TIn, TOut>> _workers = [];
    private readonly EventBatch _batch = new();
    private long _events; // in the batch
    private long _stateAt;
    private bool _savesState;
    private int _assignment; // of which what is in hand is
    private bool _isWorking; // what was read last is not worked on yet
    private bool _isOver;

    /// <summary>Events that were worked on, and committed.</summary>
    public long Processed { get; private set; }

    /// <summary>Works until it is told to end, or another member takes over.</summary>
    /// <param name="cancellationToken">Ends it, with <see cref="OperationCanceledException"/>, when what was begun is committed.</param>
    /// <exception cref="EventLogException">It must stop; <see cref="EventLogFailure.Fenced"/>: another one goes on.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        IEventConsumer? member = null;
        await using IEventConsumer consumer = member = await log.JoinAsync(
            new(options.Group, options.Topics, CommitPolicy.Transactional)
            {
                Start = options.Start,
                StandsBy = options.StandsBy,
                Assigned = Assign,
                Revoked = _ => GiveBackAsync(member!),
                Lost = _ => ThrowAway(),
            },
            cancellationToken);
        _stateAt = options.Time.GetTimestamp();
        try
        {
            while (true)
            {
                while (consumer.TryRead(out EventRecord record))
                {
                    await WorkAsync(consumer, record, cancellationToken);
                    if (_events >= BatchEventsMax || _batch.Bytes >= BatchBytesMax)
                    {
                        await CommitAsync(consumer, cancellationToken);
                    }
                }

                PassTime();
                await CommitAsync(consumer, cancellationToken);
                await WaitAsync(consumer, cancellationToken);
            }
        }
        finally
        {
            _isOver = true; // wherever it was: what is not committed is not
        }
    }

    private void Assign(IReadOnlyList<PartitionState> partitions)
    {
        foreach (PartitionState each in partitions)
        {
            EventWorker<TIn, TOut> worker = options.CreateWorker();
            if (!each.State.IsEmpty)
            {
                worker.Restore(each.State.Span);
            }

            _workers[each.Partition] = worker;
        }
    }

    // Once: while partitions are given back there is no time for a second try, and whoever gets them does the same work.
    private async ValueTask GiveBackAsync(IEventConsumer consumer)
    {
        if (!_isOver && !_isWorking && _workers.Count > 0)
        {
            try
            {
                _savesState = true;
                await consumer.CommitAsync(_batch, States());
                Count();
            }
            catch (EventLogException failed)
            {
                options.Retrying?.Invoke(failed);
            }
        }

        ThrowAway();
    }

    private void ThrowAway()
    {
        _workers.Clear();
        _batch.Clear();
        (_events, _savesState) = (0, false);
        _assignment++;
    }

    private async ValueTask WorkAsync(IEventConsumer consumer, EventRecord record, CancellationToken cancellationToken)
    {
        Outputs taken = new(this, isKept: !record.IsDone);
        int assignment = _assignment;
        _isWorking = true;
        try
        {
            TIn input = await RetryAsync(consumer, () => inputs.ReadAsync(record, cancellationToken), cancellationToken);
            if (assignment != _assignment)
            {
                _isWorking = false;
                return; // given back meanwhile: whoever has the partition now reads it
            }

            _workers[record.Position.Partition].Work(input, record, taken);
        }
        catch (Exception exception) when (EventFailurePolicy.ActionFor(exception) == FailureAction.DeadLetter)
        {
            if (!record.IsDone && assignment == _assignment)
            {
                options.AddDeadLetter(record, exception, taken);
                s_deadLetters.Add(1, new KeyValuePair<string, object?>("reason", exception is EventFormatException { Failure: var failure } ? Enum.GetName(failure)!.ToLowerInvariant() : "processing"));
            }
        }

        _isWorking = false;
        _events += record.IsDone || assignment != _assignment ? 0 : 1;
    }

    private void PassTime()
    {
        int before = _batch.Count;
        DateTimeOffset now = options.Time.GetUtcNow();
        foreach (EventWorker<TIn, TOut> worker in _workers.Values)
        {
            worker.PassTime(now, new Outputs(this, isKept: true));
        }

        // What comes of time does not come again from reading again.
        _savesState |= _batch.Count > before || options.Time.GetElapsedTime(_stateAt) >= options.StateInterval;
    }

    private async ValueTask CommitAsync(IEventConsumer consumer, CancellationToken cancellationToken)
    {
        if (_events == 0 && !_savesState)
        {
            return;
        }

        await RetryAsync(
            consumer,
            async () =>
            {
                // Anew each time: partitions may have been given back in between, and all of it with them.
                await consumer.CommitAsync(_batch, States(), cancellationToken);
                return true;
            },
            cancellationToken);
        Count();
        s_behind.Record(consumer.Behind, new KeyValuePair<string, object?>("group", options.Group));
    }

    private PartitionState[] States() => _savesState ? [.. _workers.Select(each => new PartitionState(each.Key, each.Value.Save()))] : [];

    // What was begun is durable.
    private void Count()
    {
        s_processed.Add(_events);
        Processed += _events;
        _batch.Clear();
        _events = 0;
        if (_savesState)
        {
            (_savesState, _stateAt) = (false, options.Time.GetTimestamp());
        }
    }

    // Until there are more events, and no longer than until time has to pass.
    private async ValueTask WaitAsync(IEventConsumer consumer, CancellationToken cancellationToken)
    {
        using CancellationTokenSource tick = new(options.TickInterval, options.Time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, tick.Token);
        try
        {
            await consumer.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (tick.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // Time passes.
        }
    }

    private async ValueTask<T> RetryAsync<T>(IEventConsumer consumer, Func<ValueTask<T>> action, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await action();
            }
            catch (Exception exception) when (EventFailurePolicy.ActionFor(exception) == FailureAction.Retry)
            {
                s_retries.Add(1);
                options.Retrying?.Invoke(exception);
                await consumer.HoldAsync(EventFailurePolicy.PauseBefore(attempt, Random.Shared.NextDouble()), cancellationToken);
            }
        }
    }

    private readonly struct Outputs(ExactlyOnceProcessor<TIn, TOut> processor, bool isKept) : IEventOutputs<TOut>
    {
        public void Add(string topic, ReadOnlySpan<byte> key, TOut output)
        {
            if (isKept)
            {
                processor.Write(topic, key, output);
            }
        }
    }

    private void Write(string topic, ReadOnlySpan<byte> key, TOut output) => outputs.Write(_batch, topic, key, output);
}

/// <summary>How a processor works.</summary>
/// <param name="Group">Its name, for ever: it has the place.</param>
/// <param name="Topics">What it reads.</param>
/// <param name="CreateWorker">Makes a worker for a partition.</param>
/// <param name="AddDeadLetter">Puts an event aside.</param>
public sealed record ExactlyOnceOptions<TIn, TOut>(
    string Group, IReadOnlyList<string> Topics, Func<EventWorker<TIn, TOut>> CreateWorker, Action<EventRecord, Exception, IEventOutputs<TOut>> AddDeadLetter)
    where TIn : class, IMessage<TIn>, new()
    where TOut : class, IMessage<TOut>, new()
{
    /// <summary>Where a new group begins.</summary>
    public EventStart Start { get; init; } = EventStart.Oldest;

    /// <inheritdoc cref="EventGroup.StandsBy"/>
    public bool StandsBy { get; init; }

    /// <summary>How often workers are told that time passes, while there are no events.</summary>
    public TimeSpan TickInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often what workers know is written down.</summary>
    public TimeSpan StateInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Is told of what failed and is tried again.</summary>
    public Action<Exception>? Retrying { get; init; }

    /// <summary>What the time is told by.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
