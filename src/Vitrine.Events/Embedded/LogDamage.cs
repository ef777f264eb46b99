namespace Vitrine.Events.Embedded;

/// <summary>A part of a file that does not read.</summary>
/// <param name="Path">Of the file.</param>
/// <param name="From">Its first byte.</param>
/// <param name="Until">The byte after it.</param>
/// <param name="IsTorn">It is the end of the last file: it was being written when the process ended, nobody was told that it is kept, and it is
/// cut off. Otherwise events were there that are lost.</param>
public sealed record LogDamage(string Path, long From, long Until, bool IsTorn);
