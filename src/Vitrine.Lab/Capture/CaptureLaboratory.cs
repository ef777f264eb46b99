using System.Globalization;
using Vitrine.Frames;
using Vitrine.Measurement;

namespace Vitrine.Lab.Capture;

/// <summary>Every way to read a screen, beside a memory copy, the same loop in C and ffmpeg, in interleaved rounds; small changes from
/// their damage event to our memory; and three loads as desktops have them.</summary>
public sealed class CaptureLaboratory : ILaboratory
{
    private static readonly DeviceSize s_fullHd = new(1920, 1080);
    private static readonly DeviceSize s_twoMonitors = new(7680, 2160);

    /// <inheritdoc/>
    public LaboratoryDescription Description { get; } = new(
        "capture",
        "What reading the screen costs, beside a memory copy, the same loop in C and ffmpeg.",
        ["xvfb"],
        ["gcc", "libx11-dev", "libxext-dev", "ffmpeg", "x11-xserver-utils"],
        TimeSpan.FromMinutes(3),
        TimeSpan.FromSeconds(40));

    /// <inheritdoc/>
    public Task<RunDocument> RunAsync(LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        // One thread from the first to the last sample: allocations are counted by thread, and caches stay warm.
        return Task.Factory.StartNew(
            () => Run(options, progress, cancellationToken), cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private static RunDocument Run(LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken)
    {
        var run = new RunBuilder("capture", options);
        foreach (DeviceSize size in (ReadOnlySpan<DeviceSize>)[s_fullHd, s_twoMonitors])
        {
            using PrivateDisplay display = PrivateDisplay.Start(size);
            if (size == s_twoMonitors && display.SplitIntoTwoMonitorsAsync(cancellationToken).GetAwaiter().GetResult() is string reason)
            {
                run.NotMeasured($"{size} as two monitors: {reason}. It was measured as one.");
            }

            double start = size == s_fullHd ? 0 : 0.45;
            progress.Report(new($"Full frames of {size}", start));
            FullFrameRounds.Run(run, display, options, cancellationToken);
            if (size == s_fullHd)
            {
                progress.Report(new("Changes of 200x100", 0.25));
                DamageRounds.Run(run, display, options, cancellationToken);
            }

            progress.Report(new($"Loads on {size}", start + 0.35));
            if (size == s_fullHd)
            {
                CaptureLoads.RunContinuous(run, display, options, cancellationToken);
                CaptureLoads.RunMovingWindow(run, display, options, cancellationToken);
            }
            else
            {
                CaptureLoads.RunRegion(run, display, new DeviceRectangle(1920, 0, 3840, 2160), options, cancellationToken);
            }
        }

        progress.Report(new("Done", 1));
        return run.Build(string.Create(CultureInfo.InvariantCulture, $"Xvfb, {s_fullHd} and {s_twoMonitors} (two monitors)"));
    }
}
