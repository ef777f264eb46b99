using Vitrine.Events;
using Vitrine.Events.Hosts;
using Vitrine.Events.Schemas;
using Vitrine.Transports.Calls;
using Vitrine.Wire.V1;

namespace Vitrine.Server.Service;

/// <summary>Reads what a search asks for.</summary>
/// <remarks>One thread at a time. What it looks at of the events that are there is bounded, and others have a turn in between.</remarks>
/// <param name="reader">Reads the topics of the search, from its start on; borrowed.</param>
/// <param name="format">Reads the events.</param>
/// <param name="search">What is asked for.</param>
/// <param name="scannedMax">Events that it looks at.</param>
internal sealed class EventScan(IEventReader reader, EventFormat<Event> format, EventSearch search, int scannedMax = EventScan.ScannedMax)
{
    /// <summary>Events that one call looks at: some seconds of a processor when all of them are read.</summary>
    public const int ScannedMax = 1_000_000;

    /// <summary>Bytes of the last ones that are held.</summary>
    private const int HeldBytesMax = 4 << 20;

    private const int ScannedATurn = 256;

    private int _scanned;

    /// <summary>Whether a search with an end has come to it.</summary>
    public bool IsOver { get; private set; }

    /// <summary>The next one that is there.</summary>
    /// <returns>Null: there is none now.</returns>
    /// <exception cref="CallException"><see cref="CallStatusCode.OutOfRange"/>: it has looked at as many as it may.</exception>
    public async ValueTask<KeptEvent?> NextAsync(CancellationToken cancellationToken)
    {
        while (!IsOver && await reader.ReadThereAsync(cancellationToken) is { } record)
        {
            await CountAsync(record, cancellationToken);
            if (search.IsBeyond(record))
            {
                IsOver = true;
            }
            else if (search.Holds(record) && await KeptEvents.ReadAsync(format, record, cancellationToken) is var kept && search.Holds(kept))
            {
                return kept;
            }
        }

        return null;
    }

    /// <summary>The last ones of those that are there, in their order. They are held as they stand in the log, and read again when they are wanted.</summary>
    /// <exception cref="CallException">As above.</exception>
    public async Task<Queue<EventRecord>> LastAsync(CancellationToken cancellationToken)
    {
        Queue<EventRecord> last = new();
        long bytes = 0;
        while (!IsOver && await reader.ReadThereAsync(cancellationToken) is { } record)
        {
            await CountAsync(record, cancellationToken);
            if (search.IsBeyond(record))
            {
                IsOver = true;
            }
            else if (search.Holds(record) && (!search.LooksInside || search.Holds(await KeptEvents.ReadAsync(format, record, cancellationToken))))
            {
                last.Enqueue(record with { Key = default, Value = record.Value.ToArray() });
                bytes += record.Value.Length;
                while (last.Count > search.Limit || (bytes > HeldBytesMax && last.Count > 1))
                {
                    bytes -= last.Dequeue().Value.Length;
                }
            }
        }

        return last;
    }

    /// <summary>From now on what comes is looked at, which has no end.</summary>
    public void GoOn() => _scanned = int.MinValue;

    private async ValueTask CountAsync(EventRecord record, CancellationToken cancellationToken)
    {
        if (++_scanned > scannedMax)
        {
            throw new CallException(
                CallStatusCode.OutOfRange,
                $"{scannedMax} events were looked at, and there are more. Ask for less time or fewer topics, or go on with from={record.Position}.");
        }

        if (_scanned % ScannedATurn == 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
