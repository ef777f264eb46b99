namespace Vitrine.Codecs.Regions;

/// <summary>What a pixel of video costs, learnt from what is encoded.</summary>
/// <remarks>One thread.</remarks>
internal sealed class VideoCost
{
    /// <summary>Processor time of a picture beside its pixels: system calls, waking the slice threads. Order of magnitude.</summary>
    public const double PictureNs = 300_000;

    /// <summary>Processor time of sending a byte to one viewer: 92 MB/s of tiles over loopback took 0.08 of a core in the kernel and in copying.</summary>
    public const double SendByteNs = 0.8;

    // Before anything was encoded: x264 at its fastest over full motion at 1080p took 12 ms and 42 KB on the machine that the
    // note on motion names. An eighth of the news each time.
    private const double Share = 0.125;

    /// <summary>Processor time of a pixel.</summary>
    public double PixelNs { get; private set; } = 6;

    /// <summary>Bytes of a pixel.</summary>
    public double PixelBytes { get; private set; } = 0.02;

    /// <summary>A picture was encoded.</summary>
    public void Note(long pixels, int bytes, long processorNs)
    {
        PixelNs += Share * ((Math.Max(0, processorNs - PictureNs) / pixels) - PixelNs);
        PixelBytes += Share * (((double)bytes / pixels) - PixelBytes);
    }
}
