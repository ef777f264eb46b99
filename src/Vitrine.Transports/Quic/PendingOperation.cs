using System.Threading.Tasks.Sources;

namespace Vitrine.Transports.Quic;

/// <summary>What somebody awaits: made once, used again and again. One at a time.</summary>
/// <param name="runsInline">Whether the one who waits goes on inside the call that ends the wait.</param>
internal sealed class PendingOperation<T>(bool runsInline) : IValueTaskSource<T>, IValueTaskSource
{
    private ManualResetValueTaskSourceCore<T> _core = new() { RunContinuationsAsynchronously = !runsInline };

    /// <summary>Begins a wait.</summary>
    public ValueTask<T> Begin()
    {
        _core.Reset();
        return new(this, _core.Version);
    }

    /// <summary>Begins a wait without a result.</summary>
    public ValueTask BeginVoid()
    {
        _core.Reset();
        return new(this, _core.Version);
    }

    /// <summary>Ends the wait.</summary>
    public void SetResult(T result) => _core.SetResult(result);

    /// <summary>Ends the wait with a failure.</summary>
    public void SetException(Exception exception) => _core.SetException(exception);

    /// <inheritdoc/>
    public T GetResult(short token) => _core.GetResult(token);

    /// <inheritdoc/>
    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    /// <inheritdoc/>
    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource.GetResult(short token) => _core.GetResult(token);
}
