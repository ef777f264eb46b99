using Google.Protobuf;
using Vitrine.Events.Hosts;
using Vitrine.Events.Processing;
using Vitrine.Wire.V1;
using Kind = Vitrine.Wire.V1.Alert.Types.Kind;

namespace Vitrine.Events.Tests.Hosts;

public class HostWatchTests
{
    private readonly SetClock _clock = new();
    private readonly Taken _taken = new();
    private HostWatch _watch;

    public HostWatchTests() => _watch = New();

    [Fact]
    public void Minute_IsSummedWhenTheNextBegins()
    {
        for (int second = 0; second < 61; second++)
        {
            Tell(statistics => Add(statistics, viewer: 1, frames: 30, latencyMs: second < 59 ? 10 : 200));
        }

        Event made = Assert.Single(_taken.Of(EventTopics.Minutes));
        MinuteSummary minute = made.MinuteSummary;
        Assert.Equal(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero), minute.Minute.ToDateTimeOffset());
        Assert.Equal((60u, 60.0, 1u), (minute.Samples, minute.Seconds, minute.ViewersMax));
        Assert.Equal((1800ul, 1800ul, 1_800_000ul, 6.0), (minute.FramesCaptured, minute.FramesSent, minute.BytesSent, Math.Round(minute.ProcessorSeconds, 6)));
        Assert.Equal("host-a", minute.Host.HostId);
        Assert.InRange(minute.LatencyP50Milliseconds, 9.2, 10.8);
        Assert.InRange(minute.LatencyP99Milliseconds, 180, 200);
        Assert.Equal(200, minute.Latency.MaxMilliseconds);
    }

    [Fact]
    public void MinuteWithoutANextOne_IsSummedAfterAWhile()
    {
        Tell(statistics => Add(statistics, 1, 30, 10));
        Pass(70);
        Assert.Empty(_taken.Of(EventTopics.Minutes));
        Pass(10);
        Assert.Equal(1u, Assert.Single(_taken.Of(EventTopics.Minutes)).MinuteSummary.Samples);
        Pass(100);
        Assert.Single(_taken.Of(EventTopics.Minutes));
    }

    [Fact]
    public void LateViewer_RaisesOnce_AndIsClearedWhenItIsInTimeForAWhile()
    {
        Times(4, statistics => Add(statistics, 3, 30, 400));
        Tell(statistics => Add(statistics, 3, 30, 100));
        Times(4, statistics => Add(statistics, 3, 30, 400));
        Assert.Empty(_taken.Of(EventTopics.Alerts)); // not five one after the other
        Times(20, statistics => Add(statistics, 3, 30, 400));
        AlertRaised raised = Assert.Single(_taken.Of(EventTopics.Alerts)).AlertRaised;
        Assert.Equal((Kind.Latency, 3ul, 250.0), (raised.Alert.Kind, raised.Alert.ViewerId, raised.Limit));
        Assert.InRange(raised.Value, 370, 400);
        Assert.Matches("^Viewer 3 of HOST-A sees changes (37|38|39|40)[0-9] ms late", raised.Message);
        Times(9, statistics => Add(statistics, 3, 30, 20));
        Assert.Single(_taken.Of(EventTopics.Alerts));
        Tell(statistics => Add(statistics, 3, 30, 20));
        AlertCleared cleared = _taken.Of(EventTopics.Alerts)[1].AlertCleared;
        Assert.Equal((Kind.Latency, 3ul), (cleared.Alert.Kind, cleared.Alert.ViewerId));
        Assert.Equal(29, cleared.RaisedSeconds); // from the fifth late one on
    }

    [Fact]
    public void StarvedViewerThatLeaves_IsClearedWithIt()
    {
        Times(5, statistics => Add(statistics, 2, 10, 20, merged: 30));
        Assert.Equal(Kind.Starved, Assert.Single(_taken.Of(EventTopics.Alerts)).AlertRaised.Alert.Kind);
        Happen(happened => happened.ViewerLeft = new() { ViewerId = 2 });
        Assert.Equal(Kind.Starved, _taken.Of(EventTopics.Alerts)[1].AlertCleared.Alert.Kind);
    }

    [Fact]
    public void SilentHost_IsLost_UntilItIsHeardAgain_AndNotWhenItSaidThatItStops()
    {
        Happen(happened => happened.HostStarted = new());
        Pass(30);
        Assert.Empty(_taken.All);
        Pass(10);
        Pass(10);
        AlertRaised raised = Assert.Single(_taken.Of(EventTopics.Alerts)).AlertRaised;
        Assert.Equal("Nothing was heard of HOST-A for 40 s, and it has not said that it stops.", raised.Message);
        Happen(happened => happened.HostStarted = new(), session: "session-2");
        Assert.Equal(Kind.HostLost, _taken.Of(EventTopics.Alerts)[1].AlertCleared.Alert.Kind);
        Happen(happened => happened.HostStopped = new(), session: "session-2");
        Pass(3600);
        Assert.Equal(2, _taken.All.Count);
        Assert.Empty(WatchState.Parser.ParseFrom(_watch.Save()).Hosts); // nothing is left of it
    }

    [Fact]
    public void HostThatIsLostForADay_IsForgotten()
    {
        Happen(happened => happened.HostStarted = new());
        Pass(60);
        Pass(90_000);
        Assert.Equal([Kind.HostLost], _taken.Of(EventTopics.Alerts).Where(each => each.AlertCleared is not null).Select(each => each.AlertCleared.Alert.Kind));
        Assert.Empty(WatchState.Parser.ParseFrom(_watch.Save()).Hosts);
    }

    [Fact]
    public void EventsLost_RaisesUntilAWholeMinuteWasKept()
    {
        Happen(happened => happened.EventsLost = new() { Count = 7, Reason = "the disk is full" });
        Assert.Equal("7 events could not be kept: the disk is full", Assert.Single(_taken.Of(EventTopics.Alerts)).AlertRaised.Message);
        Times(125, statistics => Add(statistics, 1, 30, 10));
        Assert.Equal(Kind.EventsLost, _taken.Of(EventTopics.Alerts)[1].AlertCleared.Alert.Kind);
    }

    /// <summary>Whoever goes on from the state does the same.</summary>
    [Fact]
    public void SavedAndRestoredAtAnyTime_TheSameComesOfIt()
    {
        static Action<SharingStatistics> At(int i) => statistics => Add(statistics, (ulong)(1 + (i % 3)), 20, i % 40 < 25 ? 400 : 20, merged: i % 50 < 20 ? 40ul : 0ul);
        for (int i = 0; i < 300; i++)
        {
            Tell(At(i));
        }

        byte[][] whole = [.. _taken.All.Select(Essence)];
        Assert.True(whole.Length > 5);
        _taken.All.Clear();
        _clock.Now = new SetClock().Now;
        _watch = New();
        for (int i = 0; i < 300; i++)
        {
            if (i % 7 == 0)
            {
                byte[] state = _watch.Save();
                _watch = New();
                _watch.Restore(state);
            }

            Tell(At(i));
        }

        Assert.Equal(whole, _taken.All.Select(Essence));
    }

    [Fact]
    public void EventThatDoesNotSayWhose_IsRefused()
    {
        Event nobody = SampleEvents.Stamp(_clock).New();
        nobody.Source = null;
        Assert.Throws<EventProcessingException>(() => _watch.Work(nobody, Record(), _taken));
    }

    private HostWatch New() => new(SampleEvents.Stamp(_clock, "watch"), new());

    private EventRecord Record() => new(EventPosition.Embedded(0), _clock.Now, EventTopics.Statistics, default, default);

    private void Happen(Action<Event> what, string session = "session-1")
    {
        Event happened = SampleEvents.Stamp(_clock, session: session).New();
        what(happened);
        _watch.Work(happened, Record(), _taken);
    }

    private void Tell(Action<SharingStatistics> what)
    {
        SharingStatistics statistics = new() { Seconds = 1, FramesCaptured = 30, ProcessorSeconds = 0.1 };
        what(statistics);
        Happen(happened => happened.SharingStatistics = statistics);
        _clock.Now += TimeSpan.FromSeconds(1);
    }

    private void Times(int count, Action<SharingStatistics> what)
    {
        for (int i = 0; i < count; i++)
        {
            Tell(what);
        }
    }

    private void Pass(double seconds)
    {
        _clock.Now += TimeSpan.FromSeconds(seconds);
        _watch.PassTime(_clock.Now, _taken);
    }

    private static void Add(SharingStatistics statistics, ulong viewer, ulong frames, double latencyMs, ulong merged = 0)
    {
        statistics.ViewerCount++;
        statistics.FramesSent += frames;
        statistics.BytesSent += frames * 1000;
        statistics.FramesMerged += merged;
        statistics.Viewers.Add(new ViewerStatistics
        {
            ViewerId = viewer, FramesSent = frames, BytesSent = frames * 1000, FramesMerged = merged,
            Latency = new() { Counts = { [(uint)LatencyCounts.BucketOf(latencyMs * 1000)] = frames }, MaxMilliseconds = latencyMs },
        });
    }

    // Ids are new each time.
    private static byte[] Essence(Event made)
    {
        Event bare = made.Clone();
        (bare.EventId, bare.MonotonicNanoseconds) = (ByteString.Empty, 0);
        return bare.ToByteArray();
    }

    private sealed class Taken : IEventOutputs<Event>
    {
        public List<Event> All { get; } = [];

        private readonly List<string> _topics = [];

        public void Add(string topic, ReadOnlySpan<byte> key, Event output)
        {
            _topics.Add(topic);
            All.Add(output);
        }

        public List<Event> Of(string topic) => [.. All.Where((_, i) => _topics[i] == topic)];
    }
}
