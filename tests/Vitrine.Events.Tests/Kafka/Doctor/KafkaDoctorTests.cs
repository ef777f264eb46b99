using System.Net;
using Vitrine.Events.Kafka;
using Vitrine.Events.Kafka.Doctor;

namespace Vitrine.Events.Tests.Kafka.Doctor;

public sealed class KafkaDoctorTests(FaultTable table) : IClassFixture<FaultTable>
{
    private static readonly string[] s_steps =
    [
        "library", "settings", "name", "port", "TLS", "protocol", "sign-in", "addresses", "controller", "topics", "rights", "produce", "consume", "group", "transactions", "clocks", "disks",
        "registry",
    ];

    public static TheoryData<string> Faults => [.. SeededFaults.All.Select(fault => fault.Name)];

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task SeededFault_NamedWithAMendThatMakesItPass(string name)
    {
        SeededFault fault = SeededFaults.All.Single(each => each.Name == name);
        await using SeededSetup setup = new();
        fault.Seed(setup);
        Examination seen = await setup.ExamineAsync();
        ExaminationFinding finding = Assert.IsType<ExaminationFinding>(seen.Finding);
        table.Check(name, finding);

        ExaminationStep[] steps = [.. seen.Steps.Where(step => step.Name != "clean-up")];
        Assert.Equal(s_steps, steps.Select(step => step.Name));
        int failed = Array.FindIndex(steps, step => step.State == ExaminationState.Failed);
        Assert.DoesNotContain(steps[..failed], step => step.State == ExaminationState.NotLookedAt && step.Name is not ("rights" or "produce" or "consume" or "clocks"));
        Assert.All(steps[(failed + 1)..], step => Assert.Equal(ExaminationState.NotLookedAt, step.State));

        if (fault.Mend is { } mend)
        {
            mend(setup);
        }
        else
        {
            setup.Apply(finding.Line);
        }

        Assert.Null((await setup.ExamineAsync()).Finding);
        Assert.DoesNotContain("vitrine.doctor", setup.Broker.Topics.Keys);
    }

    [Fact]
    public void Table_HasEachFaultOnce()
    {
        string[] names = [.. SeededFaults.All.Select(fault => fault.Name)];
        Assert.True(names.Length >= 20);
        Assert.Equal(names, table.Names);
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("TLS")]
    [InlineData("TLS, SCRAM-SHA-256")]
    [InlineData("TLS, SCRAM-SHA-512")]
    [InlineData("TLS, PLAIN")]
    [InlineData("SCRAM-SHA-512")]
    [InlineData("TLS with certificates of both")]
    [InlineData("TLS with a certificate of ours that need not be")]
    [InlineData("no topic yet")]
    [InlineData("nothing may be described")]
    [InlineData("old metadata")]
    [InlineData("two addresses, the first of which is down")]
    [InlineData("an address that is an IP address")]
    [InlineData("coordinators that are chosen meanwhile")]
    public async Task HealthySetUp_NoFinding(string name)
    {
        await using SeededSetup setup = new();
        if (name.StartsWith("TLS", StringComparison.Ordinal))
        {
            setup.SpeakTls();
        }

        switch (name.Split(", ")[^1])
        {
            case "SCRAM-SHA-256":
                setup.SignIn(KafkaSaslMechanism.ScramSha256, "SCRAM-SHA-256");
                break;
            case "SCRAM-SHA-512":
                setup.SignIn(KafkaSaslMechanism.ScramSha512, "SCRAM-SHA-256", "SCRAM-SHA-512");
                break;
            case "PLAIN":
                setup.SignIn(KafkaSaslMechanism.Plain, "PLAIN");
                break;
            case "TLS with certificates of both":
                setup.Broker.ClientAuthority = setup.Authority.Certificate;
                (string certificate, string key) = setup.Authority.Write("host-a");
                setup.Options = setup.Options with { Tls = setup.Options.Tls! with { CertificateFile = certificate, KeyFile = key } };
                break;
            case "TLS with a certificate of ours that need not be":
                (certificate, key) = setup.Authority.Write("host-a");
                setup.Options = setup.Options with { Tls = setup.Options.Tls! with { CertificateFile = certificate, KeyFile = key } };
                break;
            case "no topic yet":
                setup.Broker.Topics.Clear();
                break;
            case "nothing may be described":
                setup.Broker.Denied.Add("DescribeConfigs");
                setup.Broker.Offered.Remove(KafkaApi.DescribeLogDirs);
                break;
            case "old metadata":
                setup.Broker.Offered[KafkaApi.Metadata] = (1, 4);
                break;
            case "the first of which is down":
                setup.Network.Names["kafka-0.example"] = IPAddress.Parse("192.0.2.9");
                setup.Options = setup.Options with { Bootstrap = "kafka-0.example, " + setup.Options.Bootstrap };
                break;
            case "coordinators that are chosen meanwhile":
                (setup.Broker.CoordinatorAfter, setup.Settle) = (3, setup.Patience);
                break;
            case "an address that is an IP address":
                setup.Options = setup.Options with { Bootstrap = "192.0.2.10:9092" };
                break;
        }

        int topics = setup.Broker.Topics.Count;
        Examination seen = await setup.ExamineAsync();
        Assert.Null(seen.Finding);
        Assert.DoesNotContain(seen.Steps, step => step.State == ExaminationState.Failed);
        Assert.Equal(topics, setup.Broker.Topics.Count); // nothing is left
        Assert.Equal(1, setup.Broker.Asked.Count(asked => asked.StartsWith("DeleteTopics", StringComparison.Ordinal)));
        Assert.Equal("broker 1 is 0 ms behind", seen.Steps.Single(step => step.Name == "clocks").Detail);
    }

    [Fact]
    public async Task NamedTopic_TakesOneEventAndNothingIsMade()
    {
        await using SeededSetup setup = new() { ProbeTopic = "vitrine.sessions" };
        Assert.Null((await setup.ExamineAsync()).Finding);
        Assert.Single(setup.Broker.Topics["vitrine.sessions"].Batches);
        Assert.DoesNotContain(setup.Broker.Asked, asked => asked.StartsWith("CreateTopics", StringComparison.Ordinal) || asked.StartsWith("DeleteTopics", StringComparison.Ordinal));
    }

    [Fact]
    public async Task PasswordAndWhatIsSigned_NeverInWhatIsSeen()
    {
        await using SeededSetup setup = new();
        setup.SignIn(KafkaSaslMechanism.Plain, "PLAIN");
        setup.Broker.Users[SeededSetup.User] = "another";
        Examination seen = await setup.ExamineAsync();
        Assert.Equal("sign-in-refused", seen.Finding!.Code);
        Assert.DoesNotContain(SeededSetup.Password, string.Join('\n', seen.Steps) + seen.Finding, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AuthorityNotTrusted_NoPasswordIsSent()
    {
        await using SeededSetup setup = new();
        setup.SpeakTls();
        setup.SignIn(KafkaSaslMechanism.Plain, "PLAIN");
        setup.Options = setup.Options with { Tls = new() };
        Assert.Equal("authority-unknown", (await setup.ExamineAsync()).Finding!.Code);
        Assert.Empty(setup.Broker.Asked);
    }

    [Theory]
    [InlineData("kafka", "kafka:9092")]
    [InlineData("kafka:1", "kafka:1")]
    [InlineData("SASL_SSL://kafka:9094", "kafka:9094")]
    [InlineData("[::1]:9093", "[::1]:9093")]
    [InlineData("::1", "[::1]:9092")]
    [InlineData("192.0.2.1:65535", "192.0.2.1:65535")]
    public void Address_Parsed(string text, string expected)
    {
        Assert.True(KafkaAddress.TryParse(text, out KafkaAddress address));
        Assert.Equal(expected, address.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData(":9092")]
    [InlineData("kafka:")]
    [InlineData("kafka:0")]
    [InlineData("kafka:65536")]
    [InlineData("kafka:-1")]
    [InlineData("a b:9092")]
    public void Address_Refused(string text) => Assert.False(KafkaAddress.TryParse(text, out _));
}
