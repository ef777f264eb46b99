namespace Vitrine.Transports.Calls;

/// <summary>What a call holds of its peer's room for requests: that of the message which is being read, or was read last.</summary>
/// <remarks>Not thread-safe. Room is taken for all of a message before more of it is read than <see cref="UncountedBytes"/>: what was let in
/// can be read to its end, and never waits for another that is half read.</remarks>
internal sealed class RequestHold
{
    /// <summary>Messages up to this size take no room: what all streams of a connection have of them is bounded by their number.</summary>
    public const int UncountedBytes = 16 << 10;

    private PeerConnection? _connection;

    /// <summary>What it holds.</summary>
    public int Bytes { get; private set; }

    /// <summary>Whether it holds anything.</summary>
    public bool IsTaken => Bytes > 0;

    /// <summary>Begins a call.</summary>
    /// <param name="connection">Null: nobody counts.</param>
    public void Begin(PeerConnection? connection) => _connection = connection;

    /// <summary>Takes room for a message, or waits for it. What is held already is kept.</summary>
    /// <param name="bytes">Of memory, while it is read and served.</param>
    /// <param name="over">Ends the wait.</param>
    /// <exception cref="CallException"><see cref="CallStatusCode.ResourceExhausted"/>: there was none for too long.</exception>
    /// <exception cref="OperationCanceledException">By the token.</exception>
    public ValueTask TakeAsync(long bytes, CancellationToken over) =>
        _connection is null || bytes <= UncountedBytes ? default : TakeCountedAsync((int)Math.Min(bytes, int.MaxValue), over);

    /// <summary>It turned out to need only so much.</summary>
    public void Lower(long bytes)
    {
        if (bytes < Bytes)
        {
            _connection!.Requests.Release(Bytes - (int)bytes);
            Bytes = (int)bytes;
        }
    }

    /// <summary>The message is done with.</summary>
    public void GiveBack() => Lower(0);

    private async ValueTask TakeCountedAsync(int bytes, CancellationToken over)
    {
        await _connection!.TakeRequestAsync(bytes, over);
        Bytes += bytes;
    }
}
