using Vitrine.Events;
using Vitrine.Events.Hosts;
using Vitrine.Events.Schemas;
using Vitrine.Transports.Calls;
using Vitrine.Wire;
using Vitrine.Wire.V1;

namespace Vitrine.Server.Service;

/// <summary><c>vitrine.v1.EventLog</c> (<c>protos/vitrine/v1/event_log.proto</c>): what the host keeps of what happened, for those who may
/// administer it, as <c>ListViewers</c>: it says who looked, and from where.</summary>
/// <remarks>Any thread. Whoever does not read holds up nobody but itself: each call has a reader of its own, and takes of the log what its caller
/// takes of it.</remarks>
/// <param name="events">Keeps them; null: nobody does.</param>
/// <param name="time">The clock.</param>
internal sealed class EventLogService(HostEvents? events, TimeProvider time)
{
    /// <summary>Calls at a time. Each holds at most 4 MiB of events, or 1,000 steps of figures.</summary>
    public const int CallsMax = 16;

    private const string Off = "This host keeps no events. Start it with --events on, and with a folder that it may write: --events-folder FOLDER.";

    /// <summary>A log is opened beside sharing, which does not wait for it.</summary>
    private static readonly TimeSpan s_openPatience = TimeSpan.FromSeconds(5);

    /// <summary>Figures that change together go out together.</summary>
    private static readonly TimeSpan s_figuresPause = TimeSpan.FromSeconds(1);

    private int _calls;

    /// <summary>For a <see cref="CallTable"/>.</summary>
    public IReadOnlyList<CallBinding> Bindings =>
    [
        new(Method("WatchEvents"), WatchEventsAsync),
        new(Method("GetTable"), GetTableAsync),
        new(Method("WatchFigures"), WatchFiguresAsync),
    ];

    private static CallMethod Method(string name) => new(EventLogReflection.Descriptor.Services[0].FindMethodByName(name), ViewerGrants.Administer);

    private async ValueTask WatchEventsAsync(ServerCall call)
    {
        EventQuery query = new();
        await call.ReadAsync(query);
        EventSearch search = new(query, time);
        await ServeAsync(call, async (log, format) =>
        {
            await using IEventReader reader = Open(log, search.Start, search.Topics);
            EventScan scan = new(reader, format, search);
            await WriteThoseThereAsync(scan, format, search, call.WriteAsync, call.Cancelled);
            scan.GoOn();
            while (query.Follow && !scan.IsOver)
            {
                while (await scan.NextAsync(call.Cancelled) is { } kept)
                {
                    await call.WriteAsync(kept);
                }

                await reader.WaitAsync(call.Cancelled);
            }
        });
    }

    private async ValueTask GetTableAsync(ServerCall call)
    {
        EventQuery query = new();
        await call.ReadAsync(query);
        if (query.Follow)
        {
            throw new CallException(CallStatusCode.InvalidArgument, "A table has an end: leave follow away.");
        }

        EventSearch search = new(query, time);
        await ServeAsync(call, async (log, format) =>
        {
            await using IEventReader reader = Open(log, search.Start, search.Topics);
            EventTable table = new();
            await WriteThoseThereAsync(new(reader, format, search), format, search, AddAsync, call.Cancelled);
            await call.WriteAsync(table.TakePart());

            ValueTask AddAsync(KeptEvent kept)
            {
                table.Add(kept);
                return table.IsFull ? call.WriteAsync(table.TakePart()) : default;
            }
        });
    }

    private async ValueTask WatchFiguresAsync(ServerCall call)
    {
        FiguresQuery query = new();
        await call.ReadAsync(query);
        EventFigures figures = new(query, time);
        await ServeAsync(call, async (log, format) =>
        {
            await using IEventReader reader = Open(log, EventStart.Since(figures.Since), figures.Topics);
            EventScan scan = new(reader, format, new(new() { Until = query.Until }, time));
            while (true)
            {
                while (await scan.NextAsync(call.Cancelled) is { } kept)
                {
                    if (kept.Event is { } happened)
                    {
                        figures.Add(happened, kept.Taken.ToDateTimeOffset());
                    }
                }

                await call.WriteAsync(figures.Take());
                if (!query.Follow || scan.IsOver)
                {
                    return;
                }

                scan.GoOn();
                await reader.WaitAsync(call.Cancelled);
                await Task.Delay(s_figuresPause, time, call.Cancelled);
            }
        });
    }

    private static async ValueTask WriteThoseThereAsync(
        EventScan scan, EventFormat<Event> format, EventSearch search, Func<KeptEvent, ValueTask> write, CancellationToken cancellationToken)
    {
        if (search.IsLast)
        {
            Queue<EventRecord> last = await scan.LastAsync(cancellationToken);
            while (last.TryDequeue(out EventRecord record))
            {
                await write(await KeptEvents.ReadAsync(format, record, cancellationToken));
            }

            return;
        }

        for (int i = 0; i < search.Limit && await scan.NextAsync(cancellationToken) is { } kept; i++)
        {
            await write(kept);
        }
    }

    private async ValueTask ServeAsync(ServerCall call, Func<IEventLog, EventFormat<Event>, Task> serve)
    {
        try
        {
            if (Interlocked.Increment(ref _calls) > CallsMax)
            {
                throw new CallException(CallStatusCode.ResourceExhausted, $"{CallsMax} readers of events are served at a time. Close another page of events.");
            }

            (IEventLog log, EventFormat<Event> format) = await OpenAsync(call.Cancelled);
            await serve(log, format);
        }
        catch (Exception exception) when (exception is EventLogException { Failure: EventLogFailure.Storage or EventLogFailure.Network or EventLogFailure.Broker } or SchemaStoreException)
        {
            throw new CallException(CallStatusCode.Unavailable, exception.Message, innerException: exception);
        }
        catch (EventLogException exception)
        {
            throw new CallException(CallStatusCode.FailedPrecondition, exception.Message, innerException: exception);
        }
        catch (ObjectDisposedException exception)
        {
            throw new CallException(CallStatusCode.Unavailable, "The host stops.", innerException: exception);
        }
        finally
        {
            Interlocked.Decrement(ref _calls);
        }
    }

    private async Task<(IEventLog Log, EventFormat<Event> Format)> OpenAsync(CancellationToken cancellationToken)
    {
        if (events is null)
        {
            throw new CallException(CallStatusCode.FailedPrecondition, Off);
        }

        try
        {
            return await events.Opened.WaitAsync(s_openPatience, cancellationToken);
        }
        catch (TimeoutException exception)
        {
            throw new CallException(CallStatusCode.Unavailable, "The log of events is still being opened.", innerException: exception);
        }
        catch (Exception exception) when (events.Opened.IsFaulted)
        {
            // Nobody tries again: the host has said so too, when it started.
            throw new CallException(CallStatusCode.FailedPrecondition, $"Events are not kept: {exception.Message}", innerException: exception);
        }
    }

    private static IEventReader Open(IEventLog log, EventStart start, IReadOnlyList<string> topics)
    {
        try
        {
            return log.Read(start, topics);
        }
        catch (ArgumentException exception)
        {
            throw new CallException(CallStatusCode.InvalidArgument, "The position is of another log than this one.", innerException: exception);
        }
    }
}
