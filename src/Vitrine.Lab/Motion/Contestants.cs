using System.Collections.Concurrent;
using Vitrine.Codecs.Regions;
using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Lab.Peers;
using Vitrine.Measurement;
using Vitrine.Viewer;

namespace Vitrine.Lab.Motion;

/// <summary>What one contestant did in one round of a load.</summary>
/// <param name="CpuCores">Sharing process and X server together; what the X server takes to paint is the same for all.</param>
/// <param name="HostCpuCores">The sharing process alone.</param>
/// <param name="BytesPerSecond">What a viewer received, or what was written.</param>
/// <param name="FramesPerSecond">Pictures, whether or not they showed anything new.</param>
/// <param name="Match">What was shown of what was painted; null when its pictures cannot be looked at.</param>
internal sealed record MotionRound(double CpuCores, double HostCpuCores, double BytesPerSecond, double FramesPerSecond, SightMatch? Match)
{
    /// <summary>Films only: how far the pictures were from what was painted.</summary>
    public PictureQuality? Quality { get; init; }

    /// <summary>From the last draw call until the viewer's picture equalled the screen, in milliseconds; NaN when it was not looked at,
    /// infinity when it never did.</summary>
    public double ExactMs { get; init; } = double.NaN;

    /// <summary>Pictures without a readable number.</summary>
    public long Unreadable { get; init; }

    /// <summary>What was done with video; null when its viewer knows none.</summary>
    public VideoDecodeCounts? Video { get; init; }
}

/// <summary>A load that is played on a display, for one contestant after the other.</summary>
internal sealed class MotionStage(PrivateDisplay display, MotionLoad load, MotionPainter painter, VideoLoop film, ScreenTruth truth, LabOptions options)
{
    /// <summary>For the last frame to arrive, and for hysteresis to have decided.</summary>
    private static readonly TimeSpan s_after = TimeSpan.FromMilliseconds(300);

    public PrivateDisplay Display => display;

    public MotionLoad Load => load;

    public MotionPainter Painter => painter;

    public VideoLoop Film => film;

    public ScreenTruth Truth => truth;

    public TimeProvider Time => options.Time;

    /// <summary>What is not measured at the start of a round: joining, and until a region that keeps moving is taken for one. It ends between
    /// two changes at 10 or 30 a second, so that the bytes counted are those of the frames counted.</summary>
    public TimeSpan Warm { get; } = TimeSpan.FromSeconds(options.Quick ? 0.75 : 1.35);

    /// <summary>What is measured.</summary>
    public TimeSpan Measured { get; } = TimeSpan.FromSeconds(options.Quick ? 1 : 3);

    /// <summary>Pictures to compare with what was painted.</summary>
    public int Samples { get; } = options.Quick ? 2 : 6;

    /// <summary>Measures while the load plays.</summary>
    public async Task<MotionRound> MeasureAsync(
        int hostProcessId, Func<long> bytes, Func<long> frames, Func<IEnumerable<FrameSight>>? sights, CancellationToken cancellationToken)
    {
        await Task.Delay(Warm, Time, cancellationToken);
        long fromNs = Time.GetMonotonicNanoseconds(), bytesBefore = bytes(), framesBefore = frames();
        CpuMeter both = new(Time, hostProcessId, Display.Server.ProcessId), host = new(Time, hostProcessId);
        await Task.Delay(Measured, Time, cancellationToken);
        double cores = both.Cores, hostCores = host.Cores;
        long untilNs = Time.GetMonotonicNanoseconds(), bytesAfter = bytes(), framesAfter = frames();
        double seconds = (untilNs - fromNs) / 1e9;
        if (sights is not null)
        {
            await Task.Delay(s_after, Time, cancellationToken);
        }

        return new MotionRound(cores, hostCores, (bytesAfter - bytesBefore) / seconds, (framesAfter - framesBefore) / seconds,
            sights is null || load.ChangesPerSecond == 0 ? null : SightMatch.Of(painter.Times, sights(), fromNs, untilNs));
    }
}

/// <summary>Somebody who shares the display while a load plays. Only the one whose round it is has a viewer.</summary>
internal interface IMotionContestant
{
    /// <summary>First part of its cases' names.</summary>
    string Name { get; }

    /// <summary>Shares, is watched and measured, and leaves.</summary>
    Task<MotionRound> RunRoundAsync(MotionStage stage, CancellationToken cancellationToken);
}

/// <summary>A sharing process of ours with one viewer.</summary>
internal sealed class OwnContestant(string name, ShareProcess share) : IMotionContestant
{
    private static readonly TimeSpan s_exactTimeout = TimeSpan.FromSeconds(5);

    public string Name => name;

    public ShareProcess Share => share;

    public async Task<MotionRound> RunRoundAsync(MotionStage stage, CancellationToken cancellationToken)
    {
        var watch = new ViewerWatch(stage.Painter.Times, stage.Load.Strip);
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, watch.Options, stage.Time, cancellationToken);
        if (!await viewer.WaitUntilAsync(seen => seen.FrameCount > 0, TimeSpan.FromSeconds(10)))
        {
            throw new LaboratoryException("The shared screen sends no first picture.");
        }

        stage.Painter.Start();
        try
        {
            // Until its first frame of the load has come: what lies before is another load's picture.
            await Conditions.WaitAsync(() => stage.Load.ChangesPerSecond == 0 || watch.Shown > 0, TimeSpan.FromSeconds(5), stage.Time, cancellationToken);
            long unreadable = watch.Unreadable;
            MotionRound round = await stage.MeasureAsync(share.ProcessId, () => viewer.BytesReceived, () => viewer.FrameCount, () => watch.Sights, cancellationToken);
            unreadable = watch.Unreadable - unreadable;
            if (stage.Load.Film is not null)
            {
                watch.StartSampling(stage.Samples);
                await Conditions.WaitAsync(() => watch.Samples.Count >= stage.Samples, TimeSpan.FromSeconds(4), stage.Time, cancellationToken);
                watch.StopSampling();
            }

            long lastDrawNs = stage.Painter.Stop();
            double exactMs = double.NaN;
            if (stage.Load.ChangesPerSecond > 0)
            {
                long? exactNs = await watch.WaitExactAsync(viewer, stage.Truth.Copy(), s_exactTimeout, stage.Time);
                exactMs = exactNs is null ? double.PositiveInfinity : Math.Max(0, (exactNs.Value - lastDrawNs) / 1e6);
            }

            return round with { Quality = Compare(stage, watch), ExactMs = exactMs, Unreadable = unreadable, Video = viewer.VideoCounts };
        }
        finally
        {
            stage.Painter.Stop();
        }
    }

    private static PictureQuality? Compare(MotionStage stage, ViewerWatch watch)
    {
        if (stage.Load.Film is not { } film || watch.Samples.Count == 0)
        {
            return null;
        }

        // Without the rows of the number: the pictures of the loop hold the number that was painted with them last.
        var quality = new PictureQuality();
        var area = new DeviceRectangle(0, NumberStrip.BlockPixels, film.Width, film.Height - NumberStrip.BlockPixels);
        foreach (ViewerWatch.Sample sample in watch.Samples)
        {
            int offset = (film.Y * sample.StrideBytes) + (film.X * FrameFormat.BytesPerPixel);
            quality.Add(sample.Pixels.AsSpan(offset), sample.StrideBytes, stage.Film.GetPicture(sample.Frame), stage.Film.StrideBytes, area);
        }

        return quality;
    }
}

/// <summary>x0vncserver with one viewer.</summary>
internal sealed class VncContestant(string name, VncPeer peer, int? jpegQuality) : IMotionContestant
{
    public string Name => name;

    public async Task<MotionRound> RunRoundAsync(MotionStage stage, CancellationToken cancellationToken)
    {
        DevicePoint[] watched = stage.Load.Strip is not { } strip
            ? []
            : [.. Enumerable.Range(0, NumberStrip.Blocks).Select(NumberStrip.Middle).Select(middle => new DevicePoint(strip.X + middle.X, strip.Y + middle.Y))];
        var sights = new ConcurrentQueue<FrameSight>();
        long shown = 0;
        using var client = new RfbClient(stage.Time, watched) { JpegQuality = jpegQuality };
        client.UpdateDecoded = (pixels, seenNs) =>
        {
            uint code = 0;
            foreach (uint pixel in pixels)
            {
                code = (code << 1) | ((pixel & 0xFF00) >= 0x8000 ? 1u : 0u);
            }

            if (NumberStrip.TryDecode(code, out int number) && stage.Painter.Times.TryResolve(number, out long frame) && frame != shown)
            {
                shown = frame;
                sights.Enqueue(new FrameSight(frame, seenNs));
            }
        };
        client.Connect(peer.Port);
        Task reading = Task.Factory.StartNew(() => client.Run(), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await Conditions.WaitAsync(() => client.Updates > 0, TimeSpan.FromSeconds(10), stage.Time, cancellationToken);
        stage.Painter.Start();
        try
        {
            // A lossy picture is not decoded, only counted.
            return await stage.MeasureAsync(
                peer.ProcessId, () => client.ReceivedBytes, () => client.Updates, jpegQuality is null ? () => sights : null, cancellationToken);
        }
        finally
        {
            stage.Painter.Stop();
            client.Dispose();
            await reading;
        }
    }
}

/// <summary>ffmpeg, which grabs and codes into a pipe; nobody decodes it.</summary>
internal sealed class FfmpegContestant : IMotionContestant
{
    public string Name => "ffmpeg-x264";

    public async Task<MotionRound> RunRoundAsync(MotionStage stage, CancellationToken cancellationToken)
    {
        // Where nothing moves, it grabs as often as a person would have it.
        double rate = stage.Load.ChangesPerSecond >= 24 ? stage.Load.ChangesPerSecond : 30;
        await using FfmpegEncodePeer peer = FfmpegEncodePeer.TryStart(stage.Display.Name, stage.Display.Server.Size, rate)
            ?? throw new LaboratoryException("ffmpeg is gone.");
        stage.Painter.Start();
        try
        {
            if (!await Conditions.WaitAsync(() => peer.Frames > 0 || peer.HasExited, TimeSpan.FromSeconds(10), stage.Time, cancellationToken) || peer.HasExited)
            {
                throw new LaboratoryException($"ffmpeg writes nothing: {peer.Errors}");
            }

            return await stage.MeasureAsync(peer.ProcessId, () => peer.Bytes, () => peer.Frames, null, cancellationToken);
        }
        finally
        {
            stage.Painter.Stop();
        }
    }
}
