using Vitrine.Events.Kafka;

namespace Vitrine.Events.Tests.Kafka;

/// <summary>A test with the system's librdkafka: fails without in CI, and says so elsewhere.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LibrdkafkaFactAttribute : FactAttribute
{
    public LibrdkafkaFactAttribute()
    {
        if (KafkaLibrary.Missing is { } why && Environment.GetEnvironmentVariable("CI") != "true")
        {
            Skip = why;
        }
    }
}
