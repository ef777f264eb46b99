using Vitrine.Frames;
using Vitrine.Lab.Content;

namespace Vitrine.Lab.Latency;

/// <summary>A pixel seen somewhere.</summary>
/// <param name="Pixel">0xRRGGBB.</param>
/// <param name="SeenNs">When it was first seen.</param>
internal readonly record struct Sight(uint Pixel, long SeenNs);

/// <summary>Known changes of a square, one after the other at a jittered pace, and where they were seen again.</summary>
internal static class FlipRun
{
    /// <summary>Where the square is.</summary>
    public static readonly DevicePoint At = new(600, 400);

    /// <summary>The pixel of the square that is watched: its middle.</summary>
    public static readonly DevicePoint Watched = new(At.X + (FlipSquare.DefaultSidePixels / 2), At.Y + (FlipSquare.DefaultSidePixels / 2));

    private const double PeriodMsMin = 40, PeriodMsMax = 60;

    /// <summary>Makes changes. The pace is jittered so that it meets every phase of a frame clock alike.</summary>
    public static async Task<IReadOnlyList<Flip>> PaintAsync(FlipSquare square, int count, Random random, TimeProvider time, CancellationToken cancellationToken)
    {
        var flips = new List<Flip>(count);
        // A thread of its own: a pool thread that others keep busy would draw late, and in bursts.
        await Task.Factory.StartNew(
            () =>
            {
                for (int i = 0; i < count; i++)
                {
                    if (cancellationToken.WaitHandle.WaitOne(TimeSpan.FromMilliseconds(PeriodMsMin + (random.NextDouble() * (PeriodMsMax - PeriodMsMin)))))
                    {
                        break;
                    }

                    if (!square.TryFlip(out Flip flip))
                    {
                        throw new LaboratoryException("The display is gone.");
                    }

                    flips.Add(flip);
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        cancellationToken.ThrowIfCancellationRequested();
        return flips;
    }

    /// <summary>Records, for every change, the time from before its draw call until its colour was first seen.</summary>
    /// <param name="flips">The changes.</param>
    /// <param name="sights">What was seen.</param>
    /// <param name="series">Receives the times.</param>
    /// <returns>Changes that were never seen: shown too late, or passed over for a newer one.</returns>
    public static int Match(IReadOnlyList<Flip> flips, IReadOnlyList<Sight> sights, RoundSeries series)
    {
        int missed = 0, next = 0;
        foreach (Flip flip in flips)
        {
            // Colours come again after eight changes: what is seen later than that is another change.
            long lastNs = flip.BeforeDrawNs + (long)((FlipSquare.Levels - 1) * PeriodMsMin * 1e6);
            while (next < sights.Count && sights[next].SeenNs < flip.BeforeDrawNs)
            {
                next++;
            }

            int found = next;
            while (found < sights.Count && sights[found].Pixel != flip.Pixel && sights[found].SeenNs < lastNs)
            {
                found++;
            }

            if (found < sights.Count && sights[found].Pixel == flip.Pixel && sights[found].SeenNs < lastNs)
            {
                series.Record(sights[found].SeenNs - flip.BeforeDrawNs);
            }
            else
            {
                missed++;
            }
        }

        series.EndRound();
        return missed;
    }
}
