using System.Globalization;
using Vitrine.Frames;

namespace Vitrine.Lab.Peers;

/// <summary>ffmpeg's x11grab. Measured by its own time stamps: at a frame rate beyond reach it grabs without pause, and the
/// difference of two packets' times is what one frame costs it, start-up and encoding excluded.</summary>
internal sealed class FfmpegGrabPeer
{
    public const string Package = "ffmpeg";
    private readonly string _program;
    private readonly string[] _arguments;

    private FfmpegGrabPeer(string program, string display, DeviceSize size)
    {
        _program = program;
        _arguments =
        [
            "-hide_banner", "-loglevel", "error", "-f", "x11grab", "-framerate", "10000", "-draw_mouse", "0",
            "-video_size", size.ToString(), "-show_entries", "packet=pts_time", "-of", "csv=p=0", "-read_intervals",
        ];
        Display = display;
    }

    private string Display { get; }

    public static FfmpegGrabPeer? TryCreate(string display, DeviceSize size) =>
        ChildProcess.Find("ffprobe") is string program ? new FfmpegGrabPeer(program, display, size) : null;

    /// <summary>One round of <paramref name="count"/> frames.</summary>
    public async Task RunRoundAsync(RoundSeries series, int count, CancellationToken cancellationToken)
    {
        // Two packets more: the first difference holds the probing of the format.
        string interval = string.Create(CultureInfo.InvariantCulture, $"%+#{count + 2}");
        (int exitCode, string output, string errors) = await ChildProcess.RunAsync(_program, [.. _arguments, interval, Display], null, cancellationToken);
        decimal[] times = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(line => decimal.Parse(line.TrimEnd(','), CultureInfo.InvariantCulture))];
        if (exitCode != 0 || times.Length < 3)
        {
            throw new LaboratoryException($"ffprobe -f x11grab failed: {errors}");
        }

        for (int i = 2; i < times.Length; i++)
        {
            series.Record((long)((times[i] - times[i - 1]) * 1_000_000_000m));
        }

        series.EndRound();
    }
}
