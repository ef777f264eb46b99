using Google.Protobuf.Reflection;
using Vitrine.Events.Kafka;
using Vitrine.Events.Tests.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Tests.Kafka;

public sealed class KafkaSchemaStoreTests
{
    [LibrdkafkaFact]
    public async Task Schemas_HaveTheSameNumbersForEverybody()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(1, "schemas");
        await using KafkaLog first = KafkaLog.Open(cluster.Options), second = KafkaLog.Open(cluster.Options);
        using KafkaSchemaStore one = new(first), other = new(second);
        FileDescriptor events = EventsReflection.Descriptor, states = GroupStateReflection.Descriptor;
        Task<int>[] ids = [.. Enumerable.Range(0, 8).Select(i => (i % 2 == 0 ? one : other).RegisterAsync("events-value", events).AsTask())];
        Assert.Equal([1], (await Task.WhenAll(ids)).Distinct());
        Assert.Equal(2, await other.RegisterAsync("states-value", states));
        Assert.Equal(2, await one.RegisterAsync("states-value", states));
        Assert.Equal(1, await one.RegisterAsync("others-value", events));

        using KafkaSchemaStore late = new(second);
        Assert.Equal(FileDescriptorProto.Parser.ParseFrom(events.SerializedData), await late.FindAsync(1));
        Assert.Equal(FileDescriptorProto.Parser.ParseFrom(states.SerializedData), await late.FindAsync(2));
        Assert.Null(await late.FindAsync(3));
    }

    [LibrdkafkaFact]
    public async Task Schemas_ThatMayNotFollow_AreRefused_WhoeverWroteThem()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(1, "schemas");
        await using KafkaLog log = KafkaLog.Open(cluster.Options);
        using KafkaSchemaStore store = new(log);
        FileDescriptor before = ProtoCompiler.Compile("""syntax = "proto3"; message A { int32 number = 1; }"""), after = ProtoCompiler.Compile("""syntax = "proto3"; message A { string number = 1; }""");
        Assert.Equal(1, await store.RegisterAsync("a-value", before));
        await Assert.ThrowsAsync<Vitrine.Events.Schemas.IncompatibleSchemaException>(async () => await store.RegisterAsync("a-value", after));
        await log.AppendToAsync("schemas", 0, "a-value"u8.ToArray(), after.SerializedData.ToByteArray(), CancellationToken.None);
        await log.AppendToAsync("schemas", 0, "a-value"u8.ToArray(), [1, 2, 3], CancellationToken.None);
        using KafkaSchemaStore late = new(log);
        Assert.Null(await late.FindAsync(2));
        Assert.Equal(1, await late.RegisterAsync("a-value", before));
    }

    [LibrdkafkaFact]
    public async Task Brokers_ThatAreNotThere_AreTriedAgain()
    {
        await using KafkaLog log = KafkaLog.Open(new() { Bootstrap = "127.0.0.1:1" });
        using KafkaSchemaStore store = new(log);
        Vitrine.Events.Schemas.SchemaStoreException failed = await Assert.ThrowsAsync<Vitrine.Events.Schemas.SchemaStoreException>(async () => await store.FindAsync(1));
        Assert.Equal(FailureAction.Retry, EventFailurePolicy.ActionFor(failed));
    }
}
