using Vitrine.Frames;
using Vitrine.Measurement;

namespace Vitrine.Lab.Soak;

/// <summary>Paints at random for minutes and holds every rest against the screen, pixel by pixel, in a client of ours and in a real
/// browser; then counts what grew over many frames, viewers and changes of size, and over many pictures through the video codec.</summary>
public sealed class SoakLaboratory : ILaboratory
{
    private const string Exactness = "exactness", Growth = "growth", Codec = "codec";
    internal static readonly DeviceSize Screen = new(1920, 1080);

    /// <inheritdoc/>
    public LaboratoryDescription Description { get; } = new(
        "soak",
        "Whether the picture stays exact at every pixel, and whether anything grows.",
        ["xvfb", "chromium"],
        [],
        TimeSpan.FromMinutes(23),
        TimeSpan.FromSeconds(44))
    {
        Parts = [Exactness, Growth, Codec],
    };

    /// <inheritdoc/>
    public async Task<RunDocument> RunAsync(LabOptions options, IProgress<LabProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        var run = new RunBuilder("soak", options);
        if (Runs(Exactness))
        {
            progress.Report(new("Random painting, held against the screen", 0));
            await ExactnessRun.RunAsync(run, options, progress, cancellationToken);
        }

        if (Runs(Growth))
        {
            progress.Report(new("Frames, joins and changes of size", options.Quick ? 0.4 : 0.3));
            await GrowthRun.RunAsync(run, options, progress, cancellationToken);
        }

        if (Runs(Codec))
        {
            double from = options.Only.Count == 1 ? 0 : 0.92;
            await CodecRun.RunAsync(run, options, progress, from, 1, cancellationToken);
        }

        progress.Report(new("Done", 1));
        return run.Build($"Xvfb, {Screen}");

        bool Runs(string part) => options.Only.Count == 0 || options.Only.Contains(part);
    }
}
