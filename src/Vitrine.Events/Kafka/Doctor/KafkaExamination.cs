using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Vitrine.Events.Schemas;
using static System.FormattableString;

namespace Vitrine.Events.Kafka.Doctor;

/// <summary>One examination: its steps in their order, and what they have found for the later ones.</summary>
internal sealed class KafkaExamination : IAsyncDisposable
{
    // Topics' names, as brokers take them.
    private const int NameLengthMax = 249;

    // What librdkafka sends at most, unless it is told otherwise.
    private const int MessageBytesMost = 1_000_000;

    // Of a cluster that is larger the first ones are looked at.
    private const int BrokersMost = 64;

    // Silence of a host is told after 35 s, and minutes are made by the time of events.
    private static readonly TimeSpan s_clocksApart = TimeSpan.FromSeconds(5);

    // Less than that on a disk is nearly nothing.
    private const double DiskLeast = 0.03;

    private static readonly string[] s_brokerKeys =
        ["default.replication.factor", "min.insync.replicas", "offsets.topic.replication.factor", "transaction.state.log.replication.factor", "transaction.state.log.min.isr"];

    private static readonly string[] s_topicKeys = ["cleanup.policy", "min.insync.replicas", "max.message.bytes"];

    // Of its own topic: gone by itself if it cannot be removed, and with the broker's clock in it.
    private static readonly (string, string)[] s_probeSettings = [("retention.ms", "3600000"), ("message.timestamp.type", "LogAppendTime"), ("min.insync.replicas", "1")];

    private readonly KafkaOptions _options;
    private readonly string[] _topics;
    private readonly string? _named;
    private readonly string _probe;
    private readonly KafkaPatience _patience;
    private readonly TimeProvider _time;
    private readonly CancellationToken _stop;
    private readonly Examiner _examiner;
    private readonly KafkaDialler _dialler;
    private readonly Dictionary<int, KafkaLink> _links = [];
    private readonly byte[] _value = RandomNumberGenerator.GetBytes(16);
    private readonly List<KafkaAddress> _bootstrap = [];
    private readonly Dictionary<KafkaAddress, IPAddress[]> _found = [];
    private KafkaChannel? _channel;
    private KafkaLink? _first;
    private KafkaMetadata _metadata = new([], "", -1, []);
    private IReadOnlyDictionary<string, string> _settings = new Dictionary<string, string>();
    private bool _hasProbe;
    private bool _hasMadeProbe;
    private KafkaLink? _leader; // of the probe topic
    private long _offset;
    private DateTimeOffset _written; // when we think that it was
    private long? _taken; // when the broker says that it was, in milliseconds

    public KafkaExamination(
        KafkaOptions options, IReadOnlyList<string> topics, string? probeTopic, KafkaNetwork network, KafkaPatience patience, TimeProvider time, CancellationToken stop)
    {
        (_options, _named, _patience, _time, _stop) = (options, probeTopic, patience, time, stop);
        _topics = [.. topics.Select(topic => options.TopicPrefix + topic)];
        _probe = probeTopic ?? options.TopicPrefix + KafkaDoctor.ProbeName;
        (_examiner, _dialler) = (new(time), new(options, network, patience, time));
    }

    private string Us => _options.Sasl?.User ?? (_options.Tls?.CertificateFile is null ? "ANONYMOUS" : "our certificate");

    private KafkaAddress Address => _channel!.Address;

    // Brokers pass on what is the controller's, where that is none of them.
    private KafkaLink Controller => _links.GetValueOrDefault(_metadata.Controller) ?? _first!;

    // Brokers choose by themselves from Kafka 2.4 on.
    private short Replication => _options.Replication ?? (short)(Controller.Offers(KafkaApi.CreateTopics, 4, 4) ? -1 : Number("default.replication.factor") ?? 1);

    public async Task<Examination> RunAsync()
    {
        await LookAsync("library", Library);
        await LookAsync("settings", Settings);
        await LookAsync("name", NameAsync);
        await LookAsync("port", PortAsync);
        await LookAsync("TLS", TlsAsync);
        await LookAsync("protocol", ProtocolAsync);
        await LookAsync("sign-in", async () => await _dialler.SignInAsync(_first!, _channel!, _stop));
        await LookAsync("addresses", AddressesAsync);
        await LookAsync("controller", ControllerAsync);
        await LookAsync("topics", TopicsAsync);
        await LookAsync("rights", Rights);
        await LookAsync("produce", ProduceAsync);
        await LookAsync("consume", ConsumeAsync);
        await LookAsync("group", GroupAsync);
        await LookAsync("transactions", TransactionsAsync);
        await LookAsync("clocks", Clocks);
        await LookAsync("disks", DisksAsync);
        await LookAsync("registry", RegistryAsync);
        if (_hasMadeProbe)
        {
            await _examiner.TakeAsync("clean-up", CleanUpAsync);
        }

        return _examiner.Seen;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (KafkaLink link in _links.Values)
        {
            await link.DisposeAsync();
        }

        await (_channel?.DisposeAsync() ?? default);
        _dialler.Dispose();
    }

    // What no step foresees ends it all the same, with what was seen.
    private Task LookAsync(string name, Func<Task<Look>> step) => _examiner.LookAsync(name, async () =>
    {
        try
        {
            return await step();
        }
        catch (KafkaLinkException exception)
        {
            throw new FindingException(KafkaFindings.Unforeseen(Address, exception.Message));
        }
    });

    private static Task<Look> Library() =>
        KafkaLibrary.Missing is { } why ? throw new FindingException(KafkaFindings.Library(why)) : Task.FromResult<Look>($"librdkafka {KafkaLibrary.Version}");

    private Task<Look> Settings()
    {
        foreach (string text in _options.Bootstrap.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            _bootstrap.Add(KafkaAddress.TryParse(text, out KafkaAddress address) ? address : throw new FindingException(KafkaFindings.Bootstrap(text)));
        }

        if (_bootstrap.Count == 0)
        {
            throw new FindingException(KafkaFindings.Bootstrap(_options.Bootstrap));
        }

        if (_topics.Append(_probe).Any(topic => topic.Length > NameLengthMax || !topic.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-')))
        {
            throw new FindingException(KafkaFindings.Prefix(_options.TopicPrefix));
        }

        if (_options.Sasl is { User.Length: 0 })
        {
            throw new FindingException(KafkaFindings.NoUser());
        }

        _dialler.ReadCertificates();
        return Task.FromResult<Look>($"{string.Join(", ", _bootstrap)}, {(_options.Tls is null ? "without TLS" : "with TLS")}, {(_options.Sasl is null ? "without signing in" : $"as {_options.Sasl}")}");
    }

    // A client goes on when one of several works; the others are told beside it.
    private async Task<Look> NameAsync()
    {
        List<string> seen = [];
        FindingException? first = null;
        foreach (KafkaAddress address in _bootstrap)
        {
            try
            {
                _found[address] = await _dialler.ResolveAsync(address, _stop);
                seen.Add(IPAddress.TryParse(address.Host, out _) ? address.Host : $"{address.Host} is {string.Join(", ", _found[address].Take(4).Select(ip => ip.ToString()))}");
            }
            catch (FindingException exception)
            {
                first ??= exception;
                seen.Add(exception.Finding.Sentence.TrimEnd('.'));
            }
        }

        return _found.Count > 0 ? string.Join("; ", seen.Distinct()) : throw first!;
    }

    private async Task<Look> PortAsync()
    {
        List<string> seen = [];
        FindingException? first = null;
        foreach ((KafkaAddress address, IPAddress[] found) in _found)
        {
            try
            {
                _channel = await _dialler.ConnectAsync(address, found, _stop);
                seen.Insert(0, $"{address} takes connections at {_channel.Ip}");
                return string.Join("; ", seen);
            }
            catch (FindingException exception)
            {
                first ??= exception;
                seen.Add(exception.Finding.Sentence.TrimEnd('.'));
            }
        }

        throw first!;
    }

    private async Task<Look> TlsAsync() => _options.Tls is null ? "off: whoever is on the way can read" : await _dialler.SecureAsync(_channel!, _stop);

    private async Task<Look> ProtocolAsync()
    {
        _first = await _dialler.BeginAsync(_channel!, _stop);
        return Invariant($"Kafka, Produce up to version {_first.Offered[KafkaApi.Produce].Most}, Fetch up to {_first.Offered.GetValueOrDefault(KafkaApi.Fetch).Most}");
    }

    private async Task<Look> AddressesAsync()
    {
        _metadata = await _first!.MetadataAsync([], _stop);
        foreach (KafkaBroker broker in _metadata.Brokers.Take(BrokersMost))
        {
            if (broker.Address == Address)
            {
                _links.TryAdd(broker.Node, _first!);
            }
            else
            {
                await VisitAsync(broker);
            }
        }

        return _metadata.Brokers.Count == 0
            ? throw new FindingException(KafkaFindings.NoController("the cluster says that it has no brokers"))
            : Invariant($"{_metadata.Brokers.Count} in cluster {_metadata.Cluster}: {string.Join(", ", _metadata.Brokers.Take(8).Select(broker => broker.Address.ToString()))}");
    }

    private async Task VisitAsync(KafkaBroker broker)
    {
        // As Kafka calls the four ways, and where clients have found it.
        string way = (_options.Tls is null, _options.Sasl is null) switch { (true, true) => "PLAINTEXT", (false, true) => "SSL", (true, false) => "SASL_PLAINTEXT", _ => "SASL_SSL" };
        string line = $"advertised.listeners={way}://{(_metadata.Brokers.Count == 1 ? Address : broker.Address with { Host = "HOST" })}";
        IPAddress[] found;
        try
        {
            found = await _dialler.ResolveAsync(broker.Address, _stop);
        }
        catch (FindingException unknown)
        {
            throw new FindingException(KafkaFindings.AdvertisedUnknown(broker, line, unknown.Finding.Evidence));
        }

        if (found.All(IsHere) && !IsHere(_channel!.Ip))
        {
            throw new FindingException(KafkaFindings.AdvertisedLoopback(broker, line));
        }

        KafkaLink link;
        try
        {
            link = await _dialler.OpenAsync(broker.Address, found, _stop);
        }
        catch (FindingException there)
        {
            throw new FindingException(there.Finding.Code is "port-closed" or "port-silent" or "closed-at-once" or "no-answer"
                ? KafkaFindings.AdvertisedSilent(broker, line, there.Finding.Evidence)
                : KafkaFindings.AdvertisedOther(broker, line, there.Finding));
        }

        if (!_links.TryAdd(broker.Node, link))
        {
            await link.DisposeAsync();
            return;
        }

        string cluster = (await link.MetadataAsync([], _stop)).Cluster;
        if (cluster != _metadata.Cluster)
        {
            throw new FindingException(KafkaFindings.AdvertisedOtherCluster(broker, line, _metadata.Cluster, cluster));
        }

        static bool IsHere(IPAddress ip) => IPAddress.IsLoopback(ip) || ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any);
    }

    private async Task<Look> ControllerAsync()
    {
        await SettledAsync(async () =>
        {
            _metadata = await _first!.MetadataAsync([], _stop);
            return _metadata.Controller >= 0;
        });
        if (_metadata.Controller < 0)
        {
            throw new FindingException(KafkaFindings.NoController(Invariant($"brokers {string.Join(", ", _metadata.Brokers.Select(broker => broker.Node))} say so")));
        }

        (int node, KafkaLink link) = _links.First(); // a broker tells its own settings only
        if (link.Offers(KafkaApi.DescribeConfigs, 1, 2))
        {
            (_, _settings) = await link.DescribeConfigsAsync(isTopic: false, node.ToString(CultureInfo.InvariantCulture), s_brokerKeys, _stop);
        }

        return Invariant($"broker {_metadata.Controller}");
    }

    private async Task<Look> TopicsAsync()
    {
        _metadata = await _first!.MetadataAsync([.. _topics, _probe], _stop);
        KafkaTopic[] there = [.. _metadata.Topics.Where(topic => topic.Error is KafkaError.None or KafkaError.LeaderNotAvailable && _topics.Contains(topic.Name))];
        string[] missing = [.. _topics.Where(name => there.All(topic => topic.Name != name))];
        foreach (KafkaTopic topic in _metadata.Topics.Where(topic => topic.Name != _probe || _named is not null || _options.MakesTopics))
        {
            if (topic.Error == KafkaError.TopicAuthorizationFailed)
            {
                throw new FindingException(KafkaFindings.TopicDenied(topic.Name, Us, "Describe", Acl("Describe", Of("topic", topic.Name))));
            }

            if (topic.Error is not (KafkaError.None or KafkaError.LeaderNotAvailable or KafkaError.UnknownTopicOrPartition))
            {
                throw new FindingException(KafkaFindings.TopicRefused(topic.Name, topic.Error, "Metadata"));
            }
        }

        _hasProbe = _metadata.Topics.Any(topic => topic.Name == _probe && topic.Error is KafkaError.None or KafkaError.LeaderNotAvailable);
        if (_named is not null && !_hasProbe)
        {
            throw new FindingException(KafkaFindings.TopicMissing(_named, 1));
        }

        if (there.FirstOrDefault(topic => topic.Partitions.Count != there[0].Partitions.Count) is { } other)
        {
            throw new FindingException(KafkaFindings.PartitionsUnequal(there[0].Name, there[0].Partitions.Count, other.Name, other.Partitions.Count));
        }

        if (missing.Length > 0)
        {
            await MissingAsync(missing, there);
        }

        foreach (KafkaTopic topic in there)
        {
            await TopicAsync(topic);
        }

        return Invariant($"{there.Length} of {_topics.Length} are there{(there.Length > 0 ? $", with {there[0].Partitions.Count} partitions" : "")}{(missing.Length > 0 ? "; the others can be made" : "")}");
    }

    private async Task MissingAsync(string[] missing, KafkaTopic[] there)
    {
        if (!_options.MakesTopics)
        {
            throw new FindingException(KafkaFindings.TopicMissing(missing[0], there.Length > 0 ? there[0].Partitions.Count : _options.Partitions));
        }

        if (there.Length > 0 && there[0].Partitions.Count != _options.Partitions)
        {
            throw new FindingException(KafkaFindings.PartitionsUnequalToBe(there[0].Name, there[0].Partitions.Count, missing[0], _options.Partitions));
        }

        foreach ((string topic, KafkaError error, string message) in await MakeAsync(missing, _options.Partitions, [], isTrial: true))
        {
            if (error != KafkaError.TopicAlreadyExists)
            {
                CheckMade(topic, error, message);
            }
        }

        int copies = _options.Replication ?? Number("default.replication.factor") ?? 1;
        if (Number("min.insync.replicas") is { } wanted && wanted > copies)
        {
            throw new FindingException(KafkaFindings.InSyncImpossibleToBe(wanted, copies, _metadata.Brokers.Count));
        }
    }

    private async Task TopicAsync(KafkaTopic topic)
    {
        if (topic.Partitions.FirstOrDefault(partition => partition.Leader < 0) is { } orphan)
        {
            throw new FindingException(KafkaFindings.NoLeader(topic.Name, orphan));
        }

        if (!_first!.Offers(KafkaApi.DescribeConfigs, 1, 2))
        {
            return;
        }

        // Without the right to see them there are none, and nothing is said of them.
        (_, IReadOnlyDictionary<string, string> settings) = await _first.DescribeConfigsAsync(isTopic: true, topic.Name, s_topicKeys, _stop);
        if (settings.TryGetValue("cleanup.policy", out string? policy) && policy.Contains("compact", StringComparison.Ordinal))
        {
            throw new FindingException(KafkaFindings.Compacted(topic.Name));
        }

        if (Parse(settings, "max.message.bytes") is { } bytes && bytes < MessageBytesMost)
        {
            throw new FindingException(KafkaFindings.MessagesTooSmall(topic.Name, bytes, MessageBytesMost));
        }

        foreach (KafkaPartition partition in topic.Partitions)
        {
            int wanted = Parse(settings, "min.insync.replicas") ?? 1;
            if (wanted > partition.Replicas.Length)
            {
                throw new FindingException(KafkaFindings.InSyncImpossible(topic.Name, wanted, partition.Replicas.Length));
            }

            if (wanted > partition.InSync.Length)
            {
                throw new FindingException(KafkaFindings.InSyncTooFew(topic.Name, partition, wanted));
            }
        }
    }

    private Task<Look> Rights()
    {
        KafkaTopic[] told = [.. _metadata.Topics.Where(topic => topic.Rights is not null && topic.Error == KafkaError.None && _topics.Contains(topic.Name))];
        foreach (KafkaTopic topic in told)
        {
            foreach (KafkaRights right in (KafkaRights[])[KafkaRights.Write, KafkaRights.Read])
            {
                if (!topic.Rights!.Value.HasFlag(right))
                {
                    throw new FindingException(KafkaFindings.TopicDenied(topic.Name, Us, right.ToString(), Acl(right.ToString(), Of("topic", topic.Name))));
                }
            }
        }

        return Task.FromResult(told.Length > 0 ? $"to write and to read {told.Length} topics" : Look.NotPossible("the broker does not tell them, or no topic is there yet"));
    }

    private async Task<Look> ProduceAsync()
    {
        if (!_hasProbe)
        {
            if (!_options.MakesTopics)
            {
                return Look.NotPossible($"it takes the topic {_probe}, which is not there, or another one that is named");
            }

            foreach ((string topic, KafkaError error, string message) in await MakeAsync([_probe], 1, s_probeSettings, isTrial: false))
            {
                CheckMade(topic, error, message);
            }

            _hasProbe = _hasMadeProbe = true;
        }

        KafkaTopic? probe = null;
        await SettledAsync(async () =>
        {
            probe = (await _first!.MetadataAsync([_probe], _stop)).Topics.FirstOrDefault(topic => topic.Name == _probe);
            return probe?.Partitions.FirstOrDefault(partition => partition.Index == 0) is { } partition && _links.TryGetValue(partition.Leader, out _leader);
        });
        if (_leader is null)
        {
            throw new FindingException(KafkaFindings.NoLeader(_probe, probe is { Partitions: [var only, ..] } ? only : new(0, -1, [], [])));
        }

        (KafkaError refused, long id, short epoch) = await SettledAsync(() => _first!.InitProducerIdAsync(null, _options.DeliveryTimeout, _stop), answer => answer.Error);
        if (refused != KafkaError.None)
        {
            throw new FindingException(refused == KafkaError.ClusterAuthorizationFailed
                ? KafkaFindings.IdempotenceDenied(Us, Acl("IdempotentWrite", "--cluster"))
                : KafkaFindings.NotWritten(_probe, $"InitProducerId: {KafkaLink.Text(refused)}"));
        }

        DateTimeOffset before = _time.GetUtcNow();
        byte[] batch = KafkaQuestions.Batch("vitrine-doctor"u8, _value, before, (id, epoch));
        (KafkaError written, _offset) = await SettledAsync(() => _leader.ProduceAsync(_probe, batch, _patience.Answer, _stop), answer => answer.Error);
        _written = before + ((_time.GetUtcNow() - before) / 2);
        return written switch
        {
            KafkaError.None => Invariant($"an event to {_probe}, at {_offset}"),
            KafkaError.TopicAuthorizationFailed => throw new FindingException(KafkaFindings.TopicDenied(_probe, Us, "Write", Acl("Write", Of("topic", _probe)))),
            KafkaError.ClusterAuthorizationFailed => throw new FindingException(KafkaFindings.IdempotenceDenied(Us, Acl("IdempotentWrite", "--cluster"))),
            KafkaError.NotEnoughReplicas or KafkaError.NotEnoughReplicasAfterAppend => throw new FindingException(KafkaFindings.InSyncRefused(_probe, written)),
            KafkaError.InvalidTimestamp => throw new FindingException(KafkaFindings.TimestampRefused(_probe, before)),
            _ => throw new FindingException(KafkaFindings.NotWritten(_probe, $"Produce: {KafkaLink.Text(written)}")),
        };
    }

    private async Task<Look> ConsumeAsync()
    {
        if (_leader is null)
        {
            return Look.NotPossible("nothing was written");
        }

        (KafkaError error, byte[] records) = (KafkaError.None, []);
        await SettledAsync(async () =>
        {
            (error, records) = await _leader.FetchAsync(_probe, _offset, _patience.Pause, _stop);
            return error != KafkaError.None || KafkaQuestions.Has(records, _offset, _value);
        });
        _taken = KafkaQuestions.AppendTimeOf(records, _offset);
        return error == KafkaError.TopicAuthorizationFailed
                ? throw new FindingException(KafkaFindings.TopicDenied(_probe, Us, "Read", Acl("Read", Of("topic", _probe))))
            : error != KafkaError.None ? throw new FindingException(KafkaFindings.NotRead(_probe, $"Fetch: {KafkaLink.Text(error)}"))
            : KafkaQuestions.Has(records, _offset, _value) ? "the same event, from there"
            : throw new FindingException(KafkaFindings.NotRead(_probe, Invariant($"{records.Length} bytes came, and it was not among them")));
    }

    private async Task<Look> GroupAsync()
    {
        string group = _options.TopicPrefix + KafkaDoctor.ProbeName;
        string acl = Acl("Read", Of("group", group));
        (KafkaError error, KafkaBroker broker) = await SettledAsync(() => _first!.FindCoordinatorAsync(group, isTransaction: false, _stop), answer => answer.Error);
        if (error != KafkaError.None)
        {
            throw new FindingException(error switch
            {
                KafkaError.GroupAuthorizationFailed => KafkaFindings.GroupDenied(group, Us, acl),
                KafkaError.CoordinatorNotAvailable => KafkaFindings.GroupUnavailable(_metadata.Brokers.Count, Setting("offsets.topic.replication.factor"), KafkaLink.Text(error)),
                _ => KafkaFindings.GroupFailed(group, $"FindCoordinator: {KafkaLink.Text(error)}"),
            });
        }

        KafkaLink coordinator = _links.GetValueOrDefault(broker.Node) ?? throw new FindingException(KafkaFindings.GroupFailed(group, Invariant($"its coordinator is broker {broker.Node}, which the cluster does not name")));
        (error, string member) = await SettledAsync(() => coordinator.JoinGroupAsync(group, _options.SessionTimeout, _stop), answer => answer.Error);
        if (error != KafkaError.None)
        {
            throw new FindingException(error switch
            {
                KafkaError.GroupAuthorizationFailed => KafkaFindings.GroupDenied(group, Us, acl),
                KafkaError.InvalidSessionTimeout => KafkaFindings.SessionTimeout(_options.SessionTimeout, KafkaLink.Text(error)),
                _ => KafkaFindings.GroupFailed(group, $"JoinGroup: {KafkaLink.Text(error)}"),
            });
        }

        await coordinator.LeaveGroupAsync(group, member, _stop);
        return Invariant($"{group}, at broker {broker.Node}");
    }

    private async Task<Look> TransactionsAsync()
    {
        string id = _options.TopicPrefix + KafkaDoctor.ProbeName;
        ExaminationFinding denied = KafkaFindings.TransactionDenied(id, Us, Acl("Write --operation Describe", Of("transactional-id", id)));
        (KafkaError error, KafkaBroker broker) = await SettledAsync(() => _first!.FindCoordinatorAsync(id, isTransaction: true, _stop), answer => answer.Error);
        Check(error, "FindCoordinator");
        KafkaLink coordinator = _links.GetValueOrDefault(broker.Node) ?? throw new FindingException(KafkaFindings.TransactionFailed(id, Invariant($"its coordinator is broker {broker.Node}, which the cluster does not name")));
        (error, long producer, short epoch) = await SettledAsync(() => coordinator.InitProducerIdAsync(id, _options.DeliveryTimeout, _stop), answer => answer.Error);
        Check(error, "InitProducerId");
        if (_hasProbe)
        {
            Check(await SettledAsync(() => coordinator.AddToTransactionAsync(id, (producer, epoch), _probe, _stop), answer => answer), "AddPartitionsToTxn");
            Check(await SettledAsync(() => coordinator.AbortAsync(id, (producer, epoch), _stop), answer => answer), "EndTxn");
        }

        return Invariant($"{id}, at broker {broker.Node}{(_hasProbe ? ": begun and given up" : "")}");

        void Check(KafkaError answer, string question)
        {
            if (answer != KafkaError.None)
            {
                throw new FindingException(answer switch
                {
                    KafkaError.TransactionalIdAuthorizationFailed => denied,
                    KafkaError.CoordinatorNotAvailable => KafkaFindings.TransactionsUnavailable(_metadata.Brokers.Count, Setting("transaction.state.log.replication.factor"), KafkaLink.Text(answer)),
                    KafkaError.InvalidTransactionTimeout => KafkaFindings.TransactionTimeout(_options.DeliveryTimeout, KafkaLink.Text(answer)),
                    _ => KafkaFindings.TransactionFailed(id, $"{question}: {KafkaLink.Text(answer)}"),
                });
            }
        }
    }

    private Task<Look> Clocks()
    {
        if (_taken is not (>= 0 and var taken))
        {
            return Task.FromResult(Look.NotPossible($"the broker does not tell when it took the event: {_probe} keeps the time of who writes, or is not there"));
        }

        TimeSpan ahead = DateTimeOffset.FromUnixTimeMilliseconds(Math.Min(taken, DateTimeOffset.MaxValue.ToUnixTimeMilliseconds())) - _written;
        string node = _links.First(pair => pair.Value == _leader).Key.ToString(CultureInfo.InvariantCulture);
        return ahead.Duration() > s_clocksApart
            ? throw new FindingException(KafkaFindings.Clocks(ahead, node))
            : Task.FromResult<Look>(Invariant($"broker {node} is {Math.Abs(ahead.TotalMilliseconds):0} ms {(ahead > TimeSpan.Zero ? "ahead" : "behind")}"));
    }

    private async Task<Look> DisksAsync()
    {
        List<KafkaDisk> seen = [];
        foreach ((int node, KafkaLink link) in _links)
        {
            if (!link.Offers(KafkaApi.DescribeLogDirs, 4, 4))
            {
                continue;
            }

            (_, IReadOnlyList<KafkaDisk> disks) = await link.DescribeLogDirsAsync(_stop); // none without the right to see them
            foreach (KafkaDisk disk in disks)
            {
                if (disk.Error != KafkaError.None)
                {
                    throw new FindingException(KafkaFindings.DiskFailed(node, disk));
                }

                if (disk.UsableBytes >= 0 && disk.UsableBytes < DiskLeast * disk.TotalBytes)
                {
                    throw new FindingException(KafkaFindings.DiskFull(node, disk));
                }

                seen.Add(disk);
            }
        }

        return seen.Count == 0
            ? Look.NotPossible("brokers tell it from Kafka 3.3 on, to who may describe the cluster")
            : Invariant($"{seen.Min(disk => 100.0 * disk.UsableBytes / Math.Max(1, disk.TotalBytes)):0} % free at least");
    }

    private async Task<Look> RegistryAsync()
    {
        if (_options.Registry is not { } registry)
        {
            return Look.NotPossible("none is set: schemas are in a topic");
        }

        using SchemaRegistryClient client = new(registry);
        try
        {
            return Invariant($"{registry.Address}: {await client.CountSubjectsAsync(_stop)} subjects");
        }
        catch (SchemaStoreException exception)
        {
            throw new FindingException(exception.Failure switch
            {
                SchemaStoreFailure.Unreachable => KafkaFindings.RegistryUnreachable(registry.Address, exception.Message),
                SchemaStoreFailure.Unauthorized => KafkaFindings.RegistryDenied(registry.Address, exception.Message),
                _ => KafkaFindings.NotARegistry(registry.Address, exception.Message),
            });
        }
    }

    private async Task<Look> CleanUpAsync()
    {
        try
        {
            KafkaError error = await Controller.DeleteTopicAsync(_probe, _patience.Answer, _stop);
            return error == KafkaError.None ? $"{_probe} is removed again" : $"{_probe} stays, and empties itself in an hour: {KafkaLink.Text(error)}";
        }
        catch (KafkaLinkException exception)
        {
            return $"{_probe} stays, and empties itself in an hour: {exception.Message}";
        }
    }

    private Task<IReadOnlyList<(string Topic, KafkaError Error, string Message)>> MakeAsync(
        IReadOnlyCollection<string> topics, int partitions, IReadOnlyCollection<(string, string)> settings, bool isTrial) =>
        Controller.CreateTopicsAsync(topics, partitions, Replication, settings, _patience.Answer, isTrial, _stop);

    private void CheckMade(string topic, KafkaError error, string message)
    {
        if (error != KafkaError.None)
        {
            throw new FindingException(error switch
            {
                KafkaError.TopicAuthorizationFailed or KafkaError.ClusterAuthorizationFailed =>
                    KafkaFindings.TopicMakingDenied(topic, Us, Acl("Create", Of("topic", topic))),
                KafkaError.InvalidReplicationFactor => KafkaFindings.Replication(topic, _options.Replication, _metadata.Brokers.Count, message),
                _ => KafkaFindings.TopicRefused(topic, error, message),
            });
        }
    }

    private string Acl(string operation, string resource) =>
        $"kafka-acls.sh --bootstrap-server {Address} --add --allow-principal User:{_options.Sasl?.User ?? (_options.Tls?.CertificateFile is null ? "ANONYMOUS" : "SUBJECT")} --operation {operation} {resource}";

    // All with our prefix at once, which is what a fleet needs.
    private string Of(string kind, string name) =>
        _options.TopicPrefix.Length > 0 && name.StartsWith(_options.TopicPrefix, StringComparison.Ordinal) ? $"--{kind} {_options.TopicPrefix} --resource-pattern-type prefixed" : $"--{kind} {name}";

    private string Setting(string name) => _settings.GetValueOrDefault(name) ?? "more";

    private int? Number(string name) => Parse(_settings, name);

    private static int? Parse(IReadOnlyDictionary<string, string> settings, string name) =>
        settings.TryGetValue(name, out string? text) && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : null;

    // A cluster chooses leaders and coordinators in the background, and makes its own topics when they are asked for.
    private async Task SettledAsync(Func<Task<bool>> look)
    {
        long start = _time.GetTimestamp();
        while (!await look() && _time.GetElapsedTime(start) < _patience.Settle)
        {
            await Task.Delay(_patience.Pause, _stop);
        }
    }

    private async Task<T> SettledAsync<T>(Func<Task<T>> ask, Func<T, KafkaError> error)
    {
        T answer = default!;
        await SettledAsync(async () =>
        {
            answer = await ask();
            return error(answer) is not (KafkaError.LeaderNotAvailable or KafkaError.NotLeaderOrFollower or KafkaError.CoordinatorLoadInProgress
                or KafkaError.CoordinatorNotAvailable or KafkaError.NotCoordinator or KafkaError.ConcurrentTransactions or KafkaError.UnknownTopicOrPartition
                or KafkaError.NotEnoughReplicas or KafkaError.NotEnoughReplicasAfterAppend);
        });
        return answer;
    }
}
