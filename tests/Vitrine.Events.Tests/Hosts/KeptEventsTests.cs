using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Events.Embedded;
using Vitrine.Events.Hosts;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Tests.Hosts;

public sealed class KeptEventsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-kept-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task EveryKind_WithNothingInIt_IsTold()
    {
        await using SampleEvents events = await SampleEvents.OpenAsync(_folder);
        EventStamp stamp = SampleEvents.Stamp(TimeProvider.System);
        FieldDescriptor[] kinds = [.. Event.Descriptor.Oneofs.Single(oneof => oneof.Name == "what").Fields];
        foreach (FieldDescriptor kind in kinds)
        {
            await events.AppendAsync(EventTopics.Errors, stamp, happened => kind.Accessor.SetValue(happened, kind.MessageType.Parser.ParseFrom(ByteString.Empty)));
        }

        await events.AppendAsync(EventTopics.Errors, stamp, happened => happened.ViewerLeft = new() { ConnectedSeconds = double.NaN });
        await events.AppendAsync(EventTopics.Errors, stamp, _ => { });
        List<KeptEvent> kept = await ReadAsync(events);
        Assert.Equal([.. kinds.Select(kind => kind.JsonName), "viewerLeft", ""], kept.Select(each => KeptEvents.KindOf(each.Event)));
        Assert.All(kept, each => Assert.NotEmpty(each.Text));
        Assert.All(kept, each => Assert.Equal(each.Position, JsonDocument.Parse(KeptEvents.ToJson(each)).RootElement.GetProperty("position").GetString()));
    }

    [Fact]
    public void WhatWasToldByWhoWatches_IsOfTheHostThatItIsAbout()
    {
        EventSource watch = new() { HostName = "watch" }, host = new() { HostName = "h" };
        Assert.Same(host, KeptEvents.HostOf(new() { Source = watch, MinuteSummary = new() { Host = host } }));
        Assert.Same(host, KeptEvents.HostOf(new() { Source = watch, AlertRaised = new() { Alert = new() { Host = host } } }));
        Assert.Same(host, KeptEvents.HostOf(new() { Source = watch, AlertCleared = new() { Alert = new() { Host = host } } }));
        Assert.Same(watch, KeptEvents.HostOf(new() { Source = watch, MinuteSummary = new() }));
        Assert.Null(KeptEvents.HostOf(new()));
        Assert.Null(KeptEvents.HostOf(null));
    }

    [Fact]
    public async Task TimesThatThereAreNot_AreAFault()
    {
        await using SampleEvents events = await SampleEvents.OpenAsync(_folder);
        EventStamp stamp = SampleEvents.Stamp(TimeProvider.System);
        await events.AppendAsync(EventTopics.Errors, stamp, happened => happened.Time = new Timestamp { Seconds = long.MaxValue });
        await events.AppendAsync(EventTopics.Errors, stamp, happened => happened.EventsLost = new() { Since = new() { Nanos = -1 } });
        await events.AppendAsync(EventTopics.Errors, stamp, happened => happened.MinuteSummary = new() { Minute = new() { Seconds = long.MinValue } });
        await events.AppendAsync(EventTopics.Errors, stamp, happened => happened.DeadLetter = new() { Taken = new() { Seconds = 253_402_300_800 } });
        List<KeptEvent> kept = await ReadAsync(events);
        Assert.Equal(4, kept.Count);
        Assert.All(kept, each => Assert.Equal((null, "It names a time that there is not."), ((Event?)each.Event, each.Fault)));
        Assert.All(kept, each => Assert.NotEmpty(KeptEvents.ToJson(each)));
    }

    private static async Task<List<KeptEvent>> ReadAsync(SampleEvents events)
    {
        using EmbeddedReader reader = events.Log.Read(EventStart.Oldest);
        List<KeptEvent> kept = [];
        while (reader.TryRead(out EventRecord record))
        {
            kept.Add(await KeptEvents.ReadAsync(events.Format, record));
        }

        return kept;
    }
}
