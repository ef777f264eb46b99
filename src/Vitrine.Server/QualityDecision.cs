namespace Vitrine.Server;

/// <summary>A viewer was moved between the two qualities of video.</summary>
/// <param name="AtNs">Monotonic.</param>
/// <param name="Viewer">Its number within the session.</param>
/// <param name="Quality">What it gets from now on: 0, or 1 for half the size.</param>
/// <param name="BitsPerSecond">What its link carries.</param>
/// <param name="FirstBitsPerSecond">What the fastest viewer's link carries: the first quality has as many.</param>
/// <param name="PauseNs">How long it keeps the second at least.</param>
public readonly record struct QualityDecision(long AtNs, long Viewer, int Quality, long BitsPerSecond, long FirstBitsPerSecond, long PauseNs);
