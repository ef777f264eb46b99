using System.Threading.Tasks.Sources;

namespace Vitrine.Server.Sharing;

/// <summary>Wakes one waiter. Set while nobody waits, it lets the next wait pass at once; any number of sets before that count
/// as one. Allocates nothing after construction.</summary>
internal sealed class AsyncSignal : IValueTaskSource, IThreadPoolWorkItem
{
    private const int Idle = 0, Waiting = 1, Signalled = 2;

    private ManualResetValueTaskSourceCore<bool> _core;
    private int _state;

    /// <summary>Waits. One waiter at a time.</summary>
    public ValueTask WaitAsync()
    {
        _core.Reset();
        if (Interlocked.CompareExchange(ref _state, Waiting, Idle) == Signalled)
        {
            Interlocked.Exchange(ref _state, Idle);
            return default;
        }

        return new ValueTask(this, _core.Version);
    }

    /// <summary>Wakes the waiter.</summary>
    /// <param name="inline">Whether the waiter may run on this thread, before this returns: saves a hand-over between threads
    /// (20 to 60 µs on an idle machine) where the caller can spare the time.</param>
    public void Set(bool inline)
    {
        while (true)
        {
            // Each look is a full fence: what the caller wrote before is seen by the waiter, whoever of two setters wins.
            switch (Interlocked.CompareExchange(ref _state, Signalled, Idle))
            {
                case Idle or Signalled:
                    return;
                default:
                    if (Interlocked.CompareExchange(ref _state, Idle, Waiting) == Waiting)
                    {
                        if (inline)
                        {
                            _core.SetResult(true);
                        }
                        else
                        {
                            // Not RunContinuationsAsynchronously: that makes a work item for every hand-over.
                            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                        }

                        return;
                    }

                    break; // another setter was faster: the waiter may be waiting again, or about to
            }
        }
    }

    void IThreadPoolWorkItem.Execute() => _core.SetResult(true);

    void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}
