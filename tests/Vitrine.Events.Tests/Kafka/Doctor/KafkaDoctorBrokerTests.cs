using System.Text;
using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Vitrine.Events.Hosts;
using Vitrine.Events.Kafka;
using Vitrine.Events.Kafka.Doctor;
using Xunit.Abstractions;

namespace Vitrine.Events.Tests.Kafka.Doctor;

/// <summary>The doctor beside what others have made: librdkafka's own broker, librdkafka's client, and a real cluster where there is one.</summary>
public class KafkaDoctorBrokerTests(ITestOutputHelper output)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    [LibrdkafkaFact]
    public async Task LibrdkafkasBrokers_NoFinding()
    {
        using MockKafkaCluster cluster = new(3);
        Examination seen = await KafkaDoctor.ExamineAsync(new() { Bootstrap = cluster.Bootstrap });
        Show(seen);
        Assert.Null(seen.Finding);
        foreach (string name in (string[])["port", "protocol", "addresses", "controller", "topics", "produce", "consume", "group", "transactions"])
        {
            Assert.Equal(ExaminationState.Passed, seen.Steps.Single(step => step.Name == name).State);
        }
    }

    [LibrdkafkaFact]
    public async Task BatchesOfBoth_AreReadByTheOther()
    {
        using MockKafkaCluster cluster = new(3);
        await using KafkaLink first = await LinkAsync(cluster.Bootstrap.Split(',')[0]);
        KafkaMetadata metadata = await first.MetadataAsync(["both"], default); // makes it there
        string leader = metadata.Brokers.Single(broker => broker.Node == metadata.Topics[0].Partitions.Single(partition => partition.Index == 0).Leader).Address.ToString();
        await using KafkaLink link = await LinkAsync(leader);
        byte[] ours = Encoding.UTF8.GetBytes("ours"), theirs = Encoding.UTF8.GetBytes("theirs");
        (KafkaError error, long offset) = await link.ProduceAsync("both", KafkaQuestions.Batch(ours, ours, DateTimeOffset.UtcNow, (-1, -1)), s_patience, default);
        Assert.Equal((KafkaError.None, 0), (error, offset));
        using IProducer<byte[], byte[]> producer = new ProducerBuilder<byte[], byte[]>(new ProducerConfig { BootstrapServers = cluster.Bootstrap }).Build();
        DeliveryResult<byte[], byte[]> written = await producer.ProduceAsync(new TopicPartition("both", 0), new() { Key = theirs, Value = theirs });
        (error, byte[] records) = await link.FetchAsync("both", written.Offset, s_patience, default);
        Assert.Equal(KafkaError.None, error);
        Assert.True(KafkaQuestions.Has(records, written.Offset, theirs));

        ConsumerConfig config = new() { BootstrapServers = leader, GroupId = "test", CheckCrcs = true };
        using IConsumer<byte[], byte[]> consumer = new ConsumerBuilder<byte[], byte[]>(config).Build();
        consumer.Assign(new TopicPartitionOffset("both", 0, 0));
        ConsumeResult<byte[], byte[]> read = consumer.Consume(s_patience);
        Assert.Equal(ours, read.Message.Key);
        Assert.Equal(ours, read.Message.Value);
        consumer.Close();
    }

    [LibrdkafkaFact]
    public async Task LibrdkafkasClient_SignsInAtTheSeededBrokerAndIsAnswered()
    {
        KafkaLibrary.Need();
        await using SeededSetup setup = new();
        setup.SpeakTls("localhost");
        setup.SignIn(KafkaSaslMechanism.ScramSha512, "SCRAM-SHA-512");
        setup.Broker.Brokers = [new(1, new("localhost", setup.Broker.Port))];
        AdminClientConfig config = new()
        {
            BootstrapServers = $"localhost:{setup.Broker.Port}",
            BrokerAddressFamily = BrokerAddressFamily.V4,
            SecurityProtocol = SecurityProtocol.SaslSsl,
            SslCaLocation = setup.Authority.File,
            SaslMechanism = SaslMechanism.ScramSha512,
            SaslUsername = SeededSetup.User,
            SaslPassword = SeededSetup.Password,
        };
        using IAdminClient admin = new AdminClientBuilder(config).Build();
        Metadata metadata = admin.GetMetadata(s_patience);
        Assert.Equal(("localhost", setup.Broker.Port), (metadata.Brokers.Single().Host, metadata.Brokers.Single().Port));
        Assert.Equal(2, metadata.Topics.Single(topic => topic.Topic == "vitrine.sessions").Partitions.Count);

        await admin.CreateTopicsAsync([new() { Name = "new", NumPartitions = 3, ReplicationFactor = 1, Configs = new() { ["retention.ms"] = "1000" } }], new() { RequestTimeout = s_patience });
        Assert.Equal((3, "1000"), (setup.Broker.Topics["new"].Partitions, setup.Broker.Topics["new"].Settings["retention.ms"]));
        CreateTopicsException refused = await Assert.ThrowsAsync<CreateTopicsException>(() => admin.CreateTopicsAsync([new() { Name = "more", NumPartitions = 1, ReplicationFactor = 3 }]));
        Assert.Equal(ErrorCode.InvalidReplicationFactor, refused.Results.Single().Error.Code);

        List<DescribeConfigsResult> settings = await admin.DescribeConfigsAsync([new() { Type = ResourceType.Topic, Name = "new" }], new() { RequestTimeout = s_patience });
        Assert.Equal("1000", settings.Single().Entries["retention.ms"].Value);
        await admin.DeleteTopicsAsync(["new"]);
        Assert.DoesNotContain("new", setup.Broker.Topics.Keys);
    }

    [LibrdkafkaFact]
    public async Task FullGroup_IsJoinedOnceAMemberIsGone()
    {
        await using SeededSetup setup = new();
        SeededBroker broker = setup.Broker;
        broker.Brokers = [new(1, new("localhost", broker.Port))];
        (broker.Group, broker.Members) = ("vitrine.watch", 2);
        await using KafkaLog log = KafkaLog.Open(new() { Bootstrap = $"localhost:{broker.Port}", Partitions = 2 });
        using CancellationTokenSource stop = new(s_patience);
        Task joining = log.JoinAsync(new("watch", [EventTopics.Sessions], CommitPolicy.Manual) { StandsBy = true }, stop.Token).AsTask();
        Task room = log.WaitForRoomAsync("watch", 2, TimeSpan.FromMilliseconds(20), stop.Token);
        await Until.HoldsAsync(() => Looks() >= 5);
        Assert.False(joining.IsCompleted);
        Assert.False(room.IsCompleted);

        broker.Members = 1;
        await room;
        Assert.DoesNotContain(broker.Asked, asked => asked.StartsWith(nameof(KafkaApi.JoinGroup), StringComparison.Ordinal));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => joining);

        // Where nobody may say how many there are, it joins as it would have.
        broker.Group = "vitrine.other";
        broker.Members = 2;
        await log.WaitForRoomAsync("watch", 2, TimeSpan.FromMilliseconds(20), default).WaitAsync(s_patience);

        int Looks() => broker.Asked.Count(asked => asked.StartsWith("15 ", StringComparison.Ordinal));
    }

    [BrokerFact]
    public async Task RealBroker_NoFinding()
    {
        Examination seen = await KafkaDoctor.ExamineAsync(TestCluster.RealBrokers!);
        Show(seen);
        Assert.Null(seen.Finding);
    }

    private static async Task<KafkaLink> LinkAsync(string text)
    {
        KafkaAddress address = KafkaAddress.TryParse(text, out KafkaAddress parsed) ? parsed : throw new ArgumentException(text);
        KafkaLink link = new(await new KafkaNetwork().ConnectAsync(System.Net.IPAddress.Loopback, address.Port, default), "test", s_patience);
        await link.AskVersionsAsync(default);
        return link;
    }

    private void Show(Examination seen)
    {
        foreach (ExaminationStep step in seen.Steps)
        {
            output.WriteLine(step.ToString());
        }

        output.WriteLine(seen.Finding?.ToString() ?? "nothing found");
    }
}
