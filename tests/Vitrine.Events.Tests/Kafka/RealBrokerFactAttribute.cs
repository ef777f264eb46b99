namespace Vitrine.Events.Tests.Kafka;

/// <summary>A test with a cluster that <c>VITRINE_KAFKA_BOOTSTRAP</c> names; <c>docs/KAFKA.md</c> says which other variables there are.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RealBrokerFactAttribute : FactAttribute
{
    public RealBrokerFactAttribute()
    {
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable("VITRINE_KAFKA_BOOTSTRAP")))
        {
            Skip = "It needs a broker: VITRINE_KAFKA_BOOTSTRAP=HOST:PORT, and docker compose -f deploy/kafka/compose.yaml up -d to have one.";
        }
    }
}
