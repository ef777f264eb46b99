using System.Globalization;
using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>The three libraries that QUIC needs: whether they are here, and of a version whose layouts are known.</summary>
/// <remarks>Loaded once in a process, on first use. Thread-safe.</remarks>
internal static unsafe class QuicLibraries
{
    private static readonly Lock s_lock = new();
    private static (bool IsUsable, string Reason)? s_answer;

    /// <summary>Packages that bring them.</summary>
    public static string Packages => $"{LibNgtcp2.Package} {LibNgtcp2Crypto.Package} {LibGnuTls.Package}";

    /// <summary>Whether QUIC works here.</summary>
    /// <param name="reason">The versions; or what is missing, and the package that brings it.</param>
    public static bool TryLoad(out string reason)
    {
        lock (s_lock)
        {
            s_answer ??= (Check(LibNgtcp2.Library, LibNgtcp2Crypto.Library, LibGnuTls.Library, LibNgtcp2.KnownVersion, out string answer), answer);
            reason = s_answer.Value.Reason;
            return s_answer.Value.IsUsable;
        }
    }

    /// <summary>Loads them.</summary>
    /// <exception cref="PlatformNotSupportedException">One is missing or of another version; the message names the package.</exception>
    public static void Require()
    {
        if (!TryLoad(out string reason))
        {
            throw new PlatformNotSupportedException($"QUIC does not work here: {reason}.");
        }
    }

    /// <summary>The check itself, for any files.</summary>
    internal static bool Check(string ngtcp2, string crypto, string gnuTls, int knownVersion, out string reason)
    {
        if (!TryOpen(ngtcp2, LibNgtcp2.Package, "ngtcp2_version", out nint version, out reason)
            || !TryOpen(crypto, LibNgtcp2Crypto.Package, "ngtcp2_crypto_gnutls_configure_server_session", out _, out reason)
            || !TryOpen(gnuTls, LibGnuTls.Package, "gnutls_check_version", out nint checkVersion, out reason))
        {
            return false;
        }

        // SAFETY: both functions have this signature in every version; they return static memory.
        Ngtcp2Info* info = ((delegate* unmanaged[Cdecl]<int, Ngtcp2Info*>)version)(0);
        byte* tls = ((delegate* unmanaged[Cdecl]<byte*, byte*>)checkVersion)(null);
        string tlsVersion = Marshal.PtrToStringUTF8((nint)tls) ?? "";
        if (info->VersionNumber >> 8 != knownVersion)
        {
            reason = string.Create(CultureInfo.InvariantCulture,
                $"{ngtcp2} is version {Marshal.PtrToStringUTF8((nint)info->VersionText)}; supported is {knownVersion >> 8}.{knownVersion & 0xff}, which the package {LibNgtcp2.Package} of Debian 13 or of the backports of Debian 12 brings");
            return false;
        }

        if (!Version.TryParse(tlsVersion, out Version? parsed) || parsed < Version.Parse(LibGnuTls.VersionMin))
        {
            reason = $"{gnuTls} is version {tlsVersion}; supported is {LibGnuTls.VersionMin} or newer, which the package {LibGnuTls.Package} brings";
            return false;
        }

        reason = $"ngtcp2 {Marshal.PtrToStringUTF8((nint)info->VersionText)}, GnuTLS {tlsVersion}";
        return true;
    }

    private static bool TryOpen(string file, string package, string export, out nint address, out string reason)
    {
        reason = "";
        address = 0;
        if (!NativeLibrary.TryLoad(file, out nint handle))
        {
            reason = $"{file} is not installed: the package {package} brings it";
            return false;
        }

        // The handle stays open: the functions above are called through it for as long as the process lives.
        if (!NativeLibrary.TryGetExport(handle, export, out address))
        {
            reason = $"{file} has no {export}: another version than that of the package {package}";
            return false;
        }

        return true;
    }
}
