using Vitrine.Frames;
using Vitrine.Imaging.Colour;
using Vitrine.Interop;
using Vitrine.Measurement;

namespace Vitrine.Lab.Colour;

/// <summary>Every conversion between pixels and YUV that libyuv has too, with every set of kernels that the machine has: whole
/// frames, where memory is the limit, and bands of 32 rows that stay in the second-level cache, where arithmetic is.</summary>
public sealed class ConvertLaboratory : ILaboratory
{
    // 1920 x 32: 240 KB of pixels and 180 KB of planes at most.
    private static readonly DeviceSize s_band = new(1920, 32);
    private static readonly DeviceSize s_fullHd = new(1920, 1080);
    private static readonly DeviceSize s_ultraHd = new(3840, 2160);

    /// <inheritdoc/>
    public LaboratoryDescription Description { get; } = new(
        "convert",
        "What conversions between BGRA and YUV cost, beside libyuv.",
        [],
        [LibYuv.Package],
        TimeSpan.FromMinutes(1),
        TimeSpan.FromSeconds(30));

    /// <inheritdoc/>
    public Task<RunDocument> RunAsync(LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        // One thread from the first to the last sample: allocations are counted by thread.
        return Task.Factory.StartNew(
            () => Run(options, progress, cancellationToken), cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private static RunDocument Run(LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken)
    {
        var run = new RunBuilder("convert", options);
        nint library = LibYuv.TryLoad();
        if (library == 0)
        {
            run.NotMeasured($"Ratios to libyuv: {LibYuv.Library} is missing; install {LibYuv.Package}.");
        }

        run.NotMeasured("Pixels to BT.709, and to NV12 and I444 in full range, beside libyuv: it has no such conversions. The arithmetic is that of BT.601 with other numbers.");
        foreach (KernelSet set in Enum.GetValues<KernelSet>().Except(KernelSets.Available))
        {
            run.NotMeasured($"Kernels {KernelSets.NameOf(set)}: this machine lacks the instructions.");
        }

        int done = 0;
        double allocated = 0;
        // Odd numbers of rounds: the median is a round that took place.
        (DeviceSize Size, int Rounds, int Passes)[] plan =
        [
            (s_band, options.Quick ? 31 : 151, 20),
            (s_fullHd, options.Quick ? 7 : 41, 6),
            (s_ultraHd, options.Quick ? 5 : 21, 3),
        ];
        foreach ((DeviceSize size, int rounds, int passes) in plan)
        {
            using PictureMemory memory = new(size);
            foreach (Conversion conversion in Conversion.All)
            {
                progress.Report(new($"{conversion.Name}, {size}", (double)done++ / (plan.Length * Conversion.All.Count)));
                ConvertRounds contest = new(conversion, memory, library, options.Time);
                contest.Run(rounds, passes, cancellationToken);
                allocated = Math.Max(allocated, contest.Report(run, isBand: size == s_band));
            }
        }

        run.AddGoal("every conversion allocatedBytesPerFrame", allocated, 0);
        progress.Report(new("Done", 1));
        return run.Build("none");
    }
}
