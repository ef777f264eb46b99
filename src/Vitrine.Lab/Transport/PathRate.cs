using System.Globalization;
using System.Numerics;

namespace Vitrine.Lab.Transport;

/// <summary>A setting of the codec, and what it is good for.</summary>
/// <param name="Megabits">Per second, as <c>--bitrate</c> takes it; 0: no video.</param>
/// <param name="Carries">For people.</param>
internal sealed record CodecRung(int Megabits, string Carries);

/// <summary>What a path was seen to carry in one direction, and what follows from it for buffers and the codec.</summary>
/// <param name="MegabitsPerSecond">Of each round.</param>
/// <param name="RoundTripMs">The fastest answer to a request of next to nothing.</param>
internal sealed record PathRate(IReadOnlyList<double> MegabitsPerSecond, double RoundTripMs)
{
    /// <summary>What of a path a codec may count on: the rest is for what varies, and for what else goes over it.</summary>
    public const double Share = 0.7;

    /// <summary>Frames a second that rungs are told for.</summary>
    public const int FramesPerSecond = 30;

    private const int WindowBytesMin = 64 << 10;
    private const int Resamples = 500;

    // 0.16 bits a pixel: 42 KB for each frame of a film on all of 1920x1080, x264 at its fastest (docs/design/009).
    private static readonly CodecRung[] s_rungs =
    [
        new(40, "a film on all of 3840x2160 at 30 frames a second"),
        new(20, "a film on all of 1920x1080 at 60 frames a second"),
        new(10, "a film on all of 1920x1080 at 30 frames a second"),
        new(5, "a film of 1280x720 at 30 frames a second"),
        new(2, "a film of 854x480 at 30 frames a second"),
        new(1, "a film of 640x360 at 30 frames a second"),
        new(0, "no video (--video off): text and clicks as tiles, films not smoothly"),
    ];

    /// <summary>Median of the rounds.</summary>
    public double Megabits => RoundSeries.Median([.. MegabitsPerSecond]);

    /// <summary>What the codec may use of it.</summary>
    public double UsableMegabits => Share * Megabits;

    /// <summary>The highest that the path carries.</summary>
    public CodecRung Rung => RungOf(Megabits);

    /// <summary>Bytes that must be under way at a time to use the path: rate times round trip.</summary>
    public double UnderWayBytes => BytesUnderWay(Megabits);

    /// <summary>A window for one stream: twice what is under way, so that it is enlarged before it is used up.</summary>
    public long WindowBytes => WindowOf(Megabits);

    /// <summary>Share of the resamples of the rounds that lead to the same rung.</summary>
    public double RungSureness => Sureness(megabits => RungOf(megabits) == Rung);

    /// <summary>Share of the resamples of the rounds that lead to the same window.</summary>
    public double WindowSureness => Sureness(megabits => WindowOf(megabits) == WindowBytes);

    /// <summary>Of pictures at that rung: bytes of a frame.</summary>
    public int FrameBytes => (int)(Math.Max(0.5, Rung.Megabits) * 1e6 / 8 / FramesPerSecond);

    /// <summary>The least and the most of the rounds, for people.</summary>
    public string RangeText => string.Create(CultureInfo.InvariantCulture, $"{MegabitsPerSecond.Min():0.##} to {MegabitsPerSecond.Max():0.##} Mbit/s in {MegabitsPerSecond.Count} rounds");

    private static CodecRung RungOf(double megabits) => s_rungs.First(rung => Share * megabits >= rung.Megabits);

    private double BytesUnderWay(double megabits) => megabits * 1e6 / 8 * RoundTripMs / 1e3;

    private long WindowOf(double megabits) => Math.Max(WindowBytesMin, (long)BitOperations.RoundUpToPowerOf2((ulong)Math.Max(1, 2 * BytesUnderWay(megabits))));

    private double Sureness(Func<double, bool> isSame)
    {
        if (MegabitsPerSecond.Count < 3)
        {
            return 0; // nothing to resample
        }

        Random random = new(1);
        double[] drawn = new double[MegabitsPerSecond.Count - 1]; // as the adviser draws
        int same = 0;
        for (int i = 0; i < Resamples; i++)
        {
            for (int j = 0; j < drawn.Length; j++)
            {
                drawn[j] = MegabitsPerSecond[random.Next(MegabitsPerSecond.Count)];
            }

            same += isSame(RoundSeries.Median([.. drawn])) ? 1 : 0;
        }

        return (double)same / Resamples;
    }
}
