using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <summary>Whether QUIC works on this machine. Without it the other transports go on.</summary>
public static class QuicSupport
{
    /// <summary>Debian packages that bring what it needs.</summary>
    public static string Packages => QuicLibraries.Packages;

    /// <summary>Loads the libraries, once in a process.</summary>
    /// <param name="reason">Their versions; or what is missing, or of another version, and the package that brings it.</param>
    public static bool TryLoad(out string reason) => QuicLibraries.TryLoad(out reason);
}
