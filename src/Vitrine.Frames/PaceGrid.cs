namespace Vitrine.Frames;

/// <summary>Deadlines at an anchor and every period after it. Not thread-safe; pure arithmetic, no clock.</summary>
internal struct PaceGrid(long firstNs, long periodNs)
{
    /// <summary>The deadline that comes next.</summary>
    public long NextNs { get; private set; } = firstNs;

    /// <summary>Nanoseconds between deadlines.</summary>
    public long PeriodNs { get; private set; } = periodNs;

    /// <summary>Goes on to the next deadline.</summary>
    public void Advance() => NextNs += PeriodNs;

    /// <summary>Leaves out every deadline that lies more than <paramref name="toleranceNs"/> in the past. Takes the same time
    /// after a pause of a second and of a year, and keeps the phase.</summary>
    /// <returns>How many were left out.</returns>
    public long SkipPast(long nowNs, long toleranceNs)
    {
        long behindNs = nowNs - toleranceNs - NextNs;
        if (behindNs <= 0)
        {
            return 0;
        }

        long skipped = ((behindNs - 1) / PeriodNs) + 1;
        NextNs += skipped * PeriodNs;
        return skipped;
    }

    /// <summary>Another period from the deadline before the next one on, in the phase of that deadline; or in that of
    /// <paramref name="anchorNs"/>: then the next deadline is the first of <c>anchor + n * period</c> (n any integer) at least half a
    /// period after the last one. Deadlines that the new period would have had before <paramref name="nowNs"/> never were.</summary>
    public void Change(long periodNs, long? anchorNs, long nowNs)
    {
        long lastNs = NextNs - PeriodNs;
        long earliestNs = Math.Max(lastNs + (anchorNs is null ? periodNs : periodNs / 2), nowNs);
        long phaseNs = (earliestNs - (anchorNs ?? lastNs)) % periodNs;
        phaseNs += phaseNs < 0 ? periodNs : 0;
        PeriodNs = periodNs;
        NextNs = phaseNs == 0 ? earliestNs : earliestNs + periodNs - phaseNs;
    }
}
