using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Vitrine.Events.Kafka.Doctor;

namespace Vitrine.Events.Tests.Kafka.Doctor;

/// <summary>What listens on a port.</summary>
internal enum SeededService
{
    Kafka,
    Web,
    ZooKeeper,
    Shell,
    Nothing,
}

/// <summary>A topic of a <see cref="SeededBroker"/>.</summary>
internal sealed class SeededTopic(int partitions)
{
    public int Partitions { get; set; } = partitions;

    public int Leader { get; set; } = 1;

    public int[] Replicas { get; set; } = [1];

    public int[] InSync { get; set; } = [1];

    public Dictionary<string, string> Settings { get; } = new() { ["cleanup.policy"] = "delete", ["min.insync.replicas"] = "1", ["max.message.bytes"] = "1048588" };

    public List<byte[]> Batches { get; } = [];
}

/// <summary>Speaks as much of Kafka's protocol as an examination asks for, and has a switch for each fault. It is a stand-in for faults only: that a
/// real broker speaks so, librdkafka's own broker and client show.</summary>
internal sealed class SeededBroker : IAsyncDisposable
{
    // Only clients of ours ask for these.
    private const KafkaApi DescribeGroups = (KafkaApi)15, ListGroups = (KafkaApi)16;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly List<string> _asked = [];
    private readonly TimeProvider _time;
    private readonly Task _accepting;
    private long _producers = 1000;

    public SeededBroker(TimeProvider time)
    {
        _time = time;
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    public SeededService Service { get; set; } = SeededService.Kafka;

    /// <summary>Null: without TLS.</summary>
    public X509Certificate2? Certificate { get; set; }

    /// <summary>Whose certificates clients must show; null: none.</summary>
    public X509Certificate2? ClientAuthority { get; set; }

    /// <summary>Ways to sign in; empty: nobody does.</summary>
    public List<string> Mechanisms { get; set; } = [];

    public Dictionary<string, string> Users { get; } = [];

    /// <summary>False: it does not know the password, and lets everybody in.</summary>
    public bool IsGenuine { get; set; } = true;

    public int MaxConnections { get; set; } = int.MaxValue;

    public string Cluster { get; set; } = "seeded";

    public List<KafkaBroker> Brokers { get; set; } = [];

    public int Controller { get; set; } = 1;

    public Dictionary<string, SeededTopic> Topics { get; } = [];

    /// <summary>Of the broker.</summary>
    public Dictionary<string, string> Settings { get; } = new()
    {
        ["default.replication.factor"] = "1",
        ["min.insync.replicas"] = "1",
        ["offsets.topic.replication.factor"] = "1",
        ["transaction.state.log.replication.factor"] = "1",
        ["group.max.session.timeout.ms"] = "1800000",
        ["transaction.max.timeout.ms"] = "900000",
    };

    /// <summary>What may not be done: an operation, and on what.</summary>
    public HashSet<string> Denied { get; } = [];

    /// <summary>Requests that are answered with an error whatever they ask.</summary>
    public Dictionary<KafkaApi, KafkaError> Refused { get; } = [];

    /// <summary>How many times nobody coordinates yet.</summary>
    public int CoordinatorAfter { get; set; }

    /// <summary>A group that there is.</summary>
    public string Group { get; set; } = "";

    /// <summary>Of <see cref="Group"/>.</summary>
    public int Members { get; set; }

    public TimeSpan ClockAhead { get; set; }

    public KafkaDisk Disk { get; set; } = new("/var/lib/kafka", KafkaError.None, 1L << 40, 1L << 39);

    public static IReadOnlyDictionary<KafkaApi, (short Least, short Most)> AllOffered { get; } = new Dictionary<KafkaApi, (short, short)>
    {
        [KafkaApi.Produce] = (3, 7),
        [KafkaApi.Fetch] = (4, 4),
        [KafkaApi.Metadata] = (1, 8),
        [KafkaApi.FindCoordinator] = (1, 2),
        [KafkaApi.JoinGroup] = (2, 3),
        [KafkaApi.LeaveGroup] = (1, 2),
        [DescribeGroups] = (0, 0),
        [ListGroups] = (0, 0),
        [KafkaApi.SaslHandshake] = (0, 1),
        [KafkaApi.ApiVersions] = (0, 0),
        [KafkaApi.CreateTopics] = (2, 4),
        [KafkaApi.DeleteTopics] = (1, 3),
        [KafkaApi.InitProducerId] = (0, 1),
        [KafkaApi.AddPartitionsToTxn] = (0, 1),
        [KafkaApi.EndTxn] = (0, 1),
        [KafkaApi.TxnOffsetCommit] = (0, 2),
        [KafkaApi.DescribeConfigs] = (1, 2),
        [KafkaApi.DescribeLogDirs] = (4, 4),
        [KafkaApi.SaslAuthenticate] = (0, 1),
    };

    public Dictionary<KafkaApi, (short Least, short Most)> Offered { get; } = new(AllOffered);

    /// <summary>What was asked, in order.</summary>
    public IReadOnlyList<string> Asked
    {
        get
        {
            lock (_asked)
            {
                return [.. _asked];
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static KafkaError ErrorUnless(bool isFine, KafkaError error) => isFine ? KafkaError.None : error;

    private async Task AcceptAsync()
    {
        List<Task> serving = [];
        try
        {
            while (true)
            {
                Socket socket = await _listener.AcceptSocketAsync(_stop.Token);
                serving.Add(ServeAsync(new NetworkStream(socket, ownsSocket: true)));
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(Stream stream)
    {
        await using Stream raw = stream;
        try
        {
            if (Service == SeededService.Nothing)
            {
                await Task.Delay(Timeout.Infinite, _stop.Token);
            }

            if (MaxConnections == 0)
            {
                return;
            }

            if (Service != SeededService.Kafka)
            {
                await ServeOtherAsync(stream);
                return;
            }

            if (Certificate is not null)
            {
                SslStream tls = new(stream);
                stream = tls;
                await tls.AuthenticateAsServerAsync(
                    new()
                    {
                        ServerCertificate = Certificate,
                        ClientCertificateRequired = ClientAuthority is not null,
                        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                        RemoteCertificateValidationCallback = (_, certificate, _, _) => ClientAuthority is null || certificate?.Issuer == ClientAuthority.Subject,
                    },
                    _stop.Token);
            }

            Client client = new() { IsIn = Mechanisms.Count == 0 };
            byte[] head = new byte[4];
            while (await stream.ReadAtLeastAsync(head, 4, throwOnEndOfStream: false, _stop.Token) == 4)
            {
                int length = BinaryPrimitives.ReadInt32BigEndian(head);
                if (length is < 8 or > 1 << 20)
                {
                    return; // as a broker does with what is no request, a handshake of TLS for one
                }

                byte[] request = new byte[length];
                await stream.ReadExactlyAsync(request, _stop.Token);
                if (Answer(request, client) is not { } answer)
                {
                    return;
                }

                await stream.WriteAsync(new KafkaWriter().Bytes(answer).Written.ToArray(), _stop.Token);
            }
        }
        catch (Exception exception) when (exception is IOException or AuthenticationException or OperationCanceledException)
        {
            // The client is gone, or was no client of this kind.
        }
        finally
        {
            await stream.DisposeAsync();
        }
    }

    private async Task ServeOtherAsync(Stream stream)
    {
        if (Service == SeededService.Shell)
        {
            await stream.WriteAsync("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"u8.ToArray(), _stop.Token);
        }

        byte[] bytes = new byte[256];
        int read = await stream.ReadAsync(bytes, _stop.Token);
        if (Service == SeededService.Web)
        {
            await stream.WriteAsync("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"u8.ToArray(), _stop.Token);
        }
        else if (Service == SeededService.ZooKeeper && bytes.AsSpan(0, read).SequenceEqual("srvr"u8))
        {
            await stream.WriteAsync("Zookeeper version: 3.8.4-9316c2a7a97e1666d8f4593f34dd6fc36ecc436c, built on 2024-02-12 22:16 UTC\n"u8.ToArray(), _stop.Token);
        }
    }

    // Null: the connection is closed.
    private byte[]? Answer(byte[] request, Client client)
    {
        KafkaReader reader = new(request);
        KafkaApi api = (KafkaApi)reader.Int16();
        short version = reader.Int16();
        int number = reader.Int32();
        reader.NullableString();
        bool isFlexible = api == KafkaApi.DescribeLogDirs;
        if (isFlexible)
        {
            reader.Tags();
        }

        lock (_asked)
        {
            _asked.Add($"{api} {version}");
            if (!client.IsIn && api is not (KafkaApi.ApiVersions or KafkaApi.SaslHandshake or KafkaApi.SaslAuthenticate))
            {
                return null;
            }

            KafkaWriter answer = new KafkaWriter().Int32(number);
            if (api == KafkaApi.ApiVersions)
            {
                // Who asks in another version is told with version 0 (KIP-511).
                return Versions(answer, version == 0 ? KafkaError.None : KafkaError.UnsupportedVersion).Written.ToArray();
            }

            if (!Offered.TryGetValue(api, out (short Least, short Most) range) || version < range.Least || version > range.Most)
            {
                return null;
            }

            if (isFlexible)
            {
                answer.UnsignedVarint(0);
            }

            KafkaError refused = Refused.GetValueOrDefault(api);
            KafkaWriter? written = api switch
            {
                KafkaApi.Metadata => Metadata(ref reader, answer, version),
                KafkaApi.SaslHandshake => Handshake(ref reader, answer, client),
                KafkaApi.SaslAuthenticate => Authenticate(ref reader, answer, version, client),
                KafkaApi.CreateTopics => CreateTopics(ref reader, answer, refused),
                KafkaApi.DeleteTopics => DeleteTopics(ref reader, answer),
                KafkaApi.DescribeConfigs => DescribeConfigs(ref reader, answer),
                KafkaApi.InitProducerId => InitProducerId(ref reader, answer),
                KafkaApi.Produce => Produce(ref reader, answer, version, refused),
                KafkaApi.Fetch => Fetch(ref reader, answer, refused),
                KafkaApi.FindCoordinator => FindCoordinator(ref reader, answer),
                KafkaApi.JoinGroup => JoinGroup(ref reader, answer, refused),
                KafkaApi.LeaveGroup => answer.Int32(0).Int16(0),
                ListGroups => answer.Int16(0).Int32(1).String(Group).String("consumer"),
                DescribeGroups => Describe(answer),
                KafkaApi.AddPartitionsToTxn => AddPartitions(ref reader, answer, refused),
                KafkaApi.EndTxn => answer.Int32(0).Int16(0),
                KafkaApi.DescribeLogDirs => DescribeLogDirs(answer),
                _ => null,
            };
            return written?.Written.ToArray();
        }
    }

    private KafkaWriter Versions(KafkaWriter answer, KafkaError error) =>
        answer.Int16((short)error).Each(Offered, static (writer, pair) => writer.Int16((short)pair.Key).Int16(pair.Value.Least).Int16(pair.Value.Most));

    private KafkaWriter Metadata(ref KafkaReader reader, KafkaWriter answer, short version)
    {
        List<string> asked = [];
        int count = reader.Int32();
        for (int i = 0; i < count; i++)
        {
            asked.Add(reader.String());
        }

        if (count < 0)
        {
            asked.AddRange(Topics.Keys);
        }

        if (version >= 3)
        {
            answer.Int32(0);
        }

        answer.Each(Brokers, static (writer, broker) => writer.Int32(broker.Node).String(broker.Address.Host).Int32(broker.Address.Port).String(null));
        if (version >= 2)
        {
            answer.String(Cluster);
        }

        answer.Int32(Controller).Each(asked, (writer, name) =>
        {
            bool isDenied = Denied.Contains("Describe topic");
            SeededTopic? topic = isDenied ? null : Topics.GetValueOrDefault(name);
            KafkaError error = isDenied ? KafkaError.TopicAuthorizationFailed : ErrorUnless(topic is not null, KafkaError.UnknownTopicOrPartition);
            writer.Int16((short)error).String(name).Bool(false).Each(Enumerable.Range(0, topic?.Partitions ?? 0).ToArray(), (each, index) =>
            {
                each.Int16((short)ErrorUnless(topic!.Leader >= 0, KafkaError.LeaderNotAvailable)).Int32(index).Int32(topic.Leader);
                if (version >= 7)
                {
                    each.Int32(0);
                }

                each.Each(topic.Replicas, static (w, node) => w.Int32(node)).Each(topic.InSync, static (w, node) => w.Int32(node));
                if (version >= 5)
                {
                    each.Int32(0);
                }
            });
            if (version >= 8)
            {
                writer.Int32((Denied.Contains("Read topic") ? 0 : (int)KafkaRights.Read) | (Denied.Contains("Write topic") ? 0 : (int)KafkaRights.Write));
            }
        });
        return version >= 8 ? answer.Int32(int.MinValue) : answer;
    }

    private KafkaWriter Handshake(ref KafkaReader reader, KafkaWriter answer, Client client)
    {
        client.Mechanism = reader.String();
        KafkaError error = Mechanisms.Count == 0 ? KafkaError.IllegalSaslState : ErrorUnless(Mechanisms.Contains(client.Mechanism), KafkaError.UnsupportedSaslMechanism);
        return answer.Int16((short)error).Strings(Mechanisms);
    }

    private KafkaWriter Authenticate(ref KafkaReader reader, KafkaWriter answer, short version, Client client)
    {
        string message = Encoding.UTF8.GetString(reader.Bytes());
        string? said = client.Mechanism == "PLAIN" ? (message.Split('\0') is ["", var user, var password] && Users.GetValueOrDefault(user) == password ? "" : null) : Scram(message, client);
        client.IsIn = said is not null && (client.Mechanism == "PLAIN" || said.StartsWith("v=", StringComparison.Ordinal));
        answer.Int16((short)ErrorUnless(said is not null, KafkaError.SaslAuthenticationFailed))
            .String(said is not null ? null : $"Authentication failed during authentication due to invalid credentials with SASL mechanism {client.Mechanism}")
            .Bytes(Encoding.UTF8.GetBytes(said ?? ""));
        return version >= 1 ? answer.Int64(0) : answer;
    }

    // The server's side of RFC 5802; null: refused.
    private string? Scram(string message, Client client)
    {
        HashAlgorithmName hash = client.Mechanism == "SCRAM-SHA-256" ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA512;
        if (client.ServerFirst.Length == 0)
        {
            string bare = message[3..];
            string user = bare.Split(',')[0][2..].Replace("=2C", ",", StringComparison.Ordinal).Replace("=3D", "=", StringComparison.Ordinal);
            if (!Users.TryGetValue(user, out string? password))
            {
                return null;
            }

            byte[] salt = RandomNumberGenerator.GetBytes(16);
            client.Salted = Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(password), salt, 4096, hash, CryptographicOperations.HashData(hash, []).Length);
            client.ClientFirst = bare;
            return client.ServerFirst = $"{bare.Split(',')[1]}{Convert.ToBase64String(RandomNumberGenerator.GetBytes(12))},s={Convert.ToBase64String(salt)},i=4096";
        }

        int at = message.LastIndexOf(",p=", StringComparison.Ordinal);
        byte[] whole = Encoding.UTF8.GetBytes($"{client.ClientFirst},{client.ServerFirst},{message[..at]}");
        byte[] stored = CryptographicOperations.HashData(hash, CryptographicOperations.HmacData(hash, client.Salted, "Client Key"u8));
        byte[] key = CryptographicOperations.HmacData(hash, stored, whole), proof = Convert.FromBase64String(message[(at + 3)..]);
        for (int i = 0; i < key.Length; i++)
        {
            key[i] ^= proof[i];
        }

        if (!IsGenuine)
        {
            return "v=" + Convert.ToBase64String(whole[..8]);
        }

        byte[] serverKey = CryptographicOperations.HmacData(hash, client.Salted, "Server Key"u8);
        return CryptographicOperations.HashData(hash, key).AsSpan().SequenceEqual(stored) ? "v=" + Convert.ToBase64String(CryptographicOperations.HmacData(hash, serverKey, whole)) : null;
    }

    private KafkaWriter CreateTopics(ref KafkaReader reader, KafkaWriter answer, KafkaError refused)
    {
        List<(string Name, KafkaError Error)> answers = [];
        List<(string Name, SeededTopic Topic)> made = [];
        for (int count = reader.Int32(); count > 0; count--)
        {
            string name = reader.String();
            SeededTopic topic = new(reader.Int32());
            short copies = reader.Int16();
            reader.Int32(); // assignments
            for (int settings = reader.Int32(); settings > 0; settings--)
            {
                topic.Settings[reader.String()] = reader.NullableString() ?? "";
            }

            int wanted = copies < 0 ? Number(Settings["default.replication.factor"]) : copies;
            answers.Add((name, refused != KafkaError.None ? refused
                : Denied.Contains("Create topic") ? KafkaError.TopicAuthorizationFailed
                : Topics.ContainsKey(name) ? KafkaError.TopicAlreadyExists
                : ErrorUnless(wanted <= Brokers.Count, KafkaError.InvalidReplicationFactor)));
            made.Add((name, topic));
        }

        reader.Int32();
        bool isTrial = reader.Bool();
        foreach ((string name, SeededTopic topic) in made.Where(each => !isTrial && answers.Contains((each.Name, KafkaError.None))))
        {
            Topics[name] = topic;
        }

        return answer.Int32(0).Each(answers, static (writer, each) => writer.String(each.Name).Int16((short)each.Error).String(null));
    }

    private KafkaWriter DeleteTopics(ref KafkaReader reader, KafkaWriter answer)
    {
        reader.Int32();
        string name = reader.String();
        return answer.Int32(0).Int32(1).String(name).Int16((short)ErrorUnless(Topics.Remove(name), KafkaError.UnknownTopicOrPartition));
    }

    private KafkaWriter DescribeConfigs(ref KafkaReader reader, KafkaWriter answer)
    {
        reader.Int32();
        sbyte type = reader.Int8();
        string name = reader.String();
        int count = reader.Int32();
        List<string> keys = [];
        for (int i = 0; i < count; i++)
        {
            keys.Add(reader.String());
        }

        Dictionary<string, string> all = Denied.Contains("DescribeConfigs") ? [] : type == 4 ? Settings : Topics[name].Settings;
        return answer.Int32(0).Int32(1).Int16((short)ErrorUnless(!Denied.Contains("DescribeConfigs"), KafkaError.ClusterAuthorizationFailed)).String(null).Int8(type).String(name)
            .Each(all.Where(pair => count < 0 || keys.Contains(pair.Key)).ToArray(), static (writer, pair) => writer.String(pair.Key).String(pair.Value).Bool(false).Int8(5).Bool(false).Int32(0));
    }

    private KafkaWriter InitProducerId(ref KafkaReader reader, KafkaWriter answer)
    {
        bool isTransactional = reader.NullableString() is not null;
        int timeout = reader.Int32();
        KafkaError error = Denied.Contains(isTransactional ? "Write transactional id" : "IdempotentWrite cluster")
            ? isTransactional ? KafkaError.TransactionalIdAuthorizationFailed : KafkaError.ClusterAuthorizationFailed
            : ErrorUnless(!isTransactional || timeout <= Number(Settings["transaction.max.timeout.ms"]), KafkaError.InvalidTransactionTimeout);
        return answer.Int32(0).Int16((short)error).Int64(error == KafkaError.None ? _producers++ : -1).Int16(0);
    }

    private KafkaWriter Produce(ref KafkaReader reader, KafkaWriter answer, short version, KafkaError refused)
    {
        reader.NullableString();
        reader.Int16();
        reader.Int32();
        reader.Int32();
        string name = reader.String();
        reader.Int32();
        int partition = reader.Int32();
        byte[] batch = reader.Bytes().ToArray();
        SeededTopic topic = Topics[name];
        KafkaError error = refused != KafkaError.None ? refused
            : Denied.Contains("Write topic") ? KafkaError.TopicAuthorizationFailed
            : ErrorUnless(topic.InSync.Length >= Number(topic.Settings["min.insync.replicas"]), KafkaError.NotEnoughReplicas);
        long offset = -1;
        if (error == KafkaError.None)
        {
            offset = topic.Batches.Count;
            BinaryPrimitives.WriteInt64BigEndian(batch, offset);
            if (topic.Settings.GetValueOrDefault("message.timestamp.type") == "LogAppendTime")
            {
                batch[22] |= KafkaQuestions.LogAppendTime;
                BinaryPrimitives.WriteInt64BigEndian(batch.AsSpan(35), (_time.GetUtcNow() + ClockAhead).ToUnixTimeMilliseconds());
                BinaryPrimitives.WriteUInt32BigEndian(batch.AsSpan(17), KafkaQuestions.Crc32C(batch.AsSpan(21)));
            }

            topic.Batches.Add(batch);
        }

        answer.Int32(1).String(name).Int32(1).Int32(partition).Int16((short)error).Int64(offset).Int64(-1);
        return (version >= 5 ? answer.Int64(0) : answer).Int32(0);
    }

    private KafkaWriter Fetch(ref KafkaReader reader, KafkaWriter answer, KafkaError refused)
    {
        reader.Take(17);
        reader.Int32();
        string name = reader.String();
        reader.Int32();
        int partition = reader.Int32();
        long offset = reader.Int64();
        SeededTopic topic = Topics[name];
        KafkaError error = refused != KafkaError.None ? refused : ErrorUnless(!Denied.Contains("Read topic"), KafkaError.TopicAuthorizationFailed);
        return answer.Int32(0).Int32(1).String(name).Int32(1).Int32(partition).Int16((short)error).Int64(topic.Batches.Count).Int64(topic.Batches.Count).Int32(-1)
            .Bytes(error == KafkaError.None ? topic.Batches.Skip((int)offset).SelectMany(batch => batch).ToArray() : []);
    }

    private KafkaWriter FindCoordinator(ref KafkaReader reader, KafkaWriter answer)
    {
        reader.String();
        bool isTransaction = reader.Int8() == 1;
        KafkaError error = Denied.Contains(isTransaction ? "Describe transactional id" : "Read group") ? (isTransaction ? KafkaError.TransactionalIdAuthorizationFailed : KafkaError.GroupAuthorizationFailed)
            : ErrorUnless(Number(Settings[isTransaction ? "transaction.state.log.replication.factor" : "offsets.topic.replication.factor"]) <= Brokers.Count && CoordinatorAfter-- <= 0, KafkaError.CoordinatorNotAvailable);
        KafkaBroker broker = error == KafkaError.None ? Brokers[0] : new(-1, new("", -1));
        return answer.Int32(0).Int16((short)error).String(null).Int32(broker.Node).String(broker.Address.Host).Int32(broker.Address.Port);
    }

    private KafkaWriter JoinGroup(ref KafkaReader reader, KafkaWriter answer, KafkaError refused)
    {
        reader.String();
        KafkaError error = refused != KafkaError.None ? refused : ErrorUnless(reader.Int32() <= Number(Settings["group.max.session.timeout.ms"]), KafkaError.InvalidSessionTimeout);
        return answer.Int32(0).Int16((short)error).Int32(1).String("range").String("member").String(error == KafkaError.None ? "member" : "").Int32(0);
    }

    private KafkaWriter Describe(KafkaWriter answer) =>
        answer.Int32(1).Int16(0).String(Group).String("Stable").String("consumer").String("range")
            .Each(Enumerable.Range(0, Members).ToArray(), static (writer, index) => writer.String($"member-{index}").String("vitrine").String("/127.0.0.1").Bytes([]).Bytes([]));

    private static KafkaWriter AddPartitions(ref KafkaReader reader, KafkaWriter answer, KafkaError refused)
    {
        reader.String();
        reader.Take(10);
        reader.Int32();
        return answer.Int32(0).Int32(1).String(reader.String()).Int32(1).Int32(0).Int16((short)refused);
    }

    private KafkaWriter DescribeLogDirs(KafkaWriter answer) =>
        answer.Int32(0).Int16(0).UnsignedVarint(2).Int16((short)Disk.Error).CompactString(Disk.Folder).UnsignedVarint(1).Int64(Disk.TotalBytes).Int64(Disk.UsableBytes).UnsignedVarint(0).UnsignedVarint(0);

    /// <summary>What is known of a connection.</summary>
    private sealed class Client
    {
        public bool IsIn { get; set; }

        public string Mechanism { get; set; } = "";

        public string ClientFirst { get; set; } = "";

        public string ServerFirst { get; set; } = "";

        public byte[] Salted { get; set; } = [];
    }
}
