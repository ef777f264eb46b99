using System.Diagnostics;
using Vitrine.Events.Kafka;
using Vitrine.Events.Tests.Embedded;

namespace Vitrine.Events.Tests.Kafka;

/// <summary>A cluster to test with: the real one that the environment names, or librdkafka's for tests, in a process of its own.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    public const string BootstrapVariable = "VITRINE_KAFKA_BOOTSTRAP";

    /// <summary>Of topics; the mock is told, real brokers make them so.</summary>
    public const int Partitions = 3;

    /// <summary>Argument of the process that is the cluster.</summary>
    public const string Role = "kafka-mock";

    private readonly Process? _mock;

    private TestCluster(Process? mock, KafkaOptions options) => (_mock, Options) = (mock, options);

    /// <summary>The cluster that the environment names; null: none.</summary>
    public static KafkaOptions? RealBrokers { get; } = KafkaOptions.FromEnvironment();

    /// <summary>How it is spoken to: with topics that no other test has.</summary>
    public KafkaOptions Options { get; }

    /// <summary>Of the mock.</summary>
    public Process Mock => _mock ?? throw new InvalidOperationException("Real brokers are not ours to break.");

    /// <param name="brokers">Of the mock.</param>
    /// <param name="topics">That the test uses.</param>
    public static async Task<TestCluster> StartAsync(int brokers, params IReadOnlyList<string> topics)
    {
        if (RealBrokers is { } real)
        {
            return new(null, real with { TopicPrefix = $"vitrine-test-{Guid.NewGuid():N}.", Partitions = Partitions, Linger = TimeSpan.Zero });
        }

        TestCluster cluster = await StartMockAsync(brokers);
        foreach (string topic in topics)
        {
            await cluster.TellAsync($"topic {cluster.NameOf(topic)} {Partitions}");
        }

        return cluster;
    }

    /// <summary>The mock, whatever the environment says: for what is done to brokers.</summary>
    public static async Task<TestCluster> StartMockAsync(int brokers)
    {
        Process mock = Process.Start(new ProcessStartInfo("dotnet", ["exec", typeof(Appender).Assembly.Location, Role])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        await mock.StandardInput.WriteLineAsync($"{brokers}");
        await mock.StandardInput.FlushAsync();
        string bootstrap = await mock.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The cluster for tests did not start.");
        return new(mock, new() { Bootstrap = bootstrap, Partitions = Partitions, Linger = TimeSpan.Zero });
    }

    public string NameOf(string topic) => Options.TopicPrefix + topic;

    /// <summary>Tells the mock what to do.</summary>
    public async Task TellAsync(string order)
    {
        await Mock.StandardInput.WriteLineAsync(order);
        await Mock.StandardInput.FlushAsync();
        Assert.Equal("done", await Mock.StandardOutput.ReadLineAsync());
    }

    public async ValueTask DisposeAsync()
    {
        if (_mock is not null)
        {
            _mock.Kill();
            await _mock.WaitForExitAsync();
            _mock.Dispose();
        }
    }
}
