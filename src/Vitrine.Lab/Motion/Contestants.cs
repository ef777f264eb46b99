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
/// <param name="BytesPerSecond">What a viewer received.</param>
/// <param name="FramesPerSecond">Pictures, whether or not they showed anything new.</param>
/// <param name="Match">What was shown of what was painted; null for a load that never changes.</param>
internal sealed record MotionRound(double CpuCores, double HostCpuCores, double BytesPerSecond, double FramesPerSecond, SightMatch? Match)
{
    /// <summary>How far the pictures were from what was painted; null when none was looked at.</summary>
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
internal sealed class MotionStage(PrivateDisplay display, MotionLoad load, MotionPainter painter, ScreenTruth truth, LabOptions options)
{
    /// <summary>For the last frame to arrive, and for hysteresis to have decided.</summary>
    private static readonly TimeSpan s_after = TimeSpan.FromMilliseconds(300);

    public PrivateDisplay Display => display;

    public MotionLoad Load => load;

    public TimeProvider Time => options.Time;

    /// <summary>What is not measured at the start of a round: joining, and until a region that keeps moving is taken for one. It ends between
    /// two changes at 10 or 30 a second, so that the bytes counted are those of the frames counted.</summary>
    public TimeSpan Warm { get; } = TimeSpan.FromSeconds(options.Quick ? 0.75 : 1.35);

    /// <summary>What is measured.</summary>
    public TimeSpan Measured { get; } = TimeSpan.FromSeconds(options.Quick ? 1 : 3);

    /// <summary>Pictures to compare with what was painted; 0 for none.</summary>
    public int Samples { get; init; } = options.Quick ? 2 : 6;

    /// <summary>How long a picture may take until it equals a screen that rests; after that it never does.</summary>
    public TimeSpan ExactWithin { get; } = TimeSpan.FromSeconds(options.Quick ? 2 : 5);

    /// <summary>For a viewer whose pictures are to be looked at.</summary>
    public ViewerWatch NewWatch() => new(painter.Times, load.Strip);

    /// <summary>Plays the load to a viewer, the same way for each: what it costs and what is seen; then, while it still plays, how well;
    /// then, when it has stopped, how soon it is exact. Viewers decode in this process, whose processor time counts for nobody.</summary>
    /// <param name="hostProcessId">The sharing process.</param>
    /// <param name="watch">Looks at the viewer's pictures; of <see cref="NewWatch"/>.</param>
    /// <param name="readPicture">Lets somebody look at the viewer's picture.</param>
    /// <param name="bytes">What it has received.</param>
    /// <param name="frames">Pictures that it has decoded.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<MotionRound> PlayAsync(
        int hostProcessId, ViewerWatch watch, Action<PictureReader> readPicture, Func<long> bytes, Func<long> frames, CancellationToken cancellationToken)
    {
        bool changes = load.ChangesPerSecond > 0;
        painter.Start();
        try
        {
            // Until its first frame of the load has come: what lies before is another load's picture.
            await Conditions.WaitAsync(() => !changes || watch.Shown > 0, TimeSpan.FromSeconds(5), Time, cancellationToken);
            long unreadable = watch.Unreadable;
            MotionRound round = await MeasureAsync(hostProcessId, watch, bytes, frames, cancellationToken);
            unreadable = watch.Unreadable - unreadable;
            if (!changes)
            {
                return round;
            }

            watch.StartSampling(Samples);
            await Conditions.WaitAsync(() => watch.Samples.Count >= Samples, TimeSpan.FromSeconds(4), Time, cancellationToken);
            watch.StopSampling();
            long lastDrawNs = painter.Stop();
            long? exactNs = await watch.WaitExactAsync(readPicture, truth.Copy(), ExactWithin, Time);
            return round with
            {
                Quality = Compare(watch),
                ExactMs = exactNs is null ? double.PositiveInfinity : Math.Max(0, (exactNs.Value - lastDrawNs) / 1e6),
                Unreadable = unreadable,
            };
        }
        finally
        {
            painter.Stop();
        }
    }

    private async Task<MotionRound> MeasureAsync(int hostProcessId, ViewerWatch watch, Func<long> bytes, Func<long> frames, CancellationToken cancellationToken)
    {
        await Task.Delay(Warm, Time, cancellationToken);
        long fromNs = Time.GetMonotonicNanoseconds(), bytesBefore = bytes(), framesBefore = frames();
        CpuMeter both = new(Time, hostProcessId, Display.Server.ProcessId), host = new(Time, hostProcessId);
        await Task.Delay(Measured, Time, cancellationToken);
        double cores = both.Cores, hostCores = host.Cores;
        long untilNs = Time.GetMonotonicNanoseconds(), bytesAfter = bytes(), framesAfter = frames();
        double seconds = (untilNs - fromNs) / 1e9;
        await Task.Delay(s_after, Time, cancellationToken);
        return new MotionRound(cores, hostCores, (bytesAfter - bytesBefore) / seconds, (framesAfter - framesBefore) / seconds,
            load.ChangesPerSecond == 0 ? null : SightMatch.Of(painter.Times, watch.Sights, fromNs, untilNs));
    }

    // Each picture against the screen as it was with its frame, which is painted once more.
    private PictureQuality? Compare(ViewerWatch watch)
    {
        if (watch.Samples.Count == 0)
        {
            return null;
        }

        // Without the rows of the number, which no person looks at.
        int top = load.Strip!.Value.Y + NumberStrip.BlockPixels;
        DeviceRectangle area = load.Area with { Y = top, Height = load.Area.Bottom - top };
        int strideBytes = display.Server.Size.Width * FrameFormat.BytesPerPixel;
        var quality = new PictureQuality();
        foreach (ViewerWatch.Sample sample in watch.Samples.OrderBy(sample => sample.Frame))
        {
            painter.Repaint(sample.Frame);
            quality.Add(sample.Pixels, sample.StrideBytes, truth.Copy(), strideBytes, area);
        }

        return quality;
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
    public string Name => name;

    public async Task<MotionRound> RunRoundAsync(MotionStage stage, CancellationToken cancellationToken)
    {
        ViewerWatch watch = stage.NewWatch();
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, watch.Options, stage.Time, cancellationToken);
        if (!await viewer.WaitUntilAsync(seen => seen.FrameCount > 0, TimeSpan.FromSeconds(10)))
        {
            throw new LaboratoryException("The shared screen sends no first picture.");
        }

        MotionRound round = await stage.PlayAsync(
            share.ProcessId, watch, viewer.ReadPicture, () => viewer.BytesReceived, () => viewer.FrameCount, cancellationToken);
        return round with { Video = viewer.VideoCounts };
    }
}

/// <summary>x0vncserver with one viewer.</summary>
/// <param name="name">Of its cases.</param>
/// <param name="peer">Borrowed.</param>
/// <param name="jpegQuality">What its viewer asks for; null for a picture without loss.</param>
internal sealed class VncContestant(string name, VncPeer peer, int? jpegQuality) : IMotionContestant
{
    public string Name => name;

    public async Task<MotionRound> RunRoundAsync(MotionStage stage, CancellationToken cancellationToken)
    {
        ViewerWatch watch = stage.NewWatch();
        using var client = new RfbClient(stage.Time) { JpegQuality = jpegQuality, UpdateDecoded = watch.OnPicture };
        client.Connect(peer.Port);
        Task reading = Task.Factory.StartNew(() => client.Run(), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            await Conditions.WaitAsync(() => client.Updates > 0, TimeSpan.FromSeconds(10), stage.Time, cancellationToken);
            return await stage.PlayAsync(peer.ProcessId, watch, client.ReadPicture, () => client.ReceivedBytes, () => client.Updates, cancellationToken);
        }
        finally
        {
            client.Dispose();
            await reading;
        }
    }
}

/// <summary>ffmpeg, which grabs the screen and codes it with x264 into a pipe, at the other end of which it is decoded.</summary>
internal sealed class FfmpegContestant : IMotionContestant
{
    public string Name => LoadRounds.Ffmpeg;

    public async Task<MotionRound> RunRoundAsync(MotionStage stage, CancellationToken cancellationToken)
    {
        // Where nothing moves, it grabs as often as a person would have it.
        double rate = stage.Load.ChangesPerSecond >= 24 ? stage.Load.ChangesPerSecond : 30;
        ViewerWatch watch = stage.NewWatch();
        await using FfmpegEncodePeer peer = FfmpegEncodePeer.TryStart(stage.Display.Name, stage.Display.Server.Size, rate, stage.Time, watch.OnPicture)
            ?? throw new LaboratoryException("ffmpeg is gone.");
        if (!await Conditions.WaitAsync(() => peer.Frames > 0 || peer.HasEnded, TimeSpan.FromSeconds(10), stage.Time, cancellationToken) || peer.HasEnded)
        {
            throw new LaboratoryException($"ffmpeg writes nothing: {peer.Errors}");
        }

        return await stage.PlayAsync(peer.ProcessId, watch, peer.ReadPicture, () => peer.Bytes, () => peer.Frames, cancellationToken);
    }
}
