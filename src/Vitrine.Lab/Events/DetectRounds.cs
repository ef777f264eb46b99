using System.Diagnostics;
using System.Globalization;
using Vitrine.Events.Kafka;
using Vitrine.Measurement;

namespace Vitrine.Lab.Events;

/// <summary>How soon it is known that a broker was killed, is frozen, or refuses who needs its groups; and whether anything is told that is not so.</summary>
internal static class DetectRounds
{
    private const int Trials = 50, QuickTrials = 4, Lanes = 10;

    // FindCoordinator, and COORDINATOR_NOT_AVAILABLE, of Kafka's protocol; as many as are never asked for.
    private const string Refuse = "errors 10 15 1000", Allow = "clear 10";
    private const double MetadataGoalMs = 2100, CoordinatorGoalMs = 5300;
    private const string Group = "lab";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    public static async Task RunAsync(RunBuilder run, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        if (KafkaLibrary.Missing is { } missing)
        {
            run.NotMeasured($"Kafka: {missing}");
            return;
        }

        int trials = options.Quick ? QuickTrials : Trials;
        await TryAsync("killed", KafkaHealth.MetadataInterval, KafkaHealthState.Unreachable, MetadataGoalMs, static (mock, _) =>
        {
            mock.Process.Kill();
            return Task.CompletedTask;
        }, null);
        await TryAsync("frozen", KafkaHealth.MetadataInterval, KafkaHealthState.Unreachable, MetadataGoalMs, static (mock, _) =>
        {
            Signals.Stop(mock.Process.Id);
            return Task.CompletedTask;
        }, null); // librdkafka's cluster for tests does not survive being woken up
        await TryAsync("refused", KafkaHealth.CoordinatorInterval, KafkaHealthState.Degraded, CoordinatorGoalMs, static (mock, stop) => KafkaRounds.TellAsync(mock.Process, Refuse, stop), static (mock, stop) => KafkaRounds.TellAsync(mock.Process, Allow, stop));

        async Task TryAsync(
            string what, TimeSpan interval, KafkaHealthState expected, double goalMs, Func<Mock, CancellationToken, Task> harm, Func<Mock, CancellationToken, Task>? mend)
        {
            report($"A broker is {what}", 0);
            LatencyHistogram detected = new();
            int left = trials;
            await Task.WhenAll(Enumerable.Range(0, Lanes).Select(lane => Task.Run(
                async () =>
                {
                    Random random = new(lane);
                    Mock? mock = null;
                    try
                    {
                        while (Interlocked.Decrement(ref left) >= 0)
                        {
                            mock ??= await Mock.StartAsync(options, cancellationToken);
                            await mock.UntilAsync(KafkaHealthState.Healthy, cancellationToken);
                            await Task.Delay(interval * random.NextDouble(), cancellationToken); // at any moment between two questions
                            long at = Stopwatch.GetTimestamp();
                            await harm(mock, cancellationToken);
                            double ms = (await mock.UntilAsync(expected, cancellationToken) - at) * 1000.0 / Stopwatch.Frequency;
                            lock (detected)
                            {
                                detected.Record((long)(ms * 1e6));
                            }

                            if (mend is null)
                            {
                                mock.Process.Kill();
                                await mock.DisposeAsync();
                                mock = null;
                            }
                            else
                            {
                                await mend(mock, cancellationToken);
                            }
                        }
                    }
                    finally
                    {
                        await (mock?.DisposeAsync() ?? default);
                    }
                },
                cancellationToken)));
            run.Add(RoundSeries.ToCase($"kafka-health/{what}", detected, new Dictionary<string, string> { ["trials"] = trials.ToString(CultureInfo.InvariantCulture) }));
            run.AddGoal($"kafka-health/{what} maxMs", detected.MaxNs / 1e6, goalMs);
        }
    }

    /// <summary>A cluster that is well, while this machine is busy.</summary>
    public static async Task WatchAsync(RunBuilder run, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        if (KafkaLibrary.Missing is { } missing)
        {
            run.NotMeasured($"Kafka: {missing}");
            return;
        }

        TimeSpan duration = options.Quick ? TimeSpan.FromSeconds(10) : options.EventsDuration;
        await using Mock mock = await Mock.StartAsync(options, cancellationToken);
        await mock.UntilAsync(KafkaHealthState.Healthy, cancellationToken);
        int before = mock.Changes;
        await using KafkaLog log = KafkaLog.Open(mock.Options);
        long begun = Stopwatch.GetTimestamp(), events = 0;
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] callers = [.. Enumerable.Range(0, 8).Select(_ => Task.Run(
            async () =>
            {
                Vitrine.Events.EventBatch batch = new();
                for (int i = 0; i < 100; i++)
                {
                    batch.Add(Group, default, new byte[1024]);
                }

                while (!over.IsCancellationRequested)
                {
                    await log.AppendAsync(batch, CancellationToken.None);
                    Interlocked.Add(ref events, batch.Count);
                }
            },
            cancellationToken))];
        while (Stopwatch.GetElapsedTime(begun) is var passed && passed < duration)
        {
            report("Watching a cluster that is well", passed / duration);
            await Task.Delay(TimeSpan.FromSeconds(0.5), cancellationToken);
        }

        await over.CancelAsync();
        await Task.WhenAll(callers);
        run.Add(new CaseRecord
        {
            Name = "kafka-health/load",
            Metrics = new Dictionary<string, double> { ["minutes"] = duration.TotalMinutes, ["eventsPerSecond"] = events / duration.TotalSeconds },
        });
        run.AddGoal("kafka-health/load falseAlarms", mock.Changes - before, 0);
    }

    /// <summary>librdkafka's cluster for tests, in a process of its own, and what is seen of it.</summary>
    private sealed class Mock : IAsyncDisposable
    {
        private readonly Lock _lock = new();
        private readonly KafkaHealth _health;
        private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private KafkaHealthState _state;
        private long _at;

        private Mock(ChildProcess process, KafkaOptions cluster, TimeProvider time)
        {
            (Process, Options) = (process, cluster);
            _health = KafkaHealth.Start(cluster, Group, time, Take);
        }

        public ChildProcess Process { get; }

        public KafkaOptions Options { get; }

        public int Changes { get; private set; }

        public static async Task<Mock> StartAsync(LabOptions options, CancellationToken cancellationToken)
        {
            ChildProcess process = ChildProcess.Start(options.ProgramCommand[0], [.. options.ProgramCommand.Skip(1), "echo", "kafka-mock"]);
            return new(process, new() { Bootstrap = await KafkaRounds.StartAsync(process, cancellationToken), Partitions = 3 }, options.Time);
        }

        /// <summary>Waits for a state.</summary>
        /// <returns>When it was told, by the stop-watch.</returns>
        public async Task<long> UntilAsync(KafkaHealthState state, CancellationToken cancellationToken)
        {
            while (true)
            {
                Task changed;
                lock (_lock)
                {
                    if (_state == state)
                    {
                        return _at;
                    }

                    changed = _changed.Task;
                }

                try
                {
                    await changed.WaitAsync(s_patience, cancellationToken);
                }
                catch (TimeoutException)
                {
                    throw new LaboratoryException($"In {s_patience.TotalSeconds} s the cluster for tests was not seen to be {state}: {_health.Report}; {Process.Errors}");
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _health.DisposeAsync();
            await Process.DisposeAsync();
        }

        private void Take(KafkaHealthReport report)
        {
            lock (_lock)
            {
                (_state, _at) = (report.State, Stopwatch.GetTimestamp());
                Changes++;
                _changed.SetResult();
                _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }
}
