using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Events;
using Vitrine.Events.Embedded;
using Vitrine.Events.Hosts;
using Vitrine.Events.Schemas;
using Vitrine.Server.Service;
using Vitrine.Transports.Calls;
using Vitrine.Wire.V1;

namespace Vitrine.Server.Tests.Service;

/// <summary>Events over the real web server, out of a real log.</summary>
public sealed class EventLogServiceTests : IAsyncLifetime, IDisposable
{
    private const string Events = "events", Table = "table", Figures = "figures";

    private readonly TemporaryFolder _folder = new();
    private readonly LogClock _clock = new();
    private readonly HttpClient _http = new() { Timeout = Host.Patience };
    private HostEvents? _events;
    private Host? _host;

    public static TheoryData<string> Transports => Channels.Names;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await (_host?.DisposeAsync() ?? default);
        await (_events?.DisposeAsync() ?? default);
    }

    public void Dispose()
    {
        _http.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Grants_ViewersDoNotSeeEvents()
    {
        await StartAsync();
        foreach (string method in (string[])[Events, Table, Figures])
        {
            Assert.Equal((HttpStatusCode.Unauthorized, "UNAUTHENTICATED"), await RefusalAsync(method, "", null));
            Assert.Equal((HttpStatusCode.Forbidden, "PERMISSION_DENIED"), await RefusalAsync(method, "", _host!.Server.Token));
            using HttpResponseMessage answer = await AskAsync(method, "");
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        Assert.StartsWith($"{_host!.Server.Url.GetLeftPart(UriPartial.Authority)}/events?t={_host.Server.AdministerToken}", _host.Server.EventsUrl!.AbsoluteUri, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Page_IsThereForEverybodyAndAsStrictAsTheOther()
    {
        string web = Directory.CreateDirectory(Path.Combine(_folder.Path, "web")).FullName;
        await File.WriteAllTextAsync(Path.Combine(web, "index.html"), "the viewer");
        await File.WriteAllTextAsync(Path.Combine(web, "events.html"), "the events");
        _host = await Host.StartAsync(options: new() { WebRoot = web });
        using HttpResponseMessage page = await _http.GetAsync(new Uri(_host.Server.Url, "/events?since=7d"));
        using HttpResponseMessage viewer = await _http.GetAsync(_host.Server.Url);
        Assert.Equal("the events", await page.Content.ReadAsStringAsync());
        Assert.Equal(viewer.Headers.GetValues("Content-Security-Policy"), page.Headers.GetValues("Content-Security-Policy"));
        Assert.Equal("text/html", page.Content.Headers.ContentType!.MediaType);
        Assert.Null(_host.Server.EventsUrl);
    }

    [Fact]
    public async Task NoEvents_SaidWithTheMend()
    {
        _host = await Host.StartAsync(options: new() { Administer = true });
        using HttpResponseMessage off = await AskAsync(Events, "");
        JsonElement problem = JsonDocument.Parse(await off.Content.ReadAsStringAsync()).RootElement;
        Assert.Equal((HttpStatusCode.BadRequest, "application/problem+json"), (off.StatusCode, off.Content.Headers.ContentType!.MediaType));
        Assert.Equal("FAILED_PRECONDITION", problem.GetProperty("code").GetString());
        Assert.Contains("--events on", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task FolderOfAnotherHost_SaidWithTheMend()
    {
        await using EmbeddedLog owner = EmbeddedLog.Open(new() { Folder = _folder.Path });
        await StartAsync(isOpen: false);
        foreach (string method in (string[])[Events, Table, Figures])
        {
            using HttpResponseMessage answer = await AskAsync(method, "");
            string detail = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("detail").GetString()!;
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            Assert.Contains("another process's: end it, or name another folder", detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Lines_AreThoseThatTailPrints()
    {
        await StartAsync();
        await AppendAsync(EventTopics.Sessions, "a", happened => happened.ViewerJoined = Joined(1, "Chromium"));
        await AppendAsync(EventTopics.Errors, "a", happened => happened.ErrorOccurred = new() { Part = "video", Message = "says «no»" });
        await AppendBytesAsync(EventTopics.Errors, "poison"u8.ToArray());
        List<string> tail = [];
        (IEventLog log, EventFormat<Event> format) = await _events!.Opened;
        await using IEventReader reader = log.Read(EventStart.Oldest, EventTopics.Sessions, EventTopics.Errors);
        while (reader.TryRead(out EventRecord record))
        {
            tail.Add(KeptEvents.ToJson(await KeptEvents.ReadAsync(format, record)));
        }

        List<JsonElement> lines = await LinesAsync("topics=sessions&topics=errors");
        Assert.Equal(tail, lines.Select(line => line.GetRawText()));
        Assert.Equal(["viewer 1 came: Chromium, from 1.2.3.4:5 over websocket, may view", "video does not work: says «no»"], lines.Take(2).Select(TextOf));
        Assert.False(lines[0].TryGetProperty("fault", out _));
        Assert.False(lines[2].TryGetProperty("event", out _));
        Assert.StartsWith("It does not begin", lines[2].GetProperty("fault").GetString(), StringComparison.Ordinal);
        Assert.Equal("poison"u8.ToArray(), lines[2].GetProperty("value").GetBytesFromBase64());
    }

    [Fact]
    public async Task Filters_GiveWhatTheySay()
    {
        await StartAsync();
        for (int i = 0; i < 6; i++)
        {
            await AppendAsync(i % 2 == 0 ? EventTopics.Sessions : EventTopics.Errors, i < 4 ? "a" : "b", Say($"number {i}"));
            _clock.Now += TimeSpan.FromSeconds(10);
        }

        Assert.Equal("012345", await NumbersAsync(""));
        Assert.Equal("024", await NumbersAsync("topics=sessions"));
        Assert.Equal("012345", await NumbersAsync("topics=sessions&topics=errors"));
        Assert.Equal("45", await NumbersAsync("host=HOST-B"));
        Assert.Equal("0123", await NumbersAsync("host=a"));
        Assert.Equal("3", await NumbersAsync("text=NUMBER%203"));
        Assert.Equal("45", await NumbersAsync("text=host-b%20number"));
        Assert.Equal("135", await NumbersAsync("text=errors"));
        Assert.Equal("", await NumbersAsync("text=number%20nowhere"));
        Assert.Equal("01", await NumbersAsync("limit=2"));
        Assert.Equal("45", await NumbersAsync("limit=2&last=true"));
        Assert.Equal("13", await NumbersAsync("limit=2&last=true&host=a&topics=errors"));

        List<JsonElement> all = await LinesAsync("topics=sessions&topics=errors");
        string taken = Uri.EscapeDataString(all[3].GetProperty("taken").GetString()!), position = all[3].GetProperty("position").GetString()!;
        Assert.Equal("345", await NumbersAsync($"since={taken}"));
        Assert.Equal("0123", await NumbersAsync($"until={taken}"));
        Assert.Equal("3", await NumbersAsync($"since={taken}&until={taken}"));
        Assert.Equal("23", await NumbersAsync($"until={taken}&limit=2&last=true"));
        Assert.Equal("345", await NumbersAsync($"from={position}"));
        Assert.Equal("", await NumbersAsync("since=0s"));
        Assert.Equal("012345", await NumbersAsync("since=7d"));
    }

    [Theory]
    [InlineData(Events, "topics=alert")]
    [InlineData(Events, "since=yesterday")]
    [InlineData(Events, "from=here")]
    [InlineData(Events, "from=topic/3/4")]
    [InlineData(Events, "limit=100001")]
    [InlineData(Events, "limit=10001&last=true")]
    [InlineData(Events, "colour=red")]
    [InlineData(Table, "follow=true")]
    [InlineData(Figures, "stepSeconds=61")]
    [InlineData(Figures, "since=7d&stepSeconds=60")]
    [InlineData(Figures, "since=1h&until=2h")]
    public async Task WrongQuestions_AreRefused(string method, string query)
    {
        await StartAsync();
        Assert.Equal((HttpStatusCode.BadRequest, "INVALID_ARGUMENT"), await RefusalAsync(method, query, _host!.Server.AdministerToken));
    }

    [Fact]
    public async Task MoreThanACallMayLookAt_SaidWithWhereToGoOn()
    {
        await StartAsync();
        for (int i = 0; i < 12; i++)
        {
            await AppendAsync(EventTopics.Sessions, "a", Say($"number {i}"));
        }

        (IEventLog log, EventFormat<Event> format) = await _events!.Opened;
        EventSearch search = new(new() { Text = "number" }, _clock);
        await using IEventReader reader = log.Read(search.Start, EventTopics.Sessions);
        EventScan scan = new(reader, format, search, scannedMax: 10);
        for (int i = 0; i < 10; i++)
        {
            Assert.NotNull(await scan.NextAsync(default));
        }

        CallException over = await Assert.ThrowsAsync<CallException>(async () => await scan.NextAsync(default));
        Assert.Equal(CallStatusCode.OutOfRange, over.Code);
        string position = (await LinesAsync("topics=sessions"))[10].GetProperty("position").GetString()!;
        Assert.EndsWith($"from={position}.", over.Message, StringComparison.Ordinal);
        scan.GoOn();
        Assert.NotNull(await scan.NextAsync(default));
    }

    [Fact]
    public async Task LastOnes_AreHeldUpToABound()
    {
        await StartAsync();
        string large = new('x', 1 << 20);
        for (int i = 0; i < 6; i++)
        {
            await AppendAsync(EventTopics.Errors, "a", Say($"{i} {large}"));
        }

        List<JsonElement> lines = await LinesAsync("topics=errors&last=true");
        Assert.Equal(["3", "4", "5"], lines.Select(line => line.GetProperty("event").GetProperty("errorOccurred").GetProperty("message").GetString()![..1]));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Follow_TellsWhatComes(string transport)
    {
        await StartAsync();
        await AppendAsync(EventTopics.Errors, "a", Say("before"));
        await using ICallChannel channel = Channels.Open(transport, _host!.Server, _host.Server.AdministerToken);
        await using ClientCall call = await channel.StartAsync(
            new(EventLogReflection.Descriptor.Services[0].FindMethodByName("WatchEvents")), CallOptions.Default);
        await call.WriteAsync(new EventQuery { Topics = { EventTopics.Errors }, Text = "before after", Follow = true, Host = "a" });
        await call.CompleteWritesAsync();
        await AppendAsync(EventTopics.Errors, "a", Say("before or after"));
        KeptEvent first = await NextAsync(call);
        Assert.EndsWith("before or after", first.Text, StringComparison.Ordinal);
        await AppendAsync(EventTopics.Errors, "b", Say("of another host, before and after"));
        await AppendAsync(EventTopics.Errors, "a", Say("after, and not before"));
        Assert.EndsWith("after, and not before", (await NextAsync(call)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CallersThatGo_MakeRoomForOthers()
    {
        await StartAsync();
        await AppendAsync(EventTopics.Errors, "a", Say("here"));
        List<(HttpResponseMessage Response, StreamReader Lines)> followers = [];
        for (int i = 0; i < EventLogService.CallsMax; i++)
        {
            HttpResponseMessage response = await AskAsync(Events, "topics=errors&follow=true");
            StreamReader lines = new(await response.Content.ReadAsStreamAsync());
            Assert.Contains("here", await lines.ReadLineAsync(), StringComparison.Ordinal);
            followers.Add((response, lines));
        }

        Assert.Equal((HttpStatusCode.TooManyRequests, "RESOURCE_EXHAUSTED"), await RefusalAsync(Events, "", _host!.Server.AdministerToken));
        followers[0].Lines.Dispose();
        followers[0].Response.Dispose();
        await Host.AssertSoonAsync(
            async () =>
            {
                using HttpResponseMessage answer = await AskAsync(Events, "topics=errors");
                return answer.StatusCode == HttpStatusCode.OK;
            },
            "There is no room for another one.");
        await AppendAsync(EventTopics.Errors, "a", Say("there"));
        foreach ((HttpResponseMessage response, StreamReader lines) in followers.Skip(1))
        {
            Assert.Contains("there", await lines.ReadLineAsync(), StringComparison.Ordinal);
            lines.Dispose();
            response.Dispose();
        }
    }

    [Fact]
    public async Task CallerThatDoesNotRead_HoldsUpNobody()
    {
        await StartAsync();
        await AppendAsync(EventTopics.Errors, "a", Say("first"));
        using HttpResponseMessage asleep = await AskAsync(Events, "topics=errors&follow=true");
        using HttpResponseMessage awake = await AskAsync(Events, "topics=errors&follow=true");
        using StreamReader lines = new(await awake.Content.ReadAsStreamAsync());
        Assert.NotNull(await lines.ReadLineAsync());

        // More than lies in all buffers on the way to somebody.
        const int Count = 200;
        string large = new('x', 64 << 10);
        for (int i = 0; i < Count; i++)
        {
            await AppendAsync(EventTopics.Errors, "a", Say($"{i} {large}"));
            Assert.Contains($" {i} xxx", (await lines.ReadLineAsync().WaitAsync(Host.Patience))!, StringComparison.Ordinal);
        }

        // Who wakes up has missed nothing.
        using StreamReader late = new(await asleep.Content.ReadAsStreamAsync());
        Assert.NotNull(await late.ReadLineAsync());
        for (int i = 0; i < Count; i++)
        {
            Assert.Contains($" {i} xxx", (await late.ReadLineAsync().WaitAsync(Host.Patience))!, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task HostStops_StreamsEnd()
    {
        await StartAsync();
        await AppendAsync(EventTopics.Errors, "a", Say("last words"));
        using HttpResponseMessage answer = await AskAsync(Events, "topics=errors&follow=true");
        using StreamReader lines = new(await answer.Content.ReadAsStreamAsync());
        Assert.NotNull(await lines.ReadLineAsync());
        await _events!.DisposeAsync();
        _events = null;
        JsonElement problem = JsonDocument.Parse((await lines.ReadLineAsync())!).RootElement.GetProperty("problem");
        Assert.Equal("UNAVAILABLE", problem.GetProperty("code").GetString());
        Assert.Null(await lines.ReadLineAsync());
    }

    [Fact]
    public async Task Table_IsWhatSpreadsheetsRead()
    {
        await StartAsync();
        await AppendAsync(EventTopics.Sessions, "a", happened => happened.ViewerJoined = Joined(7, "one, \"two\"\r\nthree"));
        await AppendAsync(EventTopics.Errors, "=cmd|' /C calc'!A0", Say("x"));
        await AppendAsync(EventTopics.Statistics, "b", happened => happened.SharingStatistics = Statistics(2, 5_000, 16));
        using HttpResponseMessage answer = await AskAsync(Table, "topics=sessions&topics=errors&topics=statistics", accept: "text/csv");
        Assert.Equal("text/csv", answer.Content.Headers.ContentType!.MediaType);
        string text = await answer.Content.ReadAsStringAsync();
        Assert.EndsWith("\r\n", text, StringComparison.Ordinal);
        List<string[]> rows = ReadCsv(text);
        Assert.Equal(
            ["time", "topic", "kind", "host", "viewer", "position", "text", "viewers", "frames_sent", "bytes_sent", "latency_p50_ms", "latency_p99_ms", "taken", "host_id", "session_id"],
            rows[0]);
        Assert.Equal(4, rows.Count);
        Assert.Equal(["sessions", "viewerJoined", "HOST-A", "7"], rows[1][1..5]);
        Assert.Equal("viewer 7 came: one, \"two\"\r\nthree, from 1.2.3.4:5 over websocket, may view", rows[1][6]);
        Assert.Equal(["errors", "errorOccurred", "HOST-=CMD|' /C CALC'!A0", ""], rows[2][1..5]);
        Assert.Equal("'=cmd|' /C calc'!A0", rows[2][13]);
        Assert.Equal(["2", "60", "5000"], rows[3][7..10]);
        Assert.InRange(double.Parse(rows[3][11], CultureInfo.InvariantCulture), 15, 17);
        Assert.All(rows.Skip(1), row => Assert.True(DateTimeOffset.TryParse(row[0], CultureInfo.InvariantCulture, out _)));

        // Without being asked for by name it is a message, as everything else.
        using HttpResponseMessage messages = await AskAsync(Table, "topics=errors");
        JsonElement part = JsonDocument.Parse(await messages.Content.ReadAsStringAsync()).RootElement;
        Assert.Equal("text/csv", part.GetProperty("mediaType").GetString());
        Assert.StartsWith("time,topic,", Encoding.UTF8.GetString(part.GetProperty("data").GetBytesFromBase64()), StringComparison.Ordinal);
    }

    [Fact]
    public void Table_NothingBeginsAsAFormula()
    {
        foreach (string text in (string[])["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
        {
            EventTable table = new();
            table.Add(new() { Taken = new(), Text = text });
            string[] row = ReadCsv(table.TakePart().Data.ToStringUtf8())[1];
            Assert.Equal("'" + text, row[6]);
        }
    }

    [Fact]
    public async Task Table_OfManyEvents_ComesInParts()
    {
        await StartAsync();
        (IEventLog log, EventFormat<Event> format) = await _events!.Opened;
        EventBatch batch = new();
        EventStamp stamp = Stamp("a");
        for (int i = 0; i < 3000; i++)
        {
            Event happened = stamp.New();
            Say($"number {i}")(happened);
            format.Write(batch, EventTopics.Errors, stamp.Key, happened);
        }

        await log.AppendAsync(batch);
        using HttpResponseMessage answer = await AskAsync(Table, "topics=errors&limit=2500", accept: "text/csv");
        List<string[]> rows = ReadCsv(await answer.Content.ReadAsStringAsync());
        Assert.Equal(2501, rows.Count);
        Assert.All(rows.Skip(1).Index(), row => Assert.EndsWith($"number {row.Index}", row.Item[6], StringComparison.Ordinal));
    }

    [Fact]
    public async Task Figures_AddUpSteps_AndSayWhatChanges()
    {
        await StartAsync();
        DateTimeOffset start = new(DateTimeOffset.UtcNow.AddMinutes(-5).Ticks / TimeSpan.TicksPerMinute * TimeSpan.TicksPerMinute, TimeSpan.Zero);
        _clock.Now = start.AddSeconds(1);
        foreach (string host in (string[])["a", "b"])
        {
            await AppendAsync(EventTopics.Statistics, host, happened => happened.SharingStatistics = Statistics(2, 1_000, 10));
            await AppendAsync(EventTopics.Statistics, host, happened => happened.SharingStatistics = Statistics(3, 1_000, 40));
        }

        await AppendAsync(EventTopics.Alerts, "a", happened => happened.AlertRaised = new() { Alert = AlertOf("a"), Message = "is late" });
        _clock.Now = start.AddSeconds(11);
        await AppendAsync(EventTopics.Statistics, "a", happened => happened.SharingStatistics = Statistics(1, 500, 20));
        string query = $"since={Uri.EscapeDataString(start.ToString("O", CultureInfo.InvariantCulture))}&stepSeconds=10&follow=true";
        using HttpResponseMessage answer = await AskAsync(Figures, query);
        using StreamReader lines = new(await answer.Content.ReadAsStreamAsync());
        JsonElement first = JsonDocument.Parse((await lines.ReadLineAsync())!).RootElement;
        JsonElement[] steps = [.. first.GetProperty("steps").EnumerateArray()];
        Assert.Equal(2, steps.Length);
        Assert.Equal((start, 4u, 6u, "4000", 1u), (steps[0].GetProperty("start").GetDateTimeOffset(), steps[0].GetProperty("samples").GetUInt32(),
            steps[0].GetProperty("viewers").GetUInt32(), steps[0].GetProperty("bytesSent").GetString(), steps[0].GetProperty("alertsRaised").GetUInt32()));
        Assert.InRange(steps[0].GetProperty("latencyP50Milliseconds").GetDouble(), 9, 11);
        Assert.InRange(steps[0].GetProperty("latencyP99Milliseconds").GetDouble(), 37, 41);
        Assert.Equal((1u, "500"), (steps[1].GetProperty("viewers").GetUInt32(), steps[1].GetProperty("bytesSent").GetString()));
        Assert.Equal(["HOST-A", "HOST-B"], first.GetProperty("hosts").EnumerateArray().Select(host => host.GetProperty("hostName").GetString()));
        Assert.Equal("is late", Assert.Single(first.GetProperty("alerts").EnumerateArray()).GetProperty("message").GetString());

        await AppendAsync(EventTopics.Statistics, "b", happened => happened.SharingStatistics = Statistics(4, 100, 20));
        await AppendAsync(EventTopics.Alerts, "a", happened => happened.AlertCleared = new() { Alert = AlertOf("a"), RaisedSeconds = 3 });
        JsonElement next;
        do
        {
            next = JsonDocument.Parse((await lines.ReadLineAsync().WaitAsync(Host.Patience))!).RootElement;
        }
        while (next.GetProperty("alertCount").GetUInt32() != 0);

        Assert.Equal(0, next.GetProperty("alerts").GetArrayLength());
        JsonElement changed = Assert.Single((await FiguresAsync(query.Replace("&follow=true", "&host=HOST-B", StringComparison.Ordinal))).GetProperty("steps").EnumerateArray().Skip(1));
        Assert.Equal((4u, "100"), (changed.GetProperty("viewers").GetUInt32(), changed.GetProperty("bytesSent").GetString()));
    }

    [Fact]
    public async Task Figures_OfLongerSteps_AreThoseOfMinutes()
    {
        await StartAsync();
        DateTimeOffset minute = new(DateTimeOffset.UtcNow.AddMinutes(-20).Ticks / TimeSpan.TicksPerHour * TimeSpan.TicksPerHour, TimeSpan.Zero);
        for (int i = 0; i < 4; i++)
        {
            MinuteSummary summary = new()
            {
                Host = Stamp("a").Source, Minute = Timestamp.FromDateTimeOffset(minute.AddMinutes(i)), ViewersMax = (uint)i, BytesSent = 1000,
                Latency = new() { Counts = { [(uint)LatencyCounts.BucketOf(8_000)] = 99, [(uint)LatencyCounts.BucketOf(100_000)] = 3 } },
            };
            await AppendAsync(EventTopics.Minutes, "a", happened => happened.MinuteSummary = summary);
        }

        JsonElement figures = await FiguresAsync($"since={Uri.EscapeDataString(minute.ToString("O", CultureInfo.InvariantCulture))}&stepSeconds=120");
        JsonElement[] steps = [.. figures.GetProperty("steps").EnumerateArray()];
        Assert.Equal([1u, 3u], steps.Select(step => step.GetProperty("viewers").GetUInt32()));
        Assert.All(steps, step => Assert.Equal(("2000", "204"), (step.GetProperty("bytesSent").GetString(), step.GetProperty("framesTimed").GetString())));
        Assert.InRange(steps[0].GetProperty("latencyP99Milliseconds").GetDouble(), 92, 109);
        Assert.Equal(60u, (await FiguresAsync("since=1h")).GetProperty("stepSeconds").GetUInt32());
        Assert.Equal(10u, (await FiguresAsync("since=15m")).GetProperty("stepSeconds").GetUInt32());
    }

    private static Action<Event> Say(string message) => happened => happened.ErrorOccurred = new() { Part = "part", Message = message };

    private static ViewerJoined Joined(ulong viewer, string name) => new() { ViewerId = viewer, Name = name, Peer = "1.2.3.4:5", Transport = "websocket", Grants = { "view" } };

    private static SharingStatistics Statistics(uint viewers, ulong bytes, double latencyMs)
    {
        ViewerStatistics viewer = new() { ViewerId = 1, FramesSent = 60, BytesSent = bytes, Latency = new() { MaxMilliseconds = latencyMs } };
        viewer.Latency.Counts[(uint)LatencyCounts.BucketOf(latencyMs * 1000)] = 60;
        return new() { Seconds = 1, ViewerCount = viewers, FramesSent = 60, BytesSent = bytes, Viewers = { viewer } };
    }

    private static Alert AlertOf(string host) => new() { Kind = Alert.Types.Kind.Latency, Host = Stamp(host, TimeProvider.System).Source, ViewerId = 1 };

    private static string? TextOf(JsonElement line) => line.GetProperty("text").GetString();

    private static async Task<KeptEvent> NextAsync(ClientCall call)
    {
        KeptEvent next = new();
        Assert.True(await call.ReadAsync(next).AsTask().WaitAsync(Host.Patience));
        return next;
    }

    // As RFC 4180 has it.
    private static List<string[]> ReadCsv(string text)
    {
        List<string[]> rows = [];
        List<string> row = [];
        StringBuilder cell = new();
        bool isQuoted = false;
        for (int i = 0; i < text.Length; i++)
        {
            if (isQuoted)
            {
                if (text[i] != '"')
                {
                    cell.Append(text[i]);
                }
                else if (i + 1 < text.Length && text[i + 1] == '"')
                {
                    cell.Append('"');
                    i++;
                }
                else
                {
                    isQuoted = false;
                }
            }
            else if (text[i] == '"')
            {
                isQuoted = true;
            }
            else if (text[i] is ',' or '\r')
            {
                row.Add(cell.ToString());
                cell.Clear();
                if (text[i] == '\r')
                {
                    Assert.Equal('\n', text[++i]);
                    rows.Add([.. row]);
                    row.Clear();
                }
            }
            else
            {
                cell.Append(text[i]);
            }
        }

        Assert.Empty(row);
        return rows;
    }

    private static EventStamp Stamp(string host, TimeProvider time) =>
        new(new EventSource { HostId = host, HostName = $"host-{host}".ToUpperInvariant(), SessionId = "session-1", ProcessId = 7, Version = "0.1.0" }, time);

    private EventStamp Stamp(string host) => Stamp(host, _clock);

    private async Task StartAsync(bool isOpen = true)
    {
        _events = HostEvents.Start(_folder.Path, Stamp("own").Source, _clock, null);
        if (isOpen)
        {
            await _events.Opened.WaitAsync(Host.Patience);
        }

        _host = await Host.StartAsync(options: new() { Administer = true, Events = _events });
    }

    private async Task AppendAsync(string topic, string host, Action<Event> what)
    {
        (IEventLog log, EventFormat<Event> format) = await _events!.Opened;
        EventStamp stamp = Stamp(host);
        Event happened = stamp.New();
        what(happened);
        EventBatch batch = new();
        format.Write(batch, topic, stamp.Key, happened);
        await log.AppendAsync(batch);
    }

    private async Task AppendBytesAsync(string topic, byte[] value)
    {
        (IEventLog log, _) = await _events!.Opened;
        EventBatch batch = new();
        batch.Add(topic, "k"u8, value);
        await log.AppendAsync(batch);
    }

    private Task<HttpResponseMessage> AskAsync(string method, string query, string? accept = null) => AskAsync(method, query, _host!.Server.AdministerToken, accept);

    private async Task<HttpResponseMessage> AskAsync(string method, string query, string? token, string? accept)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(_host!.Server.Url, $"/api/v1/event-log/{method}?{query}"));
        if (token is not null)
        {
            request.Headers.Authorization = new("Bearer", token);
        }

        if (accept is not null)
        {
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(accept));
        }

        return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    private async Task<(HttpStatusCode Status, string? Code)> RefusalAsync(string method, string query, string? token)
    {
        using HttpResponseMessage answer = await AskAsync(method, query, token, null);
        return (answer.StatusCode, JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("code").GetString());
    }

    private async Task<List<JsonElement>> LinesAsync(string query)
    {
        using HttpResponseMessage answer = await AskAsync(Events, query);
        string text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
    }

    /// <summary>The last letters of the texts of events that say a number.</summary>
    private async Task<string> NumbersAsync(string query) =>
        string.Concat((await LinesAsync(query)).Select(line => TextOf(line)!).Where(text => text.Contains("number", StringComparison.Ordinal)).Select(text => text[^1]));

    private async Task<JsonElement> FiguresAsync(string query)
    {
        using HttpResponseMessage answer = await AskAsync(Figures, query);
        string text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return JsonDocument.Parse(text).RootElement;
    }

    /// <summary>Says the time that it is told; its timers are the system's.</summary>
    private sealed class LogClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UtcNow.AddMinutes(-10);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
