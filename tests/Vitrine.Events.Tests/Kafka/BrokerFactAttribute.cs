namespace Vitrine.Events.Tests.Kafka;

/// <summary>A test of what only real brokers show: transactions, fencing, times. <c>VITRINE_KAFKA_BOOTSTRAP</c> names them.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class BrokerFactAttribute : FactAttribute
{
    public BrokerFactAttribute()
    {
        if (TestCluster.RealBrokers is null)
        {
            Skip = $"needs a broker: {TestCluster.BootstrapVariable}=HOST:PORT names one (docs/KAFKA.md)";
        }
    }
}
