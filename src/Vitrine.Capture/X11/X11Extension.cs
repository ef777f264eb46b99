namespace Vitrine.Capture.X11;

/// <summary>An extension of the display, as this process can use it.</summary>
/// <param name="Name">What the protocol calls it.</param>
/// <param name="IsPresent">Whether the server has it, lets us use it, and its client library is installed.</param>
/// <param name="FirstEvent">Number of its first event.</param>
/// <param name="FirstError">Number of its first error.</param>
/// <param name="MajorOpcode">Number of its requests; generic events carry it.</param>
/// <param name="Version">The version agreed on; 0.0 when it is absent.</param>
/// <param name="Absence">Why it is absent, a clause such as «the X server lacks MIT-SHM»; empty when present.</param>
public sealed record X11Extension(
    string Name, bool IsPresent, byte FirstEvent, byte FirstError, byte MajorOpcode, Version Version, string Absence)
{
    /// <summary>Whether it is there in this version or a later one.</summary>
    public bool IsAtLeast(int major, int minor) => IsPresent && Version >= new Version(major, minor);

    /// <inheritdoc/>
    public override string ToString() => IsPresent ? $"{Name} {Version}" : Absence;
}
