namespace Vitrine.Events.Embedded;

/// <summary>The member of a group on an <see cref="EmbeddedLog"/>.</summary>
internal sealed class EmbeddedConsumer(EmbeddedLog log, EventGroup group) : IEventConsumer
{
    private const int Partition = 0;

    private readonly SemaphoreSlim _gate = new(1); // one commit at a time, and none while another member takes over
    private readonly CancellationTokenSource _over = new();
    private readonly EventBatch _progress = new();
    private EmbeddedReader? _reader;
    private ITimer? _timer;
    private EventPlace _committed; // the gate's
    private long _doneBefore; // what is before it was done by an earlier member
    private long _done; // before the event that was read last; the timer commits it
    private volatile bool _isFenced;
    private int _isLostTold;

    public EventGroup Group => group;

    public long Missed => _reader!.Missed;

    public bool IsAtEnd => _reader!.IsAtEnd;

    /// <summary>Begins where the group is. Afterwards it may be fenced at any time.</summary>
    public void Begin()
    {
        bool isNew = !log.TryGetPlace(group.Name, out _committed, out ReadOnlyMemory<byte> state);
        _reader = log.Read(isNew ? group.Start : EventStart.At(EventPosition.Embedded(_committed.From)), group.Topics);
        _committed = isNew ? EventPlace.At(_reader.Offset) : _committed;
        (_done, _doneBefore) = (_reader.Offset, _committed.Done);
        group.Assigned?.Invoke([new(Partition, state)]);
        if (group.Policy == CommitPolicy.Automatic)
        {
            _timer = log.Options.Time.CreateTimer(static member => ((EmbeddedConsumer)member!).CommitOnTime(), this, group.CommitInterval, group.CommitInterval);
        }
    }

    public bool TryRead(out EventRecord record)
    {
        if (_isFenced)
        {
            throw Fenced();
        }

        // The one before it is done: who reads on says so.
        Volatile.Write(ref _done, _reader!.Offset);
        if (!_reader.TryRead(out record))
        {
            Volatile.Write(ref _done, _reader.Offset);
            return false;
        }

        if (record.Offset < _doneBefore)
        {
            record = record with { IsDone = true };
        }

        return true;
    }

    public async ValueTask WaitAsync(CancellationToken cancellationToken = default)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _over.Token);
        try
        {
            await _reader!.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (_isFenced)
        {
            throw Fenced();
        }
    }

    public long Behind => Math.Max(0, log.EndOffset - _reader!.Offset);

    public async ValueTask HoldAsync(TimeSpan pause, CancellationToken cancellationToken = default)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _over.Token);
        try
        {
            await Task.Delay(pause, log.Options.Time, either.Token);
        }
        catch (OperationCanceledException) when (_isFenced)
        {
            throw Fenced();
        }
    }

    public ValueTask CommitAsync(CancellationToken cancellationToken = default)
    {
        if (group.Policy == CommitPolicy.Transactional)
        {
            throw new InvalidOperationException($"The group {group.Name} commits together with what comes of the events.");
        }

        _progress.Clear();
        return WriteAsync(_progress, _reader!.Offset, null, cancellationToken);
    }

    public ValueTask CommitAsync(EventBatch outputs, IReadOnlyList<PartitionState> states, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        ArgumentNullException.ThrowIfNull(states);
        foreach (PartitionState state in states)
        {
            ArgumentOutOfRangeException.ThrowIfNotEqual(state.Partition, Partition, nameof(states));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(state.State.Length, EventBatch.StateBytesMax, nameof(states));
        }

        return WriteAsync(outputs, _reader!.Offset, states, cancellationToken);
    }

    /// <summary>Another member takes over: from when this has ended, nothing of this one's is committed any more.</summary>
    public async ValueTask FenceAsync()
    {
        await _gate.WaitAsync();
        _isFenced = true;
        _gate.Release();
        await _over.CancelAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await (_timer?.DisposeAsync() ?? default);
        if (group.Policy == CommitPolicy.Automatic && !_isFenced)
        {
            await CommitOnTimeAsync();
        }

        log.Leave(this);
        _reader?.Dispose();
    }

    /// <param name="outputs">What comes of it; as it was when this fails.</param>
    /// <param name="done">Up to here.</param>
    /// <param name="states">What is known there; none: events since the last time are needed again. Null: none is ever needed.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    private async ValueTask WriteAsync(EventBatch outputs, long done, IReadOnlyList<PartitionState>? states, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        EventBatch.Mark before = outputs.Now;
        try
        {
            if (_isFenced)
            {
                throw Fenced();
            }

            // What is read again was done before: it is not done less.
            EventPlace place = new(states is { Count: 0 } ? _committed.From : done, Math.Max(done, _committed.Done));
            foreach (PartitionState state in states ?? [])
            {
                outputs.AddState(group.Name, state.State.ToArray());
            }

            if (outputs.Bytes == 0 && place == _committed)
            {
                return;
            }

            outputs.AddPlace(group.Name, place);
            await log.AppendAsync(outputs, cancellationToken);
            _committed = place;
        }
        catch
        {
            outputs.Rewind(before);
            throw;
        }
        finally
        {
            _gate.Release();
        }
    }

    private void CommitOnTime() => _ = CommitOnTimeAsync();

    private async Task CommitOnTimeAsync()
    {
        try
        {
            await WriteAsync(new(), Volatile.Read(ref _done), null, CancellationToken.None);
        }
        catch (Exception exception) when (exception is EventLogException or ObjectDisposedException)
        {
            EventLogMeter.NotCommitted.Add(1); // counted; the next time has all of it
        }
    }

    // On the thread of whoever reads.
    private EventLogException Fenced()
    {
        if (Interlocked.Exchange(ref _isLostTold, 1) == 0)
        {
            group.Lost?.Invoke([Partition]);
        }

        return new(EventLogFailure.Fenced, $"Another member of the group {group.Name} has its events now.");
    }
}
