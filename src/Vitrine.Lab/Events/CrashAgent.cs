using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Vitrine.Events;
using Vitrine.Events.Embedded;
using Vitrine.Events.Hosts;
using Vitrine.Events.Processing;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Lab.Events;

/// <summary>The processes that the crash series kills: one that appends and works on events, and one that reads what comes of it. Each is told what
/// to do in a line, and writes a line for each thing it has done; a line counts when its end is there.</summary>
public static class CrashAgent
{
    /// <summary>Ends a line: one that was torn has none.</summary>
    internal const char End = '.';

    internal const string Inputs = EventTopics.Errors, Outputs = EventTopics.Alerts;

    private const int Lanes = 4;

    /// <summary>Owns the log, appends numbers, and works on them. Told the log (<see cref="NamedLog"/>) and the first number, says <c>opened MILLISECONDS</c>, then <c>kept
    /// NUMBER</c> for each that is acknowledged.</summary>
    public static async Task KeepAsync(TextReader input, TextWriter output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        string[] order = (await input.ReadLineAsync(cancellationToken) ?? "").Split('\t');
        long next = long.Parse(order[1], CultureInfo.InvariantCulture), begun = Stopwatch.GetTimestamp();
        await using NamedLog opened = NamedLog.Open(order[0]);
        double openedMs = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
        (IEventLog log, EventFormat<Event> format) = (opened.Log, opened.Format);
        await format.RegisterAsync(EventTopics.All, cancellationToken);
        using Lines lines = new(output);
        lines.Write(string.Create(CultureInfo.InvariantCulture, $"opened {openedMs}"));
        Task processing = Task.Run(() => ProcessAsync(log, format, cancellationToken), cancellationToken);
        Task[] lanes = [.. Enumerable.Range(0, Lanes).Select(lane => Task.Run(
            async () =>
            {
                EventStamp stamp = Stamp($"lane-{lane}");
                EventBatch batch = new();
                while (!cancellationToken.IsCancellationRequested)
                {
                    int count = Random.Shared.Next(1, 6);
                    long first = Interlocked.Add(ref next, count) - count;
                    batch.Clear();
                    for (long number = first; number < first + count; number++)
                    {
                        Event happened = stamp.New();
                        happened.ErrorOccurred = new() { Message = number.ToString(CultureInfo.InvariantCulture) };
                        format.Write(batch, Inputs, stamp.Key, happened);
                    }

                    await log.AppendAsync(batch, cancellationToken);
                    for (long number = first; number < first + count; number++)
                    {
                        lines.Write(string.Create(CultureInfo.InvariantCulture, $"kept {number}"));
                    }
                }
            },
            cancellationToken))];
        await await Task.WhenAny([processing, .. lanes]);
    }

    /// <summary>Reads what comes of the numbers, beside their owner. Told the log and a position, says <c>read POSITION NUMBER SUM</c>.</summary>
    public static async Task FollowAsync(TextReader input, TextWriter output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        string[] order = (await input.ReadLineAsync(cancellationToken) ?? "").Split('\t');
        await using KeptLog opened = NamedLog.OpenToRead(order[0]);
        await using IEventReader reader = opened.Read(EventStart.At(EventPosition.Parse(order[1])), Outputs);
        EventFormat<Event> format = opened.Format;
        using Lines lines = new(output);
        lines.Write("opened");
        while (true)
        {
            EventRecord record = await reader.ReadAsync(cancellationToken);
            EventPosition position = record.Position;
            ErrorOccurred sum = (await format.ReadAsync(record, cancellationToken)).ErrorOccurred;
            lines.Write($"read {position} {sum.Message} {sum.Part}");
        }
    }

    internal static EventStamp Stamp(string host) => new(new EventSource { HostId = host, HostName = host, SessionId = host }, TimeProvider.System);

    /// <summary>Adds the numbers up.</summary>
    internal static ExactlyOnceProcessor<Event, Event> Processor(IEventLog log, EventFormat<Event> format)
    {
        EventStamp stamp = Stamp("sums");
        return new(log, format, format, new("sums", [Inputs], () => new Sums(stamp), new DeadLetters(stamp, "sums").Add)
        {
            StateInterval = TimeSpan.FromMilliseconds(200),
            TickInterval = TimeSpan.FromMilliseconds(50),
        });
    }

    // One takes over from the other, at any moment: in the folder by joining, on Kafka when the other leaves.
    private static async Task ProcessAsync(IEventLog log, EventFormat<Event> format, CancellationToken cancellationToken)
    {
        while (log is not EmbeddedLog)
        {
            using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            over.CancelAfter(Random.Shared.Next(2000, 20_000));
            try
            {
                await Processor(log, format).RunAsync(over.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // The next one goes on.
            }
        }

        Task before = Task.CompletedTask;
        while (true)
        {
            Task running = Processor(log, format).RunAsync(cancellationToken);
            try
            {
                await before;
            }
            catch (EventLogException exception) when (exception.Failure == EventLogFailure.Fenced)
            {
                // As it should be.
            }

            await Task.Delay(Random.Shared.Next(20, 300), cancellationToken);
            before = running;
        }
    }

    private sealed class Lines(TextWriter output) : IDisposable
    {
        private readonly Lock _lock = new();

        public void Write(string line)
        {
            lock (_lock)
            {
                output.WriteLine(line + End);
                output.Flush();
            }
        }

        public void Dispose() => output.Flush();
    }

    private sealed class Sums(EventStamp stamp) : EventWorker<Event, Event>
    {
        private long _sum;

        public override void Restore(ReadOnlySpan<byte> state) => _sum = BinaryPrimitives.ReadInt64LittleEndian(state);

        public override byte[] Save()
        {
            byte[] state = new byte[sizeof(long)];
            BinaryPrimitives.WriteInt64LittleEndian(state, _sum);
            return state;
        }

        public override void Work(Event input, in EventRecord record, IEventOutputs<Event> outputs)
        {
            string number = input.ErrorOccurred.Message;
            _sum += long.Parse(number, CultureInfo.InvariantCulture);
            Event sum = stamp.New();
            sum.ErrorOccurred = new() { Message = number, Part = _sum.ToString(CultureInfo.InvariantCulture) };
            outputs.Add(Outputs, Encoding.ASCII.GetBytes(number), sum);
        }
    }
}
