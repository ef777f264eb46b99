namespace Vitrine.Transports.Calls;

/// <summary>Bounds the memory of messages: answers that wait to be taken by who asked for them, and requests that are read. Whoever wants
/// to make or to read another one waits until there is room for it, in the order of asking.</summary>
/// <remarks>Thread-safe. A message larger than all of the room is let in when nothing else is there.</remarks>
/// <param name="bytesMax">All the room.</param>
/// <param name="around">What takes from the same again, such as a peer's room around those of its connections; null: nothing.</param>
internal sealed class MessageRoom(long bytesMax, MessageRoom? around)
{
    private readonly Lock _lock = new();
    private readonly Queue<(TaskCompletionSource Admitted, int Bytes)> _waiting = new();
    private long _bytes;

    /// <summary>Taken now.</summary>
    public long Bytes
    {
        get
        {
            lock (_lock)
            {
                return _bytes;
            }
        }
    }

    /// <summary>Takes room, or waits for it.</summary>
    /// <param name="bytes">As much is given back by <see cref="Release"/>.</param>
    /// <param name="cancellation">Ends the wait: nothing is taken.</param>
    public ValueTask TakeAsync(int bytes, CancellationToken cancellation) => TryTake(bytes) ? default : WaitAsync(bytes, cancellation);

    /// <summary>Takes room that is there.</summary>
    /// <returns>False: there is none, or others wait for it.</returns>
    public bool TryTake(int bytes)
    {
        if (!TryTakeOwn(bytes))
        {
            return false;
        }

        if (around is null || around.TryTake(bytes))
        {
            return true;
        }

        ReleaseOwn(bytes);
        return false;
    }

    /// <summary>Gives room back.</summary>
    public void Release(int bytes)
    {
        ReleaseOwn(bytes);
        around?.Release(bytes);
    }

    private async ValueTask WaitAsync(int bytes, CancellationToken cancellation)
    {
        await WaitOwnAsync(bytes, cancellation);
        if (around is not null)
        {
            try
            {
                await around.TakeAsync(bytes, cancellation);
            }
            catch (OperationCanceledException)
            {
                ReleaseOwn(bytes);
                throw;
            }
        }
    }

    private async ValueTask WaitOwnAsync(int bytes, CancellationToken cancellation)
    {
        TaskCompletionSource admitted = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_waiting.Count == 0 && Fits(bytes))
            {
                _bytes += bytes;
                return;
            }

            _waiting.Enqueue((admitted, bytes));
        }

        // Who gives up stays in the queue until its turn, and is passed over then.
        await using CancellationTokenRegistration giveUp = cancellation.UnsafeRegister(static (task, token) => ((TaskCompletionSource)task!).TrySetCanceled(token), admitted);
        await admitted.Task;

        // To the end of the pool's queue. Who gives room back would else admit the next one before all that others have to do, and so on:
        // the news that the connection of all of them is gone would come last.
        await Task.Yield();
    }

    private bool TryTakeOwn(int bytes)
    {
        lock (_lock)
        {
            if (_waiting.Count > 0 || !Fits(bytes))
            {
                return false;
            }

            _bytes += bytes;
            return true;
        }
    }

    private bool Fits(int bytes) => _bytes == 0 || _bytes + bytes <= bytesMax;

    private void ReleaseOwn(int bytes)
    {
        lock (_lock)
        {
            _bytes -= bytes;
            while (_waiting.TryPeek(out (TaskCompletionSource Admitted, int Bytes) next) && (next.Admitted.Task.IsCompleted || Fits(next.Bytes)))
            {
                _waiting.Dequeue();
                if (next.Admitted.TrySetResult())
                {
                    _bytes += next.Bytes;
                }
            }
        }
    }
}
