using System.Globalization;
using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Measurement;
using Vitrine.Viewer;

namespace Vitrine.Lab.Soak;

/// <summary>Many frames, many viewers that come and go, many changes of size; and what the sharing process and its clients hold on the
/// X server before and after, each time with nobody watching.</summary>
internal static class GrowthRun
{
    private static readonly DeviceSize s_smaller = new(1280, 720);

    public static async Task RunAsync(RunBuilder run, LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken)
    {
        TimeProvider time = options.Time;
        SoakCounts counts = options.Quick ? new SoakCounts(400, 20, 4) : options.SoakCounts;
        using PrivateDisplay display = PrivateDisplay.Start(SoakLaboratory.Screen);
        await using ShareProcess share = await ShareProcess.StartAsync(options, display.Name, cancellationToken, "--fps", "240");
        using var square = new FlipSquare(display.Painter, new DevicePoint(200, 200), time);

        // Everything once, so that what is made on first use is there.
        await FramesAsync(share, square, 100, time, cancellationToken);
        await JoinsAsync(share, 10, time, cancellationToken);
        await ResizesAsync(display, share, 2, time, cancellationToken);
        Holdings before = await Holdings.SettleAsync(display, share, null, options, cancellationToken);
        progress.Report(new($"{counts.Frames} frames", options.Quick ? 0.55 : 0.35));
        long frames = await FramesAsync(share, square, counts.Frames, time, cancellationToken);
        progress.Report(new($"{counts.Joins} viewers come and go", 0.8));
        await JoinsAsync(share, counts.Joins, time, cancellationToken);
        progress.Report(new($"{counts.Resizes} changes of size", 0.9));
        await ResizesAsync(display, share, counts.Resizes, time, cancellationToken);
        Holdings after = await Holdings.SettleAsync(display, share, before, options, cancellationToken);

        run.Add(new CaseRecord
        {
            Name = "growth/host",
            Parameters = new Dictionary<string, string>
            {
                ["frames"] = frames.ToString(CultureInfo.InvariantCulture),
                ["joins"] = counts.Joins.ToString(CultureInfo.InvariantCulture),
                ["resizes"] = counts.Resizes.ToString(CultureInfo.InvariantCulture),
            },
            Metrics = new Dictionary<string, double>
            {
                ["frames"] = frames,
                ["joins"] = counts.Joins,
                ["resizes"] = counts.Resizes,
                ["descriptorsBefore"] = before.Descriptors,
                ["descriptorsAfter"] = after.Descriptors,
                ["threadsBefore"] = before.Threads,
                ["threadsAfter"] = after.Threads,
                ["mappedPicturesBefore"] = before.MappedPictures,
                ["mappedPicturesAfter"] = after.MappedPictures,
                ["xServerDescriptorsBefore"] = before.ServerDescriptors,
                ["xServerDescriptorsAfter"] = after.ServerDescriptors,
                ["xResourcesBefore"] = before.Resources,
                ["xResourcesAfter"] = after.Resources,
                ["residentBytesBefore"] = before.ResidentBytes,
                ["residentBytesAfter"] = after.ResidentBytes,
            },
        });
        run.AddGoal("growth/host descriptors", after.Descriptors - before.Descriptors, 0);
        run.AddGoal("growth/host threads", after.Threads - before.Threads, 0);
        run.AddGoal("growth/host mappedPictures", after.MappedPictures - before.MappedPictures, 0);
        run.AddGoal("growth/host xServerDescriptors", after.ServerDescriptors - before.ServerDescriptors, 0);
        if (before.Resources >= 0)
        {
            run.AddGoal("growth/host xResources", after.Resources - before.Resources, 0);
        }
        else
        {
            run.NotMeasured("growth/host xResources: the X server or libxcb-res0 lacks X-Resource.");
        }

        run.NotMeasured("leases by name: the sharing process is another one; a lease that leaked would keep its pool's pictures mapped after a change of size, and those are counted.");
    }

    private static async Task<long> FramesAsync(ShareProcess share, FlipSquare square, int count, TimeProvider time, CancellationToken cancellationToken)
    {
        // As fast as frames are shown: the next change is drawn when the last one has arrived, or has been passed over.
        using var shown = new AutoResetEvent(false);
        var viewerOptions = new HeadlessViewerOptions { Name = "soak", FrameApplied = (_, _) => shown.Set() };
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, viewerOptions, time, cancellationToken);
        await viewer.WaitUntilAsync(seen => seen.FrameCount > 0, TimeSpan.FromSeconds(20));
        await Task.Factory.StartNew(
            () =>
            {
                while (viewer.FrameCount < count)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (!square.TryFlip(out _) || !viewer.IsConnected)
                    {
                        throw new LaboratoryException("The display or the sharing process is gone.");
                    }

                    shown.WaitOne(TimeSpan.FromMilliseconds(50));
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return viewer.FrameCount;
    }

    private static async Task JoinsAsync(ShareProcess share, int count, TimeProvider time, CancellationToken cancellationToken)
    {
        for (int i = 0; i < count; i++)
        {
            await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, new HeadlessViewerOptions { Name = "join" }, time, cancellationToken);
            if (!await viewer.WaitUntilAsync(seen => seen.FrameCount > 0, TimeSpan.FromSeconds(20)))
            {
                throw new LaboratoryException($"Viewer {i} got no picture.");
            }
        }
    }

    private static async Task ResizesAsync(PrivateDisplay display, ShareProcess share, int count, TimeProvider time, CancellationToken cancellationToken)
    {
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, new HeadlessViewerOptions { Name = "resize" }, time, cancellationToken);
        for (int i = 0; i < count; i++)
        {
            // The last size is the first again: what is held before and after belongs to the same picture.
            DeviceSize size = i % 2 == 0 ? s_smaller : SoakLaboratory.Screen;
            long frames = viewer.FrameCount;
            display.Resize(size);
            if (!await viewer.WaitUntilAsync(seen => seen.Topology?.Size == size && seen.FrameCount > frames, TimeSpan.FromSeconds(20)))
            {
                throw new LaboratoryException($"The viewer did not follow to {size}.");
            }
        }
    }
}
