using System.Diagnostics;
using Vitrine.Frames;
using Vitrine.Measurement;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Http2;
using Vitrine.Transports.Quic;
using Vitrine.Wire.V1;

namespace Vitrine.Lab.Transport;

/// <summary>Streams on one connection on which answers are due at equal distances, by turns: a request asks for each when it is due,
/// whatever became of those before. The first stream may stop reading while its requests go on.</summary>
/// <remarks>One order at a time. Answers of the first stream are never counted among the others'.</remarks>
internal sealed class SteadyStreams : IAsyncDisposable
{
    private const long AheadNs = 2_000_000;

    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(2);

    private readonly StreamLoad _load;
    private readonly ICallChannel _channel;
    private readonly CancellationTokenSource _over = new();
    private readonly SemaphoreSlim[] _due;
    private readonly double _spacingNs;
    private readonly List<ClientCall> _calls = [];
    private readonly List<Task> _loops = [];
    private long _begun;
    private Thread? _releasing;
    private Count _count = new(long.MaxValue, long.MaxValue);
    private TaskCompletionSource? _stalled; // while the first stream is not read
    private long _stalledAnswers;
    private string? _stalledEnd;
    private volatile Exception? _failure;

    private SteadyStreams(StreamLoad load)
    {
        _load = load;
        _channel = Connect(load);
        _due = [.. Enumerable.Range(0, load.Streams).Select(_ => new SemaphoreSlim(0))];
        _spacingNs = 1e9 / load.AnswersPerSecond;
    }

    /// <summary>Opens all and lets answers flow.</summary>
    /// <exception cref="CallException">It cannot be reached.</exception>
    /// <exception cref="OperationCanceledException">That took too long.</exception>
    public static async Task<SteadyStreams> OpenAsync(StreamLoad load, CancellationToken cancellationToken)
    {
        SteadyStreams streams = new(load);
        try
        {
            using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(TimeSpan.FromSeconds(load.TimeoutSeconds));
            // One after the other, each with its first answer: a channel that is not connected yet would make a connection for each.
            for (int i = 0; i < load.Streams; i++)
            {
                ClientCall call = await streams._channel.StartAsync(EchoService.Duplex, CallOptions.Default, streams._over.Token);
                streams._calls.Add(call);
                await call.WriteAsync(new EchoRequest { ReplyBytes = 1 });
                if (!await call.ReadAsync(new EchoReply()).AsTask().WaitAsync(patience.Token))
                {
                    throw new CallException(CallStatusCode.Internal, "A stream ended when it had begun.");
                }
            }

            streams.Flow();
            return streams;
        }
        catch
        {
            await streams.DisposeAsync();
            throw;
        }
    }

    /// <summary>Counts the answers that are due from now on.</summary>
    /// <param name="length">For how long.</param>
    /// <param name="stalls">Whether the first stream is left unread from now on, until the next call.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="CallException">A stream other than the first has ended.</exception>
    public async Task<StreamResult> MeasureAsync(TimeSpan length, bool stalls, CancellationToken cancellationToken)
    {
        TaskCompletionSource? before = Interlocked.Exchange(ref _stalled, stalls ? _stalled ?? new(TaskCreationOptions.RunContinuationsAsynchronously) : null);
        if (!stalls)
        {
            before?.SetResult();
        }

        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        Count count;
        do
        {
            // It begins after whoever reads has it, however long this thread waits for a processor: else the first answers would count for nobody.
            long fromNs = ElapsedNs() + AheadNs;
            count = new(fromNs, fromNs + (long)length.TotalNanoseconds);
            Volatile.Write(ref _count, count);
        }
        while (ElapsedNs() >= count.FromNs);

        long expected = 0;
        for (long i = (long)Math.Ceiling(count.FromNs / _spacingNs); i * _spacingNs < count.UntilNs; i++)
        {
            expected += IsFirst(i) ? 0 : 1;
        }

        await Task.Delay(length + TimeSpan.FromMicroseconds(AheadNs / 1e3), cancellationToken);
        await Conditions.WaitAsync(() => count.Answered >= expected || _failure is not null, s_grace, TimeProvider.System, cancellationToken);
        if (_failure is { } failure)
        {
            throw new CallException(CallStatusCode.Unavailable, $"A stream that was read has ended: {failure.Message}", innerException: failure);
        }

        return new()
        {
            Answers = expected,
            Missing = expected - count.Answered,
            Latency = EchoLoadResult.Encode(count.Latency),
            StalledAnswers = Interlocked.Read(ref _stalledAnswers),
            StalledEnd = Volatile.Read(ref _stalledEnd),
            ClientCpuNs = (long)(Environment.CpuUsage.TotalTime - cpu).TotalNanoseconds,
        };
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        _stalled?.TrySetResult();
        foreach (SemaphoreSlim due in _due)
        {
            due.Release();
        }

        _releasing?.Join();
        await Task.WhenAll(_loops);
        foreach (ClientCall call in _calls)
        {
            await call.DisposeAsync();
        }

        await _channel.DisposeAsync();
        _over.Dispose();
    }

    private static ICallChannel Connect(StreamLoad load) => load.Protocol switch
    {
        EchoProtocol.Calls => new QuicCallChannel(new Uri($"https://{load.Address}"), new() { CertificateFingerprint = load.Fingerprint }),
        EchoProtocol.Grpc => new GrpcChannel(new Uri($"https://{load.Address}"), new() { CertificateFingerprint = load.Fingerprint, UsesSeveralConnections = false }),
        _ => new HttpJsonChannel(new Uri($"https://{load.Address}"), new() { CertificateFingerprint = load.Fingerprint }),
    };

    private void Flow()
    {
        _begun = Stopwatch.GetTimestamp();
        for (int i = 0; i < _calls.Count; i++)
        {
            (int which, ClientCall call) = (i, _calls[i]);
            _loops.Add(Task.Run(() => AskAsync(which, call)));
            _loops.Add(Task.Run(() => ReadAsync(which, call)));
        }

        _releasing = new(Release) { IsBackground = true, Name = "steady streams" };
        _releasing.Start();
    }

    private bool IsFirst(long answer) => answer % _load.Streams == 0;

    private void Release()
    {
        DeadlineTimer timer = new(spinNsMax: 0);
        long begunNs = timer.NowNs - ElapsedNs();
        for (long i = 0; !_over.IsCancellationRequested; i++)
        {
            timer.WaitUntil(begunNs + (long)(i * _spacingNs));
            _due[i % _due.Length].Release();
        }
    }

    private async Task AskAsync(int which, ClientCall call)
    {
        EchoRequest request = new() { ReplyBytes = (uint)_load.AnswerBytes };
        try
        {
            while (!_over.IsCancellationRequested)
            {
                await _due[which].WaitAsync(_over.Token);
                await call.WriteAsync(request);
            }
        }
        catch (Exception exception) when (exception is CallException or OperationCanceledException)
        {
            // Whoever reads this stream says why it is over.
        }
    }

    private async Task ReadAsync(int which, ClientCall call)
    {
        EchoReply reply = new();
        try
        {
            for (long number = 0; ; number++)
            {
                if (which == 0 && Volatile.Read(ref _stalled) is { } stalled)
                {
                    await stalled.Task;
                }

                // The answer that opened the stream was number 0.
                if (!await call.ReadAsync(reply) || reply.Sequence != (ulong)number + 1 || reply.Payload.Length != _load.AnswerBytes)
                {
                    throw new IOException($"Answer {number} of stream {which} is not the one that was due.");
                }

                if (which == 0)
                {
                    Interlocked.Increment(ref _stalledAnswers);
                }
                else
                {
                    Volatile.Read(ref _count).Note((long)(((number * _load.Streams) + which) * _spacingNs), ElapsedNs());
                }
            }
        }
        catch (Exception exception) when (exception is CallException or IOException)
        {
            if (_over.IsCancellationRequested)
            {
                return;
            }

            if (which == 0)
            {
                Volatile.Write(ref _stalledEnd, exception.Message);
            }
            else
            {
                _failure = exception;
            }
        }
    }

    private long ElapsedNs() => (long)Stopwatch.GetElapsedTime(_begun).TotalNanoseconds;

    /// <summary>Answers due in a time.</summary>
    private sealed class Count(long fromNs, long untilNs)
    {
        private long _answered;

        public long FromNs => fromNs;

        public long UntilNs => untilNs;

        public long Answered => Interlocked.Read(ref _answered);

        public LatencyHistogram Latency { get; } = new();

        public void Note(long dueNs, long nowNs)
        {
            if (dueNs >= fromNs && dueNs < untilNs)
            {
                Latency.Record(nowNs - dueNs);
                Interlocked.Increment(ref _answered);
            }
        }
    }
}
