using System.Globalization;
using Vitrine.Events;
using Vitrine.Events.Embedded;
using Vitrine.Events.Hosts;
using Vitrine.Events.Schemas;
using Vitrine.Measurement;
using Vitrine.Wire.V1;

namespace Vitrine.Lab.Events;

/// <summary>Kills (SIGKILL) at random moments: of who appends and works on events, and of who reads; members of the group replace each other
/// meanwhile. Then every event is looked for.</summary>
internal static class CrashRounds
{
    private const int Kills = 200, QuickKills = 12;
    private const long NumbersAStart = 1_000_000_000;
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    public static async Task RunAsync(RunBuilder run, string folder, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        string kept = options.Kafka is { } cluster ? NamedLog.NameOf(cluster.Bootstrap) : Path.Combine(folder, "crash"), where = options.Kafka is null ? "embedded" : "kafka";
        long filled = options.Kafka is not null ? 0 : options.Quick ? 64L << 20 : 1L << 30;
        int kills = options.Quick ? QuickKills : Kills, aliveMsMax = options.Kafka is null ? 600 : 15_000; // groups of Kafka take seconds to begin
        report(filled > 0 ? $"Filling a log with {filled >> 20} MB" : "Making topics", 0);
        EventPosition start = await FillAsync(kept, filled, cancellationToken);
        List<long> acknowledged = [];
        List<(EventPosition Position, string Number, string Sum)> read = [];
        LatencyHistogram opening = new();
        int hosts = 0, readers = 0;
        Child? host = null, reader = null;
        try
        {
            for (int kill = 0; kill < kills; kill++)
            {
                report("Killing, at random moments", 0.05 + (0.9 * kill / kills));
                host ??= await Child.StartAsync(options, "events-keep", $"{kept}\t{++hosts * NumbersAStart}", cancellationToken);
                reader ??= await Child.StartAsync(options, "events-follow", $"{kept}\t{Next()}", cancellationToken);
                await Task.Delay(Random.Shared.Next(1, aliveMsMax), cancellationToken);
                bool isReader = kill % 4 == 3;
                Child victim = isReader ? reader : host;
                Take(await victim.KillAsync());
                (host, reader, readers) = (isReader ? host : null, isReader ? null : reader, readers + (isReader ? 1 : 0));
            }

            // To the end.
            if (host is not null)
            {
                Take(await host.KillAsync());
                host = null;
            }

            report("Looking for every event", 0.95);
            (List<(EventPosition Position, string Number)> inputs, List<(EventPosition Position, string Number, string Sum)> outputs) = await DrainAsync(kept, start, cancellationToken);
            if (outputs.Count > 0 && (read.Count == 0 || read[^1].Position != outputs[^1].Position))
            {
                reader ??= await Child.StartAsync(options, "events-follow", $"{kept}\t{Next()}", cancellationToken);
                string last = $"read {outputs[^1].Position} ";
                await reader.SaysAsync(lines => lines[^1].StartsWith(last, StringComparison.Ordinal), cancellationToken); // else what was not read is counted
            }

            Take(reader is null ? [] : await reader.KillAsync());
            reader = null;

            HashSet<string> known = [.. inputs.Select(input => input.Number)];
            long lost = acknowledged.Count(number => !known.Contains(number.ToString(CultureInfo.InvariantCulture)));
            run.Add(RoundSeries.ToCase($"{where}/crash", opening, new Dictionary<string, string> { ["logBytes"] = filled.ToString(CultureInfo.InvariantCulture) }, new Dictionary<string, double>
            {
                ["kills"] = kills,
                ["killsOfReader"] = readers,
                ["acknowledged"] = acknowledged.Count,
                ["inputs"] = inputs.Count,
                ["outputs"] = outputs.Count,
                ["read"] = read.Count,
            }));
            run.AddGoal($"{where}/crash acknowledgedLost", lost, 0);
            run.AddGoal($"{where}/crash inputsTwice", inputs.Count - known.Count, 0);
            run.AddGoal($"{where}/crash outputsWrong", WrongOutputs(inputs, outputs), 0);
            run.AddGoal($"{where}/crash readWrong", WrongRead(outputs, read), 0);
            if (filled > 0)
            {
                run.AddGoal($"{where}/crash openMaxMs", opening.MaxNs / 1e6, 1000);
            }
        }
        finally
        {
            await (host?.KillAsync() ?? Task.FromResult<IReadOnlyList<string>>([]));
            await (reader?.KillAsync() ?? Task.FromResult<IReadOnlyList<string>>([]));
        }

        EventPosition Next() => read.Count == 0 ? StartOf(start, CrashAgent.Outputs) : read[^1].Position with { Offset = read[^1].Position.Offset + 1 };

        void Take(IReadOnlyList<string> lines)
        {
            foreach (string line in lines)
            {
                switch (line.Split(' '))
                {
                    case ["opened", string milliseconds]:
                        opening.Record((long)(1e6 * double.Parse(milliseconds, CultureInfo.InvariantCulture)));
                        break;
                    case ["kept", string number]:
                        acknowledged.Add(long.Parse(number, CultureInfo.InvariantCulture));
                        break;
                    case ["read", string position, string number, string sum]:
                        read.Add((EventPosition.Parse(position), number, sum));
                        break;
                }
            }
        }
    }

    // Every input once, in its order, with the sum of all up to it.
    private static long WrongOutputs(List<(EventPosition, string Number)> inputs, List<(EventPosition, string Number, string Sum)> outputs)
    {
        long wrong = Math.Abs(inputs.Count - outputs.Count), sum = 0;
        for (int i = 0; i < Math.Min(inputs.Count, outputs.Count); i++)
        {
            sum += long.Parse(inputs[i].Number, CultureInfo.InvariantCulture);
            wrong += outputs[i].Number == inputs[i].Number && outputs[i].Sum == sum.ToString(CultureInfo.InvariantCulture) ? 0 : 1;
        }

        return wrong;
    }

    private static long WrongRead(List<(EventPosition, string, string)> outputs, List<(EventPosition, string, string)> read) =>
        Math.Abs(outputs.Count - read.Count) + outputs.Zip(read).Count(pair => pair.First != pair.Second);

    // Where a topic begins; in the folder all topics are in one order.
    private static EventPosition StartOf(EventPosition start, string topic) => start.Stream.Length == 0 ? start : start with { Stream = start.Stream + topic };

    /// <returns>Where what comes begins; on Kafka with the prefix of topics.</returns>
    private static async Task<EventPosition> FillAsync(string kept, long bytes, CancellationToken cancellationToken)
    {
        await using NamedLog opened = NamedLog.Open(kept);
        await opened.Format.RegisterAsync(EventTopics.All, cancellationToken);
        if (opened.Log is not EmbeddedLog log)
        {
            return new(opened.TopicPrefix, 0, 0);
        }

        EventBatch batch = new();
        byte[] value = new byte[1024];
        new Random(2).NextBytes(value);
        for (int i = 0; i < 1024; i++)
        {
            batch.Add("filler", default, value);
        }

        while (log.EndOffset * value.Length < bytes)
        {
            await log.AppendAsync(batch, cancellationToken);
        }

        return EventPosition.Embedded(log.EndOffset);
    }

    private static async Task<(List<(EventPosition, string)> Inputs, List<(EventPosition, string, string)> Outputs)> DrainAsync(
        string kept, EventPosition start, CancellationToken cancellationToken)
    {
        await using NamedLog opened = NamedLog.Open(kept);
        (IEventLog log, EventFormat<Event> format) = (opened.Log, opened.Format);
        await format.RegisterAsync(EventTopics.All, cancellationToken);
        List<(EventPosition, string)> inputs = await ReadAsync(CrashAgent.Inputs, (position, what) => (position, what.Message));
        List<(EventPosition, string, string)> outputs = [];
        using CancellationTokenSource drained = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task draining = CrashAgent.Processor(log, format).RunAsync(drained.Token);
        long until = Environment.TickCount64 + (long)s_patience.TotalMilliseconds;
        do
        {
            await Task.Delay(TimeSpan.FromMilliseconds(200), cancellationToken);
            outputs = await ReadAsync(CrashAgent.Outputs, (position, what) => (position, what.Message, what.Part));
        }
        while (outputs.Count < inputs.Count && Environment.TickCount64 < until);
        await drained.CancelAsync();
        await draining.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        outputs = await ReadAsync(CrashAgent.Outputs, (position, what) => (position, what.Message, what.Part));
        return (inputs, outputs);

        async Task<List<T>> ReadAsync<T>(string topic, Func<EventPosition, ErrorOccurred, T> take)
        {
            List<T> all = [];
            await using IEventReader reader = log.Read(EventStart.At(StartOf(start, topic)), topic);
            while (await reader.ReadThereAsync(cancellationToken) is { } record)
            {
                EventPosition position = record.Position;
                all.Add(take(position, (await format.ReadAsync(record, cancellationToken)).ErrorOccurred));
            }

            return all;
        }
    }

    /// <summary>One of the processes.</summary>
    private sealed class Child
    {
        private readonly ChildProcess _process;
        private readonly Task _reading;
        private readonly List<string> _lines = [];

        private Child(ChildProcess process)
        {
            _process = process;
            _reading = ReadAsync();
        }

        public static async Task<Child> StartAsync(LabOptions options, string role, string order, CancellationToken cancellationToken)
        {
            ChildProcess process = ChildProcess.Start(options.ProgramCommand[0], [.. options.ProgramCommand.Skip(1), "echo", role]);
            await process.Input.WriteLineAsync(order.AsMemory(), cancellationToken);
            await process.Input.FlushAsync(cancellationToken);
            Child child = new(process);
            return await child.SaysAsync(lines => lines.Count > 0, cancellationToken)
                ? child
                : throw new LaboratoryException($"A process did not begin in a minute: {process.Errors}");
        }

        /// <summary>Waits a minute.</summary>
        public Task<bool> SaysAsync(Func<IReadOnlyList<string>, bool> condition, CancellationToken cancellationToken) =>
            Conditions.WaitAsync(
                () =>
                {
                    if (_process.HasExited)
                    {
                        throw new LaboratoryException($"A process ended by itself: {_process.Errors}");
                    }

                    lock (_lines)
                    {
                        return condition(_lines);
                    }
                },
                s_patience, TimeProvider.System, cancellationToken);

        /// <summary>Ends it as a crash would.</summary>
        /// <returns>What it said, to the end.</returns>
        public async Task<IReadOnlyList<string>> KillAsync()
        {
            if (_process.HasExited)
            {
                throw new LaboratoryException($"A process ended by itself: {_process.Errors}");
            }

            _process.Kill();
            await _reading;
            await _process.DisposeAsync();
            return _lines;
        }

        private async Task ReadAsync()
        {
            while (await _process.Output.ReadLineAsync() is { } line)
            {
                if (line.EndsWith(CrashAgent.End))
                {
                    lock (_lines)
                    {
                        _lines.Add(line[..^1]);
                    }
                }
            }
        }
    }
}
