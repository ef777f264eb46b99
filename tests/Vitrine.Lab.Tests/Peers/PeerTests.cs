using System.Collections.Concurrent;
using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Lab.Latency;
using Vitrine.Lab.Peers;

namespace Vitrine.Lab.Tests.Peers;

public sealed class PeerTests
{
    private readonly CancellationToken _deadline = new CancellationTokenSource(TimeSpan.FromSeconds(90)).Token;

    [Fact]
    public async Task CLoop_CompilesAndGrabsOnCommand()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(320, 200));
        (CLoopPeer? peer, string reason) = await CLoopPeer.TryStartAsync(display.Name, _deadline);
        Assert.True(peer is not null, reason);
        await using (peer)
        {
            var series = new RoundSeries();
            await peer.RunRoundAsync(series, 5, _deadline);
            await peer.RunRoundAsync(series, 5, _deadline);
            Assert.Equal(10, series.All.Count);
            Assert.Equal(2, series.MediansMs.Count);
            Assert.True(series.All.MinNs > 0);
        }
    }

    [Fact]
    public async Task Ffmpeg_GivesOneDurationAFrame()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(320, 200));
        FfmpegGrabPeer? peer = FfmpegGrabPeer.TryCreate(display.Name, display.Server.Size);
        Assert.True(peer is not null, "ffprobe is missing. Install it: apt-get install ffmpeg");
        var series = new RoundSeries();
        await peer.RunRoundAsync(series, 12, _deadline);
        Assert.InRange(series.All.Count, 10, 12);
    }

    [Fact]
    public void MemoryCopy_TakesTime()
    {
        using var peer = new MemoryCopyPeer(8 << 20);
        var series = new RoundSeries();
        peer.RunRound(series, 3, TimeProvider.System);
        Assert.Equal(3, series.All.Count);
        Assert.True(series.All.MinNs > 10_000);
    }

    [Fact]
    public async Task VncServer_ItsClientSeesEveryColour()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(1024, 768));
        (VncPeer? peer, string reason) = await VncPeer.TryStartAsync(display.Name, _deadline);
        Assert.True(peer is not null, reason);
        await using VncPeer owned = peer;
        using var square = new FlipSquare(display.Painter, FlipRun.At, TimeProvider.System);
        using var text = new TextWindow(display.Painter, new DeviceRectangle(0, 0, 500, 300), seed: 1);
        var seen = new ConcurrentQueue<uint>();
        using var client = new RfbClient(TimeProvider.System, FlipRun.Watched);
        client.Connect(peer.Port);
        Assert.Equal(display.Server.Size, client.Size);
        Task reading = Task.Factory.StartNew(() => client.Run((pixel, _) => seen.Enqueue(pixel)), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        for (int i = 0; i < 20; i++)
        {
            Assert.True(square.TryFlip(out Flip flip));
            Assert.True(text.TryChange()); // palettes, filters and long zlib runs on the way
            Assert.True(
                await Conditions.WaitAsync(() => seen.LastOrDefault() == flip.Pixel, TimeSpan.FromSeconds(10), TimeProvider.System, _deadline),
                $"change {i}: {flip.Pixel:X6} was not seen, the last was {seen.LastOrDefault():X6}");
        }

        client.Dispose();
        await reading.WaitAsync(_deadline);
    }

    [Fact]
    public async Task VncClientDisposedInTheMiddle_EndsQuietly()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(1024, 768));
        (VncPeer? peer, string reason) = await VncPeer.TryStartAsync(display.Name, _deadline);
        Assert.True(peer is not null, reason);
        await using VncPeer owned = peer;
        using var text = new TextWindow(display.Painter, new DeviceRectangle(0, 0, 800, 600), seed: 1);
        for (int i = 0; i < 15; i++)
        {
            using var client = new RfbClient(TimeProvider.System, FlipRun.Watched);
            client.Connect(peer.Port);
            Task reading = Task.Factory.StartNew(() => client.Run((_, _) => { }), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            Assert.True(text.TryChange());
            int updates = i % 2; // at once, or once it runs
            Assert.True(await Conditions.WaitAsync(() => client.Updates >= updates, TimeSpan.FromSeconds(10), TimeProvider.System, _deadline));
            Assert.True(text.TryChange());
            client.Dispose();
            await reading.WaitAsync(_deadline);
        }
    }

    [Fact]
    public async Task VncServerLeaves_IsSaidInWords()
    {
        using PrivateDisplay display = PrivateDisplay.Start(new DeviceSize(320, 200));
        (VncPeer? peer, string reason) = await VncPeer.TryStartAsync(display.Name, _deadline);
        Assert.True(peer is not null, reason);
        using var client = new RfbClient(TimeProvider.System, FlipRun.Watched);
        client.Connect(peer.Port);
        Task reading = Task.Factory.StartNew(() => client.Run((_, _) => { }), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await peer.DisposeAsync();
        await Assert.ThrowsAsync<LaboratoryException>(() => reading.WaitAsync(_deadline));
    }
}
