using System.Threading.Channels;
using Vitrine.Events.Kafka;

namespace Vitrine.Events.Tests.Kafka;

public sealed class KafkaHealthTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    [LibrdkafkaFact]
    public async Task Cluster_ThatIsKilled_IsUnreachable()
    {
        await using TestCluster cluster = await TestCluster.StartMockAsync(1);
        await using Watch watch = new(cluster.Options);
        KafkaHealthReport healthy = await watch.UntilAsync(KafkaHealthState.Healthy);
        Assert.Equal((KafkaHealthState.Healthy, "", 1, 1), (healthy.State, healthy.Reason, healthy.Brokers, healthy.Answering));
        Assert.NotNull(healthy.MetadataMs);
        cluster.Mock.Kill();
        KafkaHealthReport gone = await watch.UntilAsync(KafkaHealthState.Unreachable);
        Assert.Contains(cluster.Options.Bootstrap, gone.Reason, StringComparison.Ordinal);
        Assert.True(gone.Since > healthy.Since);
    }

    [LibrdkafkaFact]
    public async Task Broker_ThatIsDown_IsNamed_AndIsMissedUntilItIsBack()
    {
        await using TestCluster cluster = await TestCluster.StartMockAsync(3);
        await using Watch watch = new(cluster.Options);
        Assert.Equal(3, (await watch.UntilAsync(KafkaHealthState.Healthy)).Brokers);
        await cluster.TellAsync("down 2");
        KafkaHealthReport degraded = await watch.UntilAsync(KafkaHealthState.Degraded);
        Assert.Equal((KafkaHealthState.Degraded, 3, 2), (degraded.State, degraded.Brokers, degraded.Answering));
        Assert.Contains(cluster.Options.Bootstrap.Split(',')[1], degraded.Reason, StringComparison.Ordinal);
        await cluster.TellAsync("up 2");
        await watch.UntilAsync(KafkaHealthState.Healthy);
    }

    [LibrdkafkaFact]
    public async Task Coordinator_ThatIsNotThere_Degrades()
    {
        await using TestCluster cluster = await TestCluster.StartMockAsync(1);
        await using Watch watch = new(cluster.Options);
        await watch.UntilAsync(KafkaHealthState.Healthy);
        await cluster.TellAsync("errors 10 15 1000"); // FindCoordinator, COORDINATOR_NOT_AVAILABLE
        KafkaHealthReport degraded = await watch.UntilAsync(KafkaHealthState.Degraded);
        Assert.Contains("CoordinatorNotAvailable", degraded.Reason, StringComparison.Ordinal);
        await cluster.TellAsync("clear 10");
        await watch.UntilAsync(KafkaHealthState.Healthy);
    }

    [LibrdkafkaFact]
    public async Task Cluster_ThatIsNotThereYet_IsUnreachable_UntilItIs()
    {
        await using Watch watch = new(new() { Bootstrap = "127.0.0.1:1" });
        KafkaHealthReport report = await watch.NextAsync();
        Assert.Equal((KafkaHealthState.Unreachable, 0), (report.State, report.Answering));
        Assert.Contains("127.0.0.1:1", report.Reason, StringComparison.Ordinal);
    }

    [LibrdkafkaFact]
    public async Task Certificates_ThatCannotBeRead_AreTold()
    {
        await using Watch watch = new(new() { Bootstrap = "127.0.0.1:1", Tls = new() { AuthoritiesFile = "/nowhere/ca.pem" } });
        KafkaHealthReport report = await watch.NextAsync();
        Assert.Equal(KafkaHealthState.Unreachable, report.State);
        Assert.Contains("/nowhere/ca.pem", report.Reason, StringComparison.Ordinal);
    }

    private sealed class Watch : IAsyncDisposable
    {
        private readonly Channel<KafkaHealthReport> _changes = Channel.CreateUnbounded<KafkaHealthReport>();
        private readonly KafkaHealth _health;

        public Watch(KafkaOptions options) => _health = KafkaHealth.Start(options, "watch", TimeProvider.System, report => _changes.Writer.TryWrite(report));

        public async Task<KafkaHealthReport> NextAsync() => await _changes.Reader.ReadAsync().AsTask().WaitAsync(s_patience);

        public async Task<KafkaHealthReport> UntilAsync(KafkaHealthState state)
        {
            KafkaHealthReport report;
            while ((report = await NextAsync()).State != state)
            {
            }

            return report;
        }

        public ValueTask DisposeAsync() => _health.DisposeAsync();
    }
}
