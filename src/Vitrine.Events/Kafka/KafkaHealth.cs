using System.Diagnostics.Metrics;
using Vitrine.Events.Kafka.Doctor;

namespace Vitrine.Events.Kafka;

/// <summary>How a cluster is.</summary>
public enum KafkaHealthState
{
    /// <summary>Nobody has been asked yet.</summary>
    Unknown,

    /// <summary>All brokers answer, and do what they are there for.</summary>
    Healthy,

    /// <summary>Some of it does not work; events may still be kept.</summary>
    Degraded,

    /// <summary>No broker answers.</summary>
    Unreachable,
}

/// <summary>What was seen of a cluster.</summary>
/// <param name="State">How it is.</param>
/// <param name="Reason">Why, for people; empty when healthy.</param>
/// <param name="Since">How long it has been so.</param>
/// <param name="Brokers">That the cluster has.</param>
/// <param name="Answering">Of them.</param>
/// <param name="MetadataMs">How long the slowest answer took; null: there was none.</param>
/// <param name="CoordinatorMs">How long the coordinator's took; null: there was none.</param>
public sealed record KafkaHealthReport(
    KafkaHealthState State, string Reason, DateTimeOffset Since, int Brokers, int Answering, double? MetadataMs, double? CoordinatorMs);

/// <summary>Watches a cluster: asks every broker for the metadata every 0.6 s, and for the coordinator of a group, which groups and transactions need, every
/// 1.5 s. Answers may take 1.4 s and 3.5 s, so what fails is known after at most 2 s and 5 s.</summary>
/// <remarks>On connections of its own: what producers and consumers have buffered says nothing about now. It votes: no broker answers, 4; some do not, 1; a
/// partition of ours has no leader, 2; no coordinator, 2. From 4 on it is unreachable, from 1 on degraded. It is better only when it was seen to be
/// twice in a row.</remarks>
public sealed class KafkaHealth : IAsyncDisposable
{
    /// <summary>How often the metadata is asked for.</summary>
    public static readonly TimeSpan MetadataInterval = TimeSpan.FromSeconds(0.6);

    /// <summary>How often the coordinator is asked for.</summary>
    public static readonly TimeSpan CoordinatorInterval = TimeSpan.FromSeconds(1.5);

    private const int BrokersMax = 64;
    private const int UnreachableVotes = 4;

    // Long, so that a cluster that is busy is not called dead; but it is to be known to be dead within 2.1 s and 5.3 s, whenever that was.
    private static readonly TimeSpan s_metadataPatience = TimeSpan.FromSeconds(1.4), s_coordinatorPatience = TimeSpan.FromSeconds(3.5);
    private static readonly TimeSpan s_stall = TimeSpan.FromMilliseconds(150);

    private static readonly Meter s_meter = new("vitrine", typeof(KafkaHealth).Assembly.GetName().Version?.ToString(3));
    private static readonly Gauge<int> s_state = s_meter.CreateGauge<int>("vitrine.events.kafka.state", null, "1: healthy, 2: degraded, 3: unreachable.");
    private static readonly Gauge<double> s_metadata = s_meter.CreateGauge<double>("vitrine.events.kafka.metadata_seconds", "s", "How long the slowest broker's answer about the metadata took.");
    private static readonly Counter<long> s_failures = s_meter.CreateCounter<long>("vitrine.events.kafka.failed_looks", "{look}", "Questions that a broker did not answer, or answered with an error.");

    private readonly KafkaOptions _options;
    private readonly string _group;
    private readonly TimeProvider _time;
    private readonly Action<KafkaHealthReport>? _changed;
    private readonly KafkaDialler _metadataDialler, _coordinatorDialler;
    private readonly Dictionary<KafkaAddress, KafkaLink> _links = []; // the metadata loop's
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly Task _watching;
    private IReadOnlyList<KafkaAddress> _bootstrap = [];
    private MetadataLook _metadata = new([], [], 0, "", null);
    private CoordinatorLook _coordinator = new(null, null);
    private KafkaHealthState _better; // what was seen once, and is better than what is told
    private KafkaHealthReport _report;

    private KafkaHealth(KafkaOptions options, string group, TimeProvider time, Action<KafkaHealthReport>? changed)
    {
        (_options, _group, _time, _changed) = (options, options.TopicPrefix + group, time, changed);
        _report = new(KafkaHealthState.Unknown, "", time.GetUtcNow(), 0, 0, null, null);
        _metadataDialler = new(options, new(), Patience(s_metadataPatience), time);
        _coordinatorDialler = new(options, new(), Patience(s_coordinatorPatience), time);
        _watching = Task.Run(WatchAsync);
    }

    /// <summary>What was seen last.</summary>
    public KafkaHealthReport Report
    {
        get
        {
            lock (_lock)
            {
                return _report;
            }
        }
    }

    /// <summary>Begins to watch.</summary>
    /// <param name="options">Of the cluster.</param>
    /// <param name="group">Whose coordinator is asked for, without the prefix.</param>
    /// <param name="time">The clock.</param>
    /// <param name="changed">Is told when the state is another one; on any thread.</param>
    public static KafkaHealth Start(KafkaOptions options, string group, TimeProvider time, Action<KafkaHealthReport>? changed = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentException.ThrowIfNullOrEmpty(group);
        return new(options, group, time, changed);
    }

    /// <summary>Ends it.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching;
        foreach (KafkaLink link in _links.Values)
        {
            await link.DisposeAsync();
        }

        _metadataDialler.Dispose();
        _coordinatorDialler.Dispose();
        _stop.Dispose();
    }

    private static KafkaPatience Patience(TimeSpan patience) => new() { Connect = patience, Answer = patience };

    private async Task WatchAsync()
    {
        try
        {
            _metadataDialler.ReadCertificates();
            _coordinatorDialler.ReadCertificates();
            _bootstrap = [.. _options.Bootstrap.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                .Select(text => KafkaAddress.TryParse(text, out KafkaAddress address) ? address : (KafkaAddress?)null).OfType<KafkaAddress>()];
            await Task.WhenAll(EveryAsync(MetadataInterval, LookAtBrokersAsync), EveryAsync(CoordinatorInterval, LookAtCoordinatorAsync));
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Told to end.
        }
        catch (FindingException unusable)
        {
            Tell(new(KafkaHealthState.Unreachable, $"{unusable.Finding.Sentence} {unusable.Finding.Mend}", default, 0, 0, null, null));
        }
    }

    private async Task EveryAsync(TimeSpan interval, Func<Task> look)
    {
        using PeriodicTimer timer = new(interval, _time);
        do
        {
            await look();
            Judge();
        }
        while (await timer.WaitForNextTickAsync(_stop.Token));
    }

    private async Task LookAtBrokersAsync()
    {
        // As long as nobody answers, those that the settings name are asked too: the cluster may have moved.
        KafkaAddress[] asked = [.. (_metadata.Answering.Count > 0 ? _metadata.Brokers : _metadata.Brokers.Union(_bootstrap)).Take(BrokersMax)];
        BrokerLook[] looks = await Task.WhenAll(asked.Select(address => LookAsync(address)));
        KafkaMetadata? newest = looks.Select(look => look.Metadata).OfType<KafkaMetadata>().FirstOrDefault();
        IReadOnlyList<KafkaAddress> brokers = newest is null ? _metadata.Brokers : [.. newest.Brokers.Select(broker => broker.Address)];
        _metadata = new(
            brokers,
            [.. looks.Where(look => look.Metadata is not null).Select(look => look.Address)],
            newest?.Topics.Where(topic => topic.Name.StartsWith(_options.TopicPrefix, StringComparison.Ordinal)).Sum(topic => topic.Partitions.Count(partition => partition.Leader < 0)) ?? 0,
            string.Join("; ", looks.Where(look => look.Metadata is null && (newest is null || brokers.Contains(look.Address))).Select(look => $"{look.Address}: {look.Fault}")),
            looks.Where(look => look.Metadata is not null).Max(look => (double?)look.Ms));
        foreach (KafkaAddress gone in _links.Keys.Except(brokers).Except(_bootstrap).ToArray())
        {
            _links.Remove(gone, out KafkaLink? link);
            await link!.DisposeAsync();
        }
    }

    private async Task<BrokerLook> LookAsync(KafkaAddress address)
    {
        KafkaLink? link;
        lock (_links)
        {
            _links.Remove(address, out link);
        }

        (KafkaMetadata? metadata, string fault, double ms, link) = await AskAsync(
            _metadataDialler, address, link, s_metadataPatience, (asked, token) => asked.MetadataAsync([.. Topics()], token));
        if (link is not null)
        {
            lock (_links)
            {
                _links[address] = link;
            }
        }

        return new(address, metadata, fault, ms);
    }

    private IEnumerable<string> Topics() => Hosts.EventTopics.All.Select(topic => _options.TopicPrefix + topic);

    private async Task LookAtCoordinatorAsync()
    {
        KafkaAddress? address = _metadata.Answering.Cast<KafkaAddress?>().FirstOrDefault() ?? _bootstrap.Cast<KafkaAddress?>().FirstOrDefault();
        if (address is not { } asked)
        {
            return;
        }

        (CoordinatorAnswer? answer, string fault, double ms, KafkaLink? link) = await AskAsync(_coordinatorDialler, asked, null, s_coordinatorPatience, async (one, token) =>
            new CoordinatorAnswer((await one.FindCoordinatorAsync(_group, isTransaction: false, token)).Error));
        await (link?.DisposeAsync() ?? default);
        _coordinator = answer switch
        {
            null => new(fault, null),
            { Error: KafkaError.None } => new(null, ms),
            { Error: var error } => new($"the coordinator of {_group}: {KafkaLink.Text(error)}", ms),
        };
        s_failures.Add(answer is { Error: not KafkaError.None } ? 1 : 0);
    }

    // A question that was late because this process did not run says nothing about brokers: it is asked again.
    private async Task<(T? Answer, string Fault, double Ms, KafkaLink? Link)> AskAsync<T>(
        KafkaDialler dialler, KafkaAddress address, KafkaLink? link, TimeSpan patience, Func<KafkaLink, CancellationToken, Task<T>> ask)
        where T : class
    {
        bool isAgain = false;
        while (true)
        {
            long begun = _time.GetTimestamp();
            bool isNew = link is null;
            string fault;
            using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            late.CancelAfter(patience);
            try
            {
                link ??= await dialler.OpenAsync(address, await dialler.ResolveAsync(address, late.Token), late.Token);
                T answer = await ask(link, late.Token);
                double ms = _time.GetElapsedTime(begun).TotalMilliseconds;
                return (answer, "", ms, link);
            }
            catch (OperationCanceledException) when (!_stop.IsCancellationRequested)
            {
                fault = $"no answer within {patience.TotalSeconds} s";
            }
            catch (FindingException finding)
            {
                fault = finding.Finding.Sentence;
            }
            catch (KafkaLinkException failed)
            {
                fault = failed.Message;
            }

            await (link?.DisposeAsync() ?? default);
            link = null;

            // A connection that was left alone may have been closed since: a new one says more.
            bool wasStalled = _time.GetElapsedTime(begun) > patience + s_stall, wasOld = !isNew && _time.GetElapsedTime(begun) < patience / 2;
            if (isAgain || !(wasStalled || wasOld))
            {
                s_failures.Add(1);
                return (null, fault, 0, null);
            }

            isAgain = true;
        }
    }

    private void Judge()
    {
        MetadataLook seen = _metadata;
        int silent = Math.Max(0, seen.Brokers.Count - seen.Answering.Intersect(seen.Brokers).Count()), votes = 0;
        List<string> reasons = [];
        if (seen.Answering.Count == 0)
        {
            votes += UnreachableVotes;
            reasons.Add($"no broker answers ({seen.Faults})");
        }
        else if (silent > 0)
        {
            votes += 1;
            reasons.Add($"{silent} of {seen.Brokers.Count} brokers do not answer ({seen.Faults})");
        }

        if (seen.Leaderless > 0)
        {
            votes += 2;
            reasons.Add($"{seen.Leaderless} partitions have no leader");
        }

        if (_coordinator.Fault is { } fault && seen.Answering.Count > 0)
        {
            votes += 2;
            reasons.Add(fault);
        }

        KafkaHealthState state = votes >= UnreachableVotes ? KafkaHealthState.Unreachable : votes > 0 ? KafkaHealthState.Degraded : KafkaHealthState.Healthy;
        if (seen.Brokers.Count == 0 && seen.Answering.Count == 0 && seen.Faults.Length == 0)
        {
            return; // the coordinator was asked for first
        }

        Tell(new(state, string.Join("; ", reasons), default, Math.Max(seen.Brokers.Count, seen.Answering.Count), seen.Answering.Count, seen.Ms, _coordinator.Ms));
    }

    private void Tell(KafkaHealthReport seen)
    {
        bool isChanged;
        lock (_lock)
        {
            // Worse at once; better when it is so twice.
            bool isBetter = _report.State != KafkaHealthState.Unknown && seen.State < _report.State;
            if (isBetter && _better != seen.State)
            {
                _better = seen.State;
                return;
            }

            _better = KafkaHealthState.Unknown;
            isChanged = seen.State != _report.State;
            _report = seen with { Since = isChanged ? _time.GetUtcNow() : _report.Since };
            seen = _report;
        }

        s_state.Record((int)seen.State);
        s_metadata.Record((seen.MetadataMs ?? s_metadataPatience.TotalMilliseconds) / 1000);
        if (isChanged)
        {
            _changed?.Invoke(seen);
        }
    }

    private sealed record MetadataLook(IReadOnlyList<KafkaAddress> Brokers, IReadOnlyList<KafkaAddress> Answering, int Leaderless, string Faults, double? Ms);

    private readonly record struct BrokerLook(KafkaAddress Address, KafkaMetadata? Metadata, string Fault, double Ms);

    /// <summary>Without a fault it is there, or was not asked for yet.</summary>
    private sealed record CoordinatorLook(string? Fault, double? Ms);

    private sealed record CoordinatorAnswer(KafkaError Error);
}
