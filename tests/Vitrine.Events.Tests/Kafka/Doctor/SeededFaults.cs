using System.Globalization;
using System.Net;
using Vitrine.Events.Kafka;
using Vitrine.Events.Kafka.Doctor;
using Vitrine.Events.Tests.Schemas;

namespace Vitrine.Events.Tests.Kafka.Doctor;

/// <summary>A fault.</summary>
/// <param name="Name">As <c>docs/KAFKA.md</c> has it.</param>
/// <param name="Seed">Makes it.</param>
/// <param name="Mend">Does what the mend says, where its line alone does not: it has a place for a name or a file, or tells people to do something.
/// Null: the line itself is applied.</param>
internal sealed record SeededFault(string Name, Action<SeededSetup> Seed, Action<SeededSetup>? Mend = null);

/// <summary>All faults that are seeded, in the order in which an examination comes to them.</summary>
internal static class SeededFaults
{
    private const string Topic = "vitrine.sessions";

    private static readonly TimeSpan s_short = TimeSpan.FromSeconds(1), s_long = TimeSpan.FromSeconds(20);

    public static IReadOnlyList<SeededFault> All { get; } =
    [
        new("an address that is none", s => s.Options = s.Options with { Bootstrap = "kafka:port" }, s => s.Apply($"events.kafka.bootstrap: {SeededSetup.Kafka}")),
        new("a prefix that topics cannot have", s => s.Options = s.Options with { TopicPrefix = "vitrine/" }),
        new("a way to sign in, and no user", s =>
        {
            s.SignIn(KafkaSaslMechanism.ScramSha256, "SCRAM-SHA-256");
            s.Apply("events.kafka.sasl-user: ");
        }, s => s.Apply($"events.kafka.sasl-user: {SeededSetup.User}")),
        new("a file of authorities that is not there", s =>
        {
            s.SpeakTls();
            s.Apply("events.kafka.tls-ca: /nowhere/authorities.pem");
        }, s => s.Apply($"events.kafka.tls-ca: {s.Authority.File}")),
        new("a certificate of ours without its key", s =>
        {
            s.SpeakTls();
            s.Apply($"events.kafka.tls-cert: {s.Authority.Write("host-a").Certificate}");
        }, s => s.Options = s.Options with { Tls = s.Options.Tls! with { KeyFile = Path.ChangeExtension(s.Options.Tls.CertificateFile, ".key") } }),
        new("a key of ours whose password is not given", s =>
        {
            s.SpeakTls();
            Show(s, s.Authority.Write("host-a", password: "secret"));
        }, s => s.Apply("events.kafka.tls-key-password: secret")),
        new("a certificate of ours that has expired", s =>
        {
            s.SpeakTls();
            Show(s, s.Authority.Write("host-a", until: Day(2024, 5, 1)));
        }, s => Show(s, s.Authority.Write("host-a"))),
        new("a name that is not known", s => s.Apply("events.kafka.bootstrap: kafka.exmaple:9092"), s => s.Apply($"events.kafka.bootstrap: {SeededSetup.Kafka}")),
        new("a broker that does not run", s => s.Network.Ports.Clear(), s => s.Network.Ports[(SeededSetup.Ip, 9092)] = s.Broker.Port),
        new("a firewall that drops packets", s => (s.Network.Ports[(SeededSetup.Ip, 9092)], s.Patience) = (0, s_short), s => (s.Network.Ports[(SeededSetup.Ip, 9092)], s.Patience) = (s.Broker.Port, s_long)),
        new("TLS spoken to a port without it", s => s.Apply("events.kafka.tls: on")),
        new("TLS spoken to a web server without it", s =>
        {
            s.SpeakTls();
            Lead(s, 8080, SeededService.Web);
        }),
        new("a certificate that has expired", s => s.SpeakTls(until: Day(2024, 5, 1)), s => s.SpeakTls()),
        new("a certificate that is not valid yet", s => s.SpeakTls(from: Day(2080, 1, 1)), s => s.SpeakTls()),
        new("an authority that is not known", s =>
        {
            s.SpeakTls();
            s.Options = s.Options with { Tls = new() };
        }, s => s.Apply($"events.kafka.tls-ca: {s.Authority.File}")),
        new("a certificate for another name", s =>
        {
            s.SpeakTls();
            s.Network.Names["kafka.alias"] = SeededSetup.Ip;
            s.Apply("events.kafka.bootstrap: kafka.alias:9092");
        }),
        new("a broker that asks for a certificate of ours", s =>
        {
            s.SpeakTls();
            s.Broker.ClientAuthority = s.Authority.Certificate;
        }, s => Show(s, s.Authority.Write("host-a"))),
        new("a certificate of ours that the broker does not take", s =>
        {
            s.SpeakTls();
            TestAuthority others = new("Other authority");
            s.Broker.ClientAuthority = s.Keep(others.Sign("other"));
            Show(s, s.Authority.Write("host-a"));
            others.Dispose();
        }, s => s.Broker.ClientAuthority = s.Authority.Certificate),
        new("no TLS spoken to a port of TLS", s =>
        {
            s.SpeakTls();
            s.Options = s.Options with { Tls = null };
        }),
        new("the port of a web server", s => Lead(s, 8080, SeededService.Web)),
        new("the port of ZooKeeper", s => Lead(s, 2181, SeededService.ZooKeeper)),
        new("the port of something else", s => Lead(s, 22, SeededService.Shell)),
        new("the port of a controller", s =>
        {
            Lead(s, 9093, SeededService.Kafka);
            s.Other.Offered.Clear();
            s.Other.Offered[KafkaApi.Fetch] = (0, 17);
            s.Other.Offered[KafkaApi.Vote] = (0, 1);
        }),
        new("a broker that takes no more connections", s => s.Broker.MaxConnections = 0),
        new("a broker that hangs", s => (s.Broker.Service, s.Patience) = (SeededService.Nothing, s_short), s => (s.Broker.Service, s.Patience) = (SeededService.Kafka, s_long)),
        new("a broker without transactions", s => s.Broker.Offered.Remove(KafkaApi.InitProducerId), s => s.Broker.Offered[KafkaApi.InitProducerId] = (0, 1)),
        new("a broker that wants clients to sign in", s =>
        {
            s.SignIn(KafkaSaslMechanism.ScramSha256, "PLAIN", "SCRAM-SHA-256");
            s.Options = s.Options with { Sasl = null };
        }),
        new("a broker that nobody signs in at", s => s.SignIn(KafkaSaslMechanism.Plain)),
        new("a way to sign in that is not offered", s => s.SignIn(KafkaSaslMechanism.ScramSha256, "PLAIN", "SCRAM-SHA-512")),
        new("only ways to sign in that are not known here", s => s.SignIn(KafkaSaslMechanism.ScramSha512, "GSSAPI", "OAUTHBEARER")),
        new("a user that the brokers do not have", s =>
        {
            s.SignIn(KafkaSaslMechanism.ScramSha512, "SCRAM-SHA-512");
            s.Apply("events.kafka.sasl-user: vitrin");
        }, s => s.Broker.Users["vitrin"] = SeededSetup.Password),
        new("a wrong password, with SCRAM", s =>
        {
            s.SignIn(KafkaSaslMechanism.ScramSha256, "SCRAM-SHA-256");
            s.Apply("events.kafka.sasl-password: wrong");
        }, s => s.Apply($"events.kafka.sasl-password: {SeededSetup.Password}")),
        new("a wrong password, with PLAIN", s =>
        {
            s.SignIn(KafkaSaslMechanism.Plain, "PLAIN");
            s.Apply("events.kafka.sasl-password: wrong");
        }, s => s.Apply($"events.kafka.sasl-password: {SeededSetup.Password}")),
        new("somebody who only says that it is the broker", s =>
        {
            s.SignIn(KafkaSaslMechanism.ScramSha512, "SCRAM-SHA-512");
            s.Broker.IsGenuine = false;
        }, s => s.Broker.IsGenuine = true),
        new("a broker that advertises localhost", s => Advertise(s, "localhost", 9092, IPAddress.Loopback)),
        new("a broker that advertises a container's name", s => Advertise(s, "4f1c2a9be07d", 9092, null)),
        new("a broker that advertises a port where nobody is", s => Advertise(s, SeededSetup.Host, 9094, SeededSetup.Ip)),
        new("a broker that advertises the port of another listener", s =>
        {
            Advertise(s, SeededSetup.Host, 9094, SeededSetup.Ip);
            s.Network.Ports[(SeededSetup.Ip, 9094)] = s.Other.Port;
            s.Other.Certificate = s.Keep(s.Authority.Sign(SeededSetup.Host));
        }),
        new("a broker that advertises another cluster's address", s =>
        {
            Advertise(s, SeededSetup.Host, 9094, SeededSetup.Ip);
            s.Network.Ports[(SeededSetup.Ip, 9094)] = s.Other.Port;
            s.Other.Cluster = "another";
        }),
        new("a cluster without a controller", s => s.Broker.Controller = -1, s => s.Broker.Controller = 1),
        new("topics that we may not see", s =>
        {
            s.SignIn(KafkaSaslMechanism.ScramSha256, "SCRAM-SHA-256");
            s.Broker.Denied.Add("Describe topic");
        }),
        new("topics that are not there, and that nobody makes", s =>
        {
            s.Broker.Topics.Remove(Topic);
            s.Apply("events.kafka.make-topics: off");
        }),
        new("topics that we may not make", s =>
        {
            s.Broker.Topics.Clear();
            s.Broker.Denied.Add("Create topic");
        }),
        new("more copies than brokers, as we are set", s =>
        {
            s.Broker.Topics.Clear();
            s.Apply("events.kafka.replication: 3");
        }),
        new("more copies than brokers, as the cluster is set", s =>
        {
            s.Broker.Topics.Clear();
            s.Broker.Settings["default.replication.factor"] = "3";
        }),
        new("more copies to have an event than there are, in topics to be made", s =>
        {
            s.Broker.Topics.Clear();
            s.Broker.Settings["min.insync.replicas"] = "2";
        }),
        new("a policy that refuses a topic", s =>
        {
            s.Broker.Topics.Remove(Topic);
            s.Broker.Refused[KafkaApi.CreateTopics] = KafkaError.PolicyViolation;
        }, s =>
        {
            s.Broker.Topics[Topic] = new(2);
            s.Apply("events.kafka.make-topics: off");
        }),
        new("topics with unequal numbers of partitions", s => s.Broker.Topics["vitrine.errors"].Partitions = 1),
        new("topics to be made with another number of partitions", s =>
        {
            s.Broker.Topics.Remove(Topic);
            s.Apply("events.kafka.partitions: 6");
        }),
        new("a partition without a leader", s => (s.Broker.Topics[Topic].Leader, s.Broker.Topics[Topic].Replicas) = (-1, [2, 3]), s => (s.Broker.Topics[Topic].Leader, s.Broker.Topics[Topic].Replicas) = (1, [1])),
        new("a topic that is compacted", s => s.Broker.Topics[Topic].Settings["cleanup.policy"] = "compact,delete"),
        new("a topic that takes small messages only", s => s.Broker.Topics[Topic].Settings["max.message.bytes"] = "65536"),
        new("more copies to have an event than there are", s => s.Broker.Topics[Topic].Settings["min.insync.replicas"] = "2"),
        new("too few copies in sync", s =>
        {
            (s.Broker.Topics[Topic].Replicas, s.Broker.Topics[Topic].InSync) = ([1, 2, 3], [1]);
            s.Broker.Topics[Topic].Settings["min.insync.replicas"] = "2";
        }, s => s.Broker.Topics[Topic].InSync = [1, 2, 3]),
        new("no right to write", s => s.Broker.Denied.Add("Write topic")),
        new("no right to read", s => s.Broker.Denied.Add("Read topic")),
        new("no right to write without doubles", s => s.Broker.Denied.Add("IdempotentWrite cluster")),
        new("too few copies in sync, where settings may not be seen", s =>
        {
            s.ProbeTopic = Topic;
            s.Broker.Denied.Add("DescribeConfigs");
            s.Broker.Topics[Topic].Settings["min.insync.replicas"] = "2";
        }),
        new("a clock so wrong that events are refused", s => s.Broker.Refused[KafkaApi.Produce] = KafkaError.InvalidTimestamp, s => s.Broker.Refused.Clear()),
        new("a broker that cannot write", s => s.Broker.Refused[KafkaApi.Produce] = KafkaError.KafkaStorageError, s => s.Broker.Refused.Clear()),
        new("a broker that cannot read", s => s.Broker.Refused[KafkaApi.Fetch] = KafkaError.KafkaStorageError, s => s.Broker.Refused.Clear()),
        new("no right to the group", s => s.Broker.Denied.Add("Read group")),
        new("a topic of places that cannot be made", s => s.Broker.Settings["offsets.topic.replication.factor"] = "3"),
        new("a session timeout that is not allowed", s => s.Apply("events.kafka.session-timeout: 3600")),
        new("a group that cannot be joined", s => s.Broker.Refused[KafkaApi.JoinGroup] = KafkaError.UnknownServerError, s => s.Broker.Refused.Clear()),
        new("no right to transactions", s =>
        {
            s.Broker.Denied.Add("Describe transactional id");
            s.Broker.Denied.Add("Write transactional id");
        }),
        new("a log of transactions that cannot be made", s => s.Broker.Settings["transaction.state.log.replication.factor"] = "3"),
        new("transactions that may not take as long", s => s.Broker.Settings["transaction.max.timeout.ms"] = "10000"),
        new("a transaction that cannot be begun", s => s.Broker.Refused[KafkaApi.AddPartitionsToTxn] = KafkaError.UnknownServerError, s => s.Broker.Refused.Clear()),
        new("clocks that differ", s => s.Broker.ClockAhead = TimeSpan.FromMinutes(-3), s => s.Broker.ClockAhead = TimeSpan.Zero),
        new("a disk of the broker that has failed", s => s.Broker.Disk = s.Broker.Disk with { Error = KafkaError.KafkaStorageError }, s => s.Broker.Disk = s.Broker.Disk with { Error = KafkaError.None }),
        new("a disk of the broker that is nearly full", s => s.Broker.Disk = s.Broker.Disk with { UsableBytes = 5L << 30 }, s => s.Broker.Disk = s.Broker.Disk with { UsableBytes = 500L << 30 }),
        new("a registry that does not run", s => s.Apply("events.kafka.registry: http://127.0.0.1:1"), s => s.Apply($"events.kafka.registry: {Registry(s)}")),
        new("a registry that wants a password", s => s.Apply($"events.kafka.registry: {Registry(s, new NetworkCredential("vitrine", "secret"))}"), s => s.Apply($"events.kafka.registry: http://vitrine:secret@{s.Registry!.Address.Authority}")),
        new("a web server in place of a registry", s =>
        {
            s.Apply($"events.kafka.registry: {Registry(s)}");
            s.Registry!.Broken = context => TestRegistry.AnswerAsync(context, 404, "no such page");
        }, s => s.Registry!.Broken = null),
    ];

    private static DateTimeOffset Day(int year, int month, int day) => new(year, month, day, 0, 0, 0, TimeSpan.Zero);

    private static void Show(SeededSetup s, (string Certificate, string Key) files) =>
        s.Options = s.Options with { Tls = s.Options.Tls! with { CertificateFile = files.Certificate, KeyFile = files.Key } };

    // The settings name another port, behind which something else is.
    private static void Lead(SeededSetup s, int port, SeededService service)
    {
        s.Network.Ports[(SeededSetup.Ip, port)] = s.Other.Port;
        s.Other.Service = service;
        s.Apply(string.Create(CultureInfo.InvariantCulture, $"events.kafka.bootstrap: {SeededSetup.Host}:{port}"));
    }

    private static void Advertise(SeededSetup s, string host, int port, IPAddress? ip)
    {
        s.Broker.Brokers = [new(1, new(host, port))];
        if (ip is not null)
        {
            s.Network.Names[host] = ip;
        }
    }

    private static string Registry(SeededSetup s, NetworkCredential? credentials = null)
    {
        s.Registry ??= TestRegistry.StartAsync(credentials: credentials).GetAwaiter().GetResult();
        return s.Registry.Address.AbsoluteUri.TrimEnd('/');
    }
}
