using Vitrine.Measurement;

namespace Vitrine.Lab.Motion;

/// <summary>A frame seen in a viewer for the first time.</summary>
/// <param name="Frame">Its number, from 1.</param>
/// <param name="SeenNs">When its pixels were decoded.</param>
internal readonly record struct FrameSight(long Frame, long SeenNs);

/// <summary>Which of the painted frames a viewer showed, and how late.</summary>
/// <param name="Painted">Frames painted in the time looked at.</param>
/// <param name="Shown">Those of them that were seen.</param>
/// <param name="Backwards">How often an older frame was seen after a newer one.</param>
/// <param name="Latency">From before the draw call to the first sight.</param>
internal sealed record SightMatch(long Painted, long Shown, long Backwards, LatencyHistogram Latency)
{
    /// <summary>Frames that were never seen.</summary>
    public long Missed => Painted - Shown;

    /// <summary>Compares what was painted with what was seen.</summary>
    /// <param name="times">What was painted.</param>
    /// <param name="sights">What was seen, in order; until long enough after <paramref name="untilNs"/> for the last frame to arrive.</param>
    /// <param name="fromNs">First moment of painting that counts.</param>
    /// <param name="untilNs">The first one that does not.</param>
    public static SightMatch Of(FrameTimes times, IEnumerable<FrameSight> sights, long fromNs, long untilNs)
    {
        long first = times.Last + 1, end = first;
        while (first > 1 && times.GetNs(first - 1) is long ns && ns >= fromNs)
        {
            first--;
            end = ns >= untilNs ? first : end;
        }

        bool[] seen = new bool[end - first];
        long shown = 0, backwards = 0, newest = 0;
        var latency = new LatencyHistogram();
        foreach (FrameSight sight in sights)
        {
            bool counts = sight.Frame >= first && sight.Frame < end;
            backwards += counts && sight.Frame < newest ? 1 : 0;
            newest = Math.Max(newest, sight.Frame);
            if (counts && !seen[sight.Frame - first])
            {
                seen[sight.Frame - first] = true;
                shown++;
                latency.Record(sight.SeenNs - times.GetNs(sight.Frame));
            }
        }

        return new SightMatch(end - first, shown, backwards, latency);
    }
}
