using Confluent.Kafka;

namespace Vitrine.Events.Kafka;

/// <summary>Takes events on their way to brokers.</summary>
internal interface IKafkaOutlet
{
    /// <summary>The W3C's header with the trace that an event belongs to.</summary>
    const string TraceHeader = "traceparent";

    /// <summary>Takes one, and tells its delivery when brokers have it.</summary>
    /// <param name="topic">As the cluster calls it.</param>
    /// <param name="partition">Null: as the key says.</param>
    /// <param name="key">Empty: none.</param>
    /// <param name="value">The event.</param>
    /// <param name="trace">What <see cref="TraceHeader"/> says; null: nothing.</param>
    /// <param name="delivery">Is told.</param>
    /// <param name="isFirst">It is the first one of the delivery.</param>
    /// <returns>False: there is no room for it now.</returns>
    /// <exception cref="KafkaException">It is refused; the delivery is not told.</exception>
    bool TrySend(string topic, int? partition, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, byte[]? trace, KafkaDelivery delivery, bool isFirst);
}
