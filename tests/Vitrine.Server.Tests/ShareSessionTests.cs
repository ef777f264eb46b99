using System.Diagnostics;
using Vitrine.Codecs.H264;
using Vitrine.Codecs.Regions;
using Vitrine.Frames;
using Vitrine.Server.Metrics;
using Vitrine.Server.Sharing;
using Vitrine.Viewer;
using Vitrine.Wire;

namespace Vitrine.Server.Tests;

public sealed class ShareSessionTests
{
    private static readonly DeviceRectangle s_film = new(64, 64, 512, 384);

    [Fact]
    public async Task ViewerJoinsAtAnyTime_GetsTheWholePicture()
    {
        await using Host host = await Host.StartAsync();
        host.Display.Paint(new(10, 10, 100, 50), 0x112233);
        await using HeadlessViewer first = await host.ConnectAsync();
        await host.AssertShownByAsync(first, "after joining");

        for (int i = 0; i < 10; i++)
        {
            host.Display.PaintNoise(new(i * 20, i * 10, 64, 64), i);
        }

        await using HeadlessViewer second = await host.ConnectAsync();
        await host.AssertShownByAsync(second, "after joining later");
        await host.AssertShownByAsync(first, "after changes");
        Assert.Equal("test", second.Hello!.Value.Name);
        Assert.Equal(ViewerGrants.View, second.Hello!.Value.Grants);
    }

    [Fact]
    public async Task NobodyLooks_NothingIsRead()
    {
        await using Host host = await Host.StartAsync();
        host.Display.Paint(new(0, 0, 10, 10), 0xFF);
        Assert.Equal(0, host.Display.FrameCount);

        await using (HeadlessViewer viewer = await host.ConnectAsync())
        {
            await host.AssertShownByAsync(viewer);
        }

        await Host.AssertSoonAsync(() => host.Session.Status.Viewers == 0, "The viewer did not leave.");
        int read = host.Display.FrameCount;
        host.Display.Paint(new(0, 0, 20, 10), 0xFF00);
        await using HeadlessViewer next = await host.ConnectAsync();
        Assert.InRange(host.Display.FrameCount, read, read + 2);
        await host.AssertShownByAsync(next, "after joining a session at rest");
    }

    [Fact]
    public async Task ResolutionChanges_ViewerGetsANewGeneration()
    {
        await using Host host = await Host.StartAsync(new(640, 480));
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);
        uint generation = viewer.Topology!.Generation;
        await host.PlayUntilAsync(viewer, s_film, () => viewer.VideoCounts.Decoded > 0, "No video came.");
        long before = ShareMeter.VideoResized.Value;

        for (int i = 1; i <= 20; i++)
        {
            host.Display.Resize(320 + (i * 13), 200 + (i * 7));
            host.Display.PaintNoise(new(0, 0, 100, 100), i);
        }

        await Host.AssertSoonAsync(() => ShareMeter.VideoResized.Value > before, "The change while video was encoded was not counted.");
        await host.AssertShownByAsync(viewer, "after changes of size");
        Assert.True(viewer.Topology!.Generation > generation);
        Assert.False(viewer.HasSeenMalformed);
    }

    [Fact]
    public async Task DisplayIsKilledAndComesBack_ViewerIsToldAndSharingResumes()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);
        uint generation = viewer.Topology!.Generation;

        host.Display.Kill();
        await Host.AssertAsync(viewer, v => v.Topology!.State == TopologyState.DisplayGone, "The viewer was not told that the display is gone.");
        Assert.Equal(host.Display.Size, viewer.Topology!.Size);

        host.Display.Revive();
        host.Display.PaintNoise(new(0, 0, 64, 64), 7);
        await Host.AssertAsync(viewer, v => v.Topology!.State == TopologyState.Live, "Sharing did not resume.");
        await host.AssertShownByAsync(viewer, "after the display came back");
        Assert.True(viewer.Topology!.Generation > generation);
        Assert.Equal(1, viewer.ConnectionCount);
    }

    [Fact]
    public async Task WindowIsHiddenAndShown_ViewerIsTold()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);

        host.Display.Hide();
        await Host.AssertAsync(viewer, v => v.Topology!.State == TopologyState.Hidden, "Hidden was not told.");
        host.Display.Paint(new(0, 0, 9, 9), 0xABCDEF);
        await Host.AssertAsync(viewer, v => v.Topology!.State == TopologyState.Live, "Shown was not told.");
        await host.AssertShownByAsync(viewer, "after it is shown again");
    }

    [Fact]
    public async Task WindowIsClosed_ViewerIsToldAndSharingEnds()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);

        host.Display.Close();
        await host.Session.Ended.WaitAsync(Host.Patience);
        await Host.AssertAsync(viewer, v => v.Topology!.State == TopologyState.Closed, "Closed was not told.");

        await using HeadlessViewer late = await host.ConnectAsync();
        await Host.AssertAsync(late, v => v.Topology?.State == TopologyState.Closed, "A late viewer was not told.");
    }

    [Fact]
    public async Task SourceCannotBeOpened_StartFailsWithItsReason()
    {
        SyntheticDisplay display = new(64, 64);
        display.Kill();
        ShareSession session = new(display.TryOpen, new());
        SourceUnavailableException exception = await Assert.ThrowsAsync<SourceUnavailableException>(session.StartAsync);
        Assert.Equal("The synthetic display is dead.", exception.Message);
        await session.DisposeAsync();
    }

    [Fact]
    public async Task HostStops_ViewersHearGoodbyeWithinTwoSeconds()
    {
        Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await using HeadlessViewer stalled = await host.ConnectAsync(new() { ReceiveBufferBytes = 4096, Acknowledge = false });
        await host.AssertShownByAsync(viewer);
        stalled.IsStalled = true;
        long start = Stopwatch.GetTimestamp();
        await host.DisposeAsync();
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0, 3.5);
        await Host.AssertAsync(viewer, v => !v.IsConnected, "The viewer is still connected.");
        Assert.Equal(GoodbyeReason.Closing, viewer.Goodbye!.Value.Reason);
    }

    [Fact]
    public async Task FramesComeFasterThanTheCap_TheRateIsKept()
    {
        await using Host host = await Host.StartAsync(share: new() { Name = "test", FramesPerSecondMax = 50 });
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);
        host.Display.ReadTimes = [];
        long start = Stopwatch.GetTimestamp();
        for (uint i = 0; Stopwatch.GetElapsedTime(start).TotalSeconds < 1; i++)
        {
            host.Display.Paint(new(0, 0, 8, 8), i);
            await Task.Yield();
        }

        long[] times = [.. host.Display.ReadTimes];
        Assert.InRange(times.Length, 5, 53); // at most 50 and the first; a busy machine makes fewer
        Assert.All(times.Zip(times.Skip(1)), pair => Assert.True(pair.Second - pair.First > 17_500_000, "Two captures within 17.5 ms at 50 a second."));
    }

    [Fact]
    public async Task ViewerStopsReading_OthersDoNotNoticeAndItCatchesUp()
    {
        SyntheticDisplay display = new(640, 480);
        await using Host host = await Host.StartAsync(display);
        await using HeadlessViewer healthy = await host.ConnectAsync();
        await using HeadlessViewer stalled = await host.ConnectAsync(new() { ReceiveBufferBytes = 16 * 1024 });
        await host.AssertShownByAsync(healthy);
        await host.AssertShownByAsync(stalled);

        stalled.IsStalled = true;
        for (int i = 0; i < 200; i++)
        {
            long seen = healthy.FrameCount;
            display.PaintNoise(new(i % 400, i % 300, 200, 150), i);
            await Host.AssertAsync(healthy, v => v.FrameCount > seen, $"The healthy viewer got no frame {i}.");
        }

        await host.AssertShownByAsync(healthy);
        Assert.False(host.IsShownBy(stalled));

        stalled.IsStalled = false;
        await host.AssertShownByAsync(stalled, "after it reads again");
        Assert.False(stalled.HasSeenMalformed);
    }

    [Fact]
    public async Task ViewerStopsReading_NoMoreThanAScreenAViewerIsHeld()
    {
        SyntheticDisplay display = new(640, 480);
        await using Host host = await Host.StartAsync(display);
        await using HeadlessViewer healthy = await host.ConnectAsync();
        await using HeadlessViewer stalled = await host.ConnectAsync(new() { ReceiveBufferBytes = 16 * 1024 });
        await host.AssertShownByAsync(stalled);
        stalled.IsStalled = true;
        int most = 0;
        for (int i = 0; i < 100; i++)
        {
            long seen = healthy.FrameCount;
            display.PaintNoise(new(0, 0, 640, 480), i);
            await Host.AssertAsync(healthy, v => v.FrameCount > seen, $"The healthy viewer got no frame {i}.");
            most = Math.Max(most, host.Session.State!.Store!.OutstandingBufferCount);
        }

        // The newest screen, and the one that each viewer is being sent: also the healthy one has it for a moment after the last byte
        // arrived. Noise becomes video: the newest eight access units of its stream are kept beside the tiles, and each viewer may hold
        // an older one.
        Assert.InRange(most, 1, (3 * 10 * 8) + 8 + 2);
    }

    [Fact]
    public async Task ViewerDoesNotAcknowledge_GetsNoMoreThanTheWindow()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer healthy = await host.ConnectAsync();
        await using HeadlessViewer silent = await host.ConnectAsync(new() { Acknowledge = false });
        await host.AssertShownByAsync(silent);
        for (uint i = 0; i < 50; i++)
        {
            long seen = healthy.FrameCount;
            host.Display.Paint(new(0, 0, 64, 64), i + 1);
            await Host.AssertAsync(healthy, v => v.FrameCount > seen, "The healthy viewer got no frame.");
        }

        Assert.InRange(silent.FrameCount, 1, FlowWindow.FramesMin);
    }

    [Fact]
    public async Task FiftyViewers_AllShowThePicture()
    {
        SyntheticDisplay display = new(640, 400);
        await using Host host = await Host.StartAsync(display);
        HeadlessViewer[] viewers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => host.ConnectAsync()));
        try
        {
            for (int i = 0; i < 20; i++)
            {
                display.PaintNoise(new(i * 20, i * 10, 128, 128), i);
                await host.AssertShownByAsync(viewers[i]);
            }

            foreach (HeadlessViewer viewer in viewers)
            {
                await host.AssertShownByAsync(viewer);
            }

            Assert.Equal(50, host.Session.Status.Viewers);
        }
        finally
        {
            await Task.WhenAll(viewers.Select(viewer => viewer.DisposeAsync().AsTask()));
        }

        await Host.AssertSoonAsync(() => host.Session.Status.Viewers == 0, "Viewers did not leave.");
    }

    [Fact]
    public async Task ViewerSelectsAMonitor_GetsThatPartAndTheRestWhenItAsks()
    {
        SyntheticDisplay display = new(512, 256);
        await using Host host = await Host.StartAsync(display);
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);
        display.Observer!.OnTopology("synthetic", [Host.Monitor(0, 0, 256, 256, "L"), Host.Monitor(256, 0, 256, 256, "R")]);
        await Host.AssertAsync(viewer, v => v.Topology!.Monitors.Count == 2, "The monitors were not told.");

        await viewer.SelectAsync(1);
        await Host.AssertAsync(viewer, v => v.Topology!.Selected == 1, "The selection was not confirmed.");
        display.Paint(new(0, 0, 64, 64), 0xFF0000); // on the other monitor
        display.Paint(new(300, 10, 64, 64), 0x00FF00);
        await Host.AssertAsync(viewer, v => v.GetPixel(310, 20) == 0x00FF00, "The selected monitor is not shown.");
        Assert.NotEqual(0xFF0000, viewer.GetPixel(10, 10));

        await viewer.SelectAsync(TopologyMessage.WholePicture);
        await host.AssertShownByAsync(viewer, "as a whole");
    }

    [Fact]
    public async Task CursorMovesAndChanges_ViewersSeeTheNewest()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);
        byte[] pixels = [.. Enumerable.Range(0, 4 * 3 * 4).Select(i => (byte)i)];
        host.Display.Observer!.OnCursorShape(4, 3, new(9, 1), pixels, 1);
        for (int i = 0; i <= 100; i++)
        {
            host.Display.Observer!.OnCursorPosition(new(i, -i), i + 1);
        }

        await Host.AssertAsync(viewer, v => v.CursorPosition == new DevicePoint(100, -100), "The position did not come.");
        await Host.AssertAsync(viewer, v => v.CursorShape is { Width: 4, Height: 3 } shape && shape.Pixels.AsSpan().SequenceEqual(pixels), "The shape did not come.");
        Assert.Equal(new DevicePoint(3, 1), viewer.CursorShape!.Hotspot); // brought into the shape

        host.Display.Observer!.OnCursorShape(300, 300, default, new byte[300 * 300 * 4], 2); // too large: ignored
        host.Display.Observer!.OnCursorShape(0, 0, default, [], 3);
        await Host.AssertAsync(viewer, v => v.CursorShape is { Width: 0 }, "Hidden did not come.");
    }

    [Fact]
    public async Task FramesFlow_StatisticsComeOnceASecond()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await Host.AssertAsync(viewer, v => v.Statistics is { FramesPerSecondMilli: > 0 }, "No statistics came.");
        Assert.Equal(1u, viewer.Statistics!.Value.Viewers);
        Assert.True(viewer.Statistics!.Value.BytesSent > 0);
        await Host.AssertAsync(viewer, v => v.Statistics is { FramesPerSecondMilli: 0 }, "No statistics of rest came.");
    }

    [Fact]
    public async Task HostAndViewerOnOneMachine_ClocksAgree()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await Host.AssertAsync(viewer, v => v.Clock.Count >= 8, "The clock exchanges did not come.");
        Assert.InRange(viewer.Clock.OffsetNs, -viewer.Clock.DelayNs, viewer.Clock.DelayNs);
    }

    [Fact]
    public async Task ThousandFrames_SessionThreadAllocatesNothingAFrame()
    {
        await using Host host = await Host.StartAsync();

        // Two: a viewer alone is served on the session's thread, and the web server's part of that may allocate.
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await using HeadlessViewer other = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);
        host.Display.AllocatedBytes = new(8192);
        uint painted = 0;
        Paint(150);
        // The store's pool may still grow by a buffer when a viewer holds one longer than before: that is not a cost of a frame.
        Assert.InRange(Allocation.LeastOf(() => Paint(1_000)), 0, 10);

        // How many of the frames took memory.
        long Paint(int frames)
        {
            int from = host.Display.AllocatedBytes.Count;
            for (uint end = painted + (uint)frames; painted < end; painted++)
            {
                long seen = host.Display.FrameCount;
                host.Display.Paint(new((int)(painted % 200), 10, 64, 64), painted);
                SpinWait.SpinUntil(() => host.Display.FrameCount > seen, Host.Patience);
            }

            long[] allocated = [.. host.Display.AllocatedBytes.Skip(from).Take(frames)];
            return allocated.Zip(allocated.Skip(1)).Count(pair => pair.Second != pair.First);
        }
    }

    [Fact]
    public async Task PictureIsTaken_NobodyLooks_ExactAndAtRestAfterwards()
    {
        await using Host host = await Host.StartAsync();
        for (int i = 0; i < 5; i++)
        {
            host.Display.PaintNoise(new(i * 20, i * 10, 100, 64), i);
            AssertShows(await TakeAsync(host, null), host);
        }

        Assert.Equal(0, host.Session.Status.Viewers);
        int read = host.Display.FrameCount;
        host.Display.Paint(new(0, 0, 10, 10), 0xFF);
        Assert.Equal(read, host.Display.FrameCount);
    }

    [Fact]
    public async Task PictureOfARegionIsTaken_HoldsWhatLiesInThePicture()
    {
        await using Host host = await Host.StartAsync();
        host.Display.Paint(new(300, 190, 20, 10), 0x0000FF);
        TakenPicture corner = await TakeAsync(host, new(290, 180, 1000, 1000));
        Assert.Equal(new DeviceRectangle(290, 180, 30, 20), corner.Bounds);
        Assert.Equal(30 * 20 * 4, corner.Picture!.Pixels.Length);
        Assert.Equal([0, 0, 0], corner.Picture.Pixels[..3]);
        Assert.Equal([0xFF, 0, 0], corner.Picture.Pixels[^4..^1]); // B, G, R
        Assert.Equal(PictureStatus.Outside, (await TakeAsync(host, new(320, 0, 10, 10))).Status);
        Assert.Equal(PictureStatus.Outside, (await TakeAsync(host, new(10, 10, 0, 10))).Status);
        Assert.Equal(PictureStatus.Outside, (await TakeAsync(host, new(int.MaxValue, int.MaxValue, int.MaxValue, int.MaxValue))).Status);
        Assert.Equal(new DeviceRectangle(0, 0, 320, 200), (await TakeAsync(host, new(-5, -5, int.MaxValue, int.MaxValue))).Bounds);
    }

    [Fact]
    public async Task PicturesAreTakenBesideAViewer_BothAreExact()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync();
        for (int i = 0; i < 20; i++)
        {
            host.Display.PaintNoise(new(i * 10, i * 5, 90, 90), i);
            TakenPicture[] taken = await Task.WhenAll(TakeAsync(host, null), TakeAsync(host, null));
            AssertShows(taken[0], host);
            AssertShows(taken[1], host);
        }

        await host.AssertShownByAsync(viewer);
        Assert.Equal(1, host.Session.Status.Viewers);
    }

    [Fact]
    public async Task PictureCannotBeTaken_StatusSaysWhy()
    {
        await using Host host = await Host.StartAsync();
        AssertShows(await TakeAsync(host, null), host);
        host.Display.Hide();
        Assert.Equal(PictureStatus.Hidden, (await TakeAsync(host, null)).Status);
        host.Display.Kill();
        Assert.Equal(PictureStatus.DisplayGone, (await TakeAsync(host, null)).Status);
        host.Display.Revive();
        AssertShows(await TakeAsync(host, null), host);
        host.Display.Close();
        Assert.Equal(PictureStatus.Closed, (await TakeAsync(host, null)).Status);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => host.Session.TakePictureAsync(null, new CancellationToken(canceled: true)));
    }

    [Fact]
    public async Task SharingStopsAndStarts_ViewersAreToldAndNothingIsReadMeanwhile()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.AssertShownByAsync(viewer);
        host.Session.StopSharing("Lunch.");
        await Host.AssertAsync(viewer, v => v.Goodbye is not null && !v.IsConnected, "The viewer was not told.");
        Assert.Equal(new Goodbye(GoodbyeReason.Closing, "Lunch."), viewer.Goodbye);
        Assert.False(host.Session.Status.IsSharing);
        await Host.AssertSoonAsync(() => !host.Session.Status.IsOpen, "The source was not closed.");
        Assert.Equal(PictureStatus.Stopped, (await TakeAsync(host, null)).Status);
        ViewerConnectException refused = await Assert.ThrowsAsync<ViewerConnectException>(() => host.ConnectAsync());
        Assert.Contains("stopped", refused.Message, StringComparison.Ordinal);
        int read = host.Display.FrameCount, opened = host.Display.OpenCount;

        host.Session.StartSharing();
        host.Display.Paint(new(5, 5, 50, 50), 0xABCDEF);
        await using HeadlessViewer next = await host.ConnectAsync();
        await host.AssertShownByAsync(next, "after starting again");
        Assert.Equal(opened + 1, host.Display.OpenCount);
        Assert.True(host.Display.FrameCount > read);
        Assert.Equal(viewer.Hello!.Value.SessionId, next.Hello!.Value.SessionId);
    }

    [Fact]
    public async Task ViewersLeave_WhatTheyWereSentStaysCounted()
    {
        await using Host host = await Host.StartAsync();
        await using (HeadlessViewer viewer = await host.ConnectAsync())
        {
            await host.AssertShownByAsync(viewer);
            Assert.True(host.Session.Sent.Bytes > 0);
        }

        await Host.AssertSoonAsync(() => host.Session.Status.Viewers == 0, "The viewer did not leave.");
        SentTotals sent = host.Session.Sent;
        Assert.True(sent is { Frames: > 0, Bytes: > 0 }, sent.ToString());
    }

    [Fact]
    public async Task ViewerWithoutADecoder_AsksForTilesAndSaysWhy()
    {
        await using Host host = await Host.StartAsync();
        await using HeadlessViewer viewer = await host.ConnectAsync(new() { OpenDecoder = None });
        Assert.Equal("none is installed", viewer.WhyNoVideo);
        await host.AssertShownByAsync(viewer);
        Assert.False(Assert.Single(host.Session.Viewers).DecodesVideo);
        await using HeadlessViewer other = await host.ConnectAsync();
        Assert.Empty(other.WhyNoVideo);

        static H264Decoder? None(out string reason)
        {
            reason = "none is installed";
            return null;
        }
    }

    [Fact]
    public async Task DecoderOfAViewerDoesNotOpenAnyMore_TilesShowEverythingAndItSaysWhy()
    {
        int opened = 0;
        SyntheticDisplay display = new(640, 480);
        await using Host host = await Host.StartAsync(display);
        await using HeadlessViewer viewer = await host.ConnectAsync(new() { OpenDecoder = OpenOnce });
        Assert.Empty(viewer.WhyNoVideo);
        await host.PlayUntilAsync(viewer, s_film, () => viewer.WhyNoVideo.Length > 0, "No region came, or its failure was not noticed.");
        Assert.Equal("gone", viewer.WhyNoVideo);
        await Host.AssertSoonAsync(() => !Assert.Single(host.Session.Viewers).DecodesVideo, "The host was not told.");
        await host.PlayUntilAsync(viewer, s_film, () => viewer.Regions.Count == 0, "What was covered stays covered.");
        await host.AssertShownByAsync(viewer, "after its decoder went away");
        Assert.Equal(2, opened);

        H264Decoder? OpenOnce(out string reason)
        {
            reason = "gone";
            return Interlocked.Increment(ref opened) == 1 ? H264Decoder.TryCreate(out reason) : null;
        }
    }

    [Fact]
    public async Task NoEncoder_ToldOnceAndOverWhenOneWorks()
    {
        const string reason = "libx264: none is installed";
        List<string> told = [];
        SyntheticDisplay display = new(640, 480);
        using BrokenEncoders encoders = new(reason);
        ShareOptions options = new() { Name = "test", FramesPerSecondMax = 240, Encoders = encoders, VideoFailed = Tell };
        await using Host host = await Host.StartAsync(display, options);
        await using HeadlessViewer viewer = await host.ConnectAsync();
        Assert.Empty(host.Session.Status.VideoFailure);
        await host.PlayUntilAsync(viewer, s_film, () => host.Session.Status.VideoFailure.Length > 0, "No encoder was asked for.");
        Assert.Equal(reason, host.Session.Status.VideoFailure);

        // With a new size it is tried again at once.
        display.Resize(656, 480);
        await host.PlayUntilAsync(viewer, s_film, () => encoders.Asked > 1, "It is not tried again.");
        encoders.Mend();
        display.Resize(640, 480);
        await host.PlayUntilAsync(viewer, s_film, () => viewer.VideoCounts.Decoded > 0, "No video came.");
        await host.PlayUntilAsync(viewer, s_film, () => host.Session.Status.VideoFailure.Length == 0, "It is still said that video does not work.");
        lock (told)
        {
            Assert.Equal([reason], told);
        }

        void Tell(string why)
        {
            lock (told)
            {
                told.Add(why);
            }
        }
    }

    [Fact]
    public async Task EncoderIsChosen_RegionsBeginWithItAndNoOther()
    {
        TaskCompletionSource<string> begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        ShareOptions options = new() { Name = "test", FramesPerSecondMax = 240, Encoder = "openh264", Trace = Note };
        await using Host host = await Host.StartAsync(new(640, 480), options);
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.PlayUntilAsync(viewer, s_film, () => begun.Task.IsCompleted, "No region began.");
        Assert.StartsWith("libopenh264: ", await begun.Task, StringComparison.Ordinal);
        Assert.Equal("encoder", Assert.Single(new ShareOptions { Encoder = "x265" }.Validate()).Key);

        void Note(RegionDecision decision)
        {
            if (decision.Step is RegionStep.Begins or RegionStep.EndsByFailure)
            {
                begun.TrySetResult(decision.Detail);
            }
        }
    }

    [Fact]
    public async Task LinkCarriesTooLittleForTheFirstQuality_ToldAndCounted()
    {
        TaskCompletionSource<QualityDecision> told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        long before = ShareMeter.QualityLowered.Value;
        ShareOptions options = new() { Name = "test", FramesPerSecondMax = 240, VideoBitsPerSecondMax = 2_000_000, TraceQuality = decision => told.TrySetResult(decision) };
        await using Host host = await Host.StartAsync(new(640, 480), options);
        await using HeadlessViewer viewer = await host.ConnectAsync();
        await host.PlayUntilAsync(viewer, s_film, () => told.Task.IsCompleted, "Nothing was told.");
        QualityDecision decision = await told.Task;
        Assert.Equal((1, 1, 5_000_000_000), (decision.Viewer, decision.Quality, decision.PauseNs));
        Assert.InRange(decision.BitsPerSecond, 250_000, 2_000_000);
        Assert.InRange(decision.FirstBitsPerSecond, 250_000, 2_000_000);
        Assert.True(ShareMeter.QualityLowered.Value > before);
    }

    private static Task<TakenPicture> TakeAsync(Host host, DeviceRectangle? region) =>
        host.Session.TakePictureAsync(region, CancellationToken.None).WaitAsync(Host.Patience);

    private static void AssertShows(in TakenPicture taken, Host host)
    {
        Assert.Equal(PictureStatus.Taken, taken.Status);
        Assert.True(host.Display.IsShownBy(taken.Picture!.Pixels, taken.Picture.Format.Size), "The picture is not what the display shows.");
    }
}
