using System.Text.Json.Serialization;

namespace Vitrine.Server.Web;

/// <summary>Answer of <c>/healthz</c>. Strangers on the network get <paramref name="Status"/> only.</summary>
/// <param name="Status">«ok» or «failed».</param>
/// <param name="State">live, resting (nobody looks), display-gone, hidden, closed, stopped, failed.</param>
/// <param name="Viewers">Connected now.</param>
/// <param name="Source">What is shared.</param>
/// <param name="Size">Of the picture.</param>
/// <param name="Kafka">healthy, degraded, unreachable: the cluster that keeps the events, where one does. It does not make the host fail.</param>
/// <param name="KafkaReason">Why it is not healthy.</param>
internal sealed record HealthAnswer(string Status, string? State, int? Viewers, string? Source, string? Size, string? Kafka = null, string? KafkaReason = null);

[JsonSerializable(typeof(HealthAnswer))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
internal sealed partial class HealthJson : JsonSerializerContext;
