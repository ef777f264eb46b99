using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Vitrine.Frames;
using Vitrine.Measurement;
using Vitrine.Transports.Calls;

namespace Vitrine.Lab.Transport;

/// <summary>Loads echo servers, in a process of its own: on a weak network it lives in the network's namespace, and its processor time is
/// its own. Reads one <see cref="EchoLoad"/> a line, and writes one <see cref="EchoLoadResult"/>.</summary>
public static class LoadAgent
{
    /// <summary>Works until the input ends.</summary>
    public static async Task RunAsync(TextReader input, TextWriter output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        while (await input.ReadLineAsync(cancellationToken) is { } line)
        {
            EchoLoadResult result;
            try
            {
                EchoLoad load = JsonSerializer.Deserialize(line, EchoJson.Default.EchoLoad) ?? throw new JsonException("null");
                result = await PlayAsync(load, cancellationToken);
            }
            catch (Exception exception) when (exception is IOException or CallException or HttpRequestException or JsonException or ArgumentException or FormatException or TimeoutException or PlatformNotSupportedException or OperationCanceledException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                result = new() { Failure = exception.Message };
            }

            await output.WriteLineAsync(JsonSerializer.Serialize(result, EchoJson.Default.EchoLoadResult));
            await output.FlushAsync(cancellationToken);
        }
    }

    private static async Task<EchoLoadResult> PlayAsync(EchoLoad load, CancellationToken cancellationToken)
    {
        long residentBefore = Resident(load);
        await using EchoConnector connector = new(load);
        List<IEchoConnection> connections = [];
        LatencyHistogram latency = new(), setup = new(), firstAnswer = new();
        try
        {
            int earlyAccepted = 0;
            (TimeSpan ownBefore, long serverBefore, long connecting) = (Environment.CpuUsage.TotalTime, ServerCpuNs(load), Stopwatch.GetTimestamp());
            if (load.ConnectsTogether)
            {
                await Task.WhenAll(Enumerable.Range(0, load.Connections).Select(_ => ConnectAsync()));
            }
            else
            {
                for (int i = load.Resumes ? -1 : 0; i < load.Connections; i++)
                {
                    IEchoConnection connection = await ConnectAsync(isMeasured: i >= 0); // the one before only leaves its session
                    if (load.Resumes)
                    {
                        // A session is good for one connection, which leaves the next one: one after the other.
                        await connection.RequestAsync(cancellationToken);
                        earlyAccepted += connection.IsEarlyAccepted ? 1 : 0;
                        connections.Clear();
                        await connection.DisposeAsync();
                    }
                }
            }

            Counts counts = new(load.KeepsValues, load.HandsOver);
            TimeSpan cpu = default;
            double seconds = 0;
            long serverCpuNs = 0, resident = 0;
            if (load.Seconds > 0 && !load.Resumes)
            {
                using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                long warmNs = (long)(load.WarmSeconds * 1e9), lengthNs = (long)(load.Seconds * 1e9), begun = Stopwatch.GetTimestamp();
                Task playing = load.RequestsPerSecond > 0
                    ? PlayOpenAsync(load, connections, begun, warmNs, warmNs + lengthNs, latency, counts, over.Token)
                    : PlayClosedAsync(load, connections, begun, warmNs, warmNs + lengthNs, latency, counts, over.Token);
                await Task.WhenAny(playing, Task.Delay(TimeSpan.FromSeconds(load.WarmSeconds), cancellationToken));
                (TimeSpan cpuBefore, long serverCpuBefore, long from) = (Environment.CpuUsage.TotalTime, ServerCpuNs(load), Stopwatch.GetTimestamp());
                await Task.WhenAny(playing, Task.Delay(TimeSpan.FromSeconds(load.Seconds), cancellationToken));
                (cpu, serverCpuNs, seconds) = (Environment.CpuUsage.TotalTime - cpuBefore, ServerCpuNs(load) - serverCpuBefore, ElapsedNs(from) / 1e9);
                resident = Resident(load);
                over.CancelAfter(TimeSpan.FromSeconds(load.TimeoutSeconds));
                await playing;
            }
            else
            {
                // To connect was the load: a request each.
                (cpu, serverCpuNs, seconds) = (Environment.CpuUsage.TotalTime - ownBefore, ServerCpuNs(load) - serverBefore, ElapsedNs(connecting) / 1e9);
                resident = Resident(load);
            }

            return new()
            {
                Requests = counts.Answered + (load.Seconds > 0 && !load.Resumes ? 0 : load.Connections),
                Arrived = counts.Arrived,
                Failed = counts.Failed,
                ValuesUs = counts.ValuesUs,
                SentLateUs = counts.SentLateUs,
                DueNs = [.. counts.Times.Select(each => each.DueNs)],
                AnsweredNs = [.. counts.Times.Select(each => each.AnsweredNs)],
                Reconnects = connections.OfType<ReconnectingEcho>().Sum(connection => connection.Reconnects),
                Seconds = seconds,
                ClientCpuNs = (long)cpu.TotalNanoseconds,
                ServerCpuNs = serverCpuNs,
                ServerResidentBytesBefore = residentBefore,
                ServerResidentBytes = resident,
                Latency = EchoLoadResult.Encode(latency),
                Setup = EchoLoadResult.Encode(setup),
                FirstAnswer = EchoLoadResult.Encode(firstAnswer),
                EarlyAccepted = earlyAccepted,
            };
        }
        finally
        {
            foreach (IEchoConnection connection in connections)
            {
                await connection.DisposeAsync();
            }
        }

        async Task<IEchoConnection> ConnectAsync(bool isMeasured = true)
        {
            long begun = Stopwatch.GetTimestamp();
            IEchoConnection connection = await connector.ConnectAsync(cancellationToken);
            if (load.HandsOver && load.Protocol is (EchoProtocol.Grpc or EchoProtocol.Http2))
            {
                connection = new ReconnectingEcho(connector, connection);
            }

            long setupNs = ElapsedNs(begun);
            lock (connections)
            {
                connections.Add(connection);
            }

            await connection.RequestAsync(cancellationToken);
            if (isMeasured)
            {
                setup.Record(setupNs);
                firstAnswer.Record(ElapsedNs(begun));
            }

            return connection;
        }
    }

    private static long ServerCpuNs(EchoLoad load) => ProcessProbe.TryGetCpuNs(load.ServerProcessId, out long cpuNs) && load.ServerProcessId > 0 ? cpuNs : 0;

    private static long Resident(EchoLoad load) => load.ServerProcessId > 0 && ProcessProbe.TryRead(load.ServerProcessId, out ProcessSample sample) ? sample.ResidentBytes : 0;

    private static Task PlayClosedAsync(
        EchoLoad load, List<IEchoConnection> connections, long begun, long fromNs, long untilNs, LatencyHistogram latency, Counts counts, CancellationToken over)
    {
        return Task.WhenAll(connections.SelectMany(connection => Enumerable.Range(0, load.Streams).Select(_ => Task.Run(() => LoopAsync(connection), over))));

        async Task LoopAsync(IEchoConnection connection)
        {
            for (long sentNs = ElapsedNs(begun); sentNs < untilNs && (load.RequestsMax == 0 || counts.Arrived < load.RequestsMax);)
            {
                bool isAnswered = await TryRequestAsync(connection, over);
                long nowNs = ElapsedNs(begun);
                if (isAnswered && nowNs >= fromNs && nowNs <= untilNs)
                {
                    counts.NoteArrival();
                }

                if (sentNs >= fromNs && nowNs <= untilNs)
                {
                    Note(isAnswered, nowNs - sentNs, latency, counts);
                }
                else if (sentNs >= fromNs && !isAnswered)
                {
                    Note(false, 0, latency, counts); // one that is not answered at all would not be counted otherwise
                }

                if (!isAnswered && over.IsCancellationRequested)
                {
                    return;
                }

                sentNs = nowNs;
            }
        }
    }

    // Requests are due at equal distances, over all connections by turns. What is late because the one before is not answered counts
    // from when it was due: G. Tene's «coordinated omission» is what a closed loop hides.
    private static async Task PlayOpenAsync(
        EchoLoad load, List<IEchoConnection> connections, long begun, long fromNs, long untilNs, LatencyHistogram latency, Counts counts, CancellationToken over)
    {
        double spacingNs = 1e9 / load.RequestsPerSecond;
        long all = (long)(untilNs / spacingNs);
        SemaphoreSlim[] due = [.. connections.Select(_ => new SemaphoreSlim(0))];
        long[] next = new long[connections.Count];
        List<double> lateUs = []; // the releasing thread's
        Task[] loops = [.. Enumerable.Range(0, connections.Count * load.Streams).Select(i => Task.Run(() => LoopAsync(i), over))];
        Thread releasing = new(Release) { IsBackground = true, Name = "open loop" };
        releasing.Start();
        await Task.WhenAll(loops);
        releasing.Join();
        counts.SentLateUs = lateUs.Count > 0 ? Adviser.SlowestTenth([.. lateUs], 0) : 0;

        void Release()
        {
            // Not spun for what the kernel is late: the processor is the server's, and latencies count from when a request was due.
            DeadlineTimer timer = new(spinNsMax: 0);
            long begunNs = timer.NowNs - ElapsedNs(begun);
            for (long i = 0; i < all && !over.IsCancellationRequested; i++)
            {
                timer.WaitUntil(begunNs + (long)(i * spacingNs));
                if (i * spacingNs >= fromNs)
                {
                    lateUs.Add((timer.NowNs - begunNs - (i * spacingNs)) / 1e3);
                }

                due[i % due.Length].Release();
            }

            foreach (SemaphoreSlim each in due)
            {
                each.Release(load.Streams); // the end of each loop
            }
        }

        async Task LoopAsync(int loop)
        {
            int which = loop % connections.Count;
            while (true)
            {
                await due[which].WaitAsync(over);
                long number = ((Interlocked.Increment(ref next[which]) - 1) * connections.Count) + which;
                if (number >= all)
                {
                    return;
                }

                long dueNs = (long)(number * spacingNs);

                bool isAnswered = await TryRequestAsync(connections[which], over);
                if (dueNs >= fromNs)
                {
                    long nowNs = ElapsedNs(begun);
                    Note(isAnswered, nowNs - dueNs, latency, counts);
                    counts.NoteTimes(begun + dueNs, isAnswered ? begun + nowNs : 0);
                }
            }
        }
    }

    private static void Note(bool isAnswered, long latencyNs, LatencyHistogram latency, Counts counts)
    {
        counts.Note(isAnswered, latencyNs);
        if (isAnswered)
        {
            latency.Record(latencyNs);
        }
    }

    private static async Task<bool> TryRequestAsync(IEchoConnection connection, CancellationToken over)
    {
        try
        {
            await connection.RequestAsync(over);
            return true;
        }
        catch (Exception exception) when (exception is IOException or CallException or HttpRequestException or OperationCanceledException)
        {
            return false;
        }
    }

    private static long ElapsedNs(long begun) => (long)Stopwatch.GetElapsedTime(begun).TotalNanoseconds;

    private sealed class Counts(bool keepsValues, bool keepsTimes)
    {
        private readonly ConcurrentQueue<double> _valuesUs = new();
        private readonly ConcurrentQueue<(long DueNs, long AnsweredNs)> _times = new();
        private long _answered;
        private long _failed;
        private long _arrived;

        public long Answered => Interlocked.Read(ref _answered);

        public long Failed => Interlocked.Read(ref _failed);

        public long Arrived => Interlocked.Read(ref _arrived);

        public IReadOnlyList<double> ValuesUs => [.. _valuesUs];

        public double SentLateUs { get; set; }

        public void NoteArrival() => Interlocked.Increment(ref _arrived);

        public IEnumerable<(long DueNs, long AnsweredNs)> Times => _times;

        public void NoteTimes(long dueNs, long answeredNs)
        {
            if (keepsTimes)
            {
                _times.Enqueue((dueNs, answeredNs));
            }
        }

        public void Note(bool isAnswered, long latencyNs)
        {
            Interlocked.Increment(ref isAnswered ? ref _answered : ref _failed);
            if (isAnswered && keepsValues)
            {
                _valuesUs.Enqueue(latencyNs / 1e3);
            }
        }
    }
}
