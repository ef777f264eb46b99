using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <summary>Writes the secrets of connections as packet analysers read them (the format of SSLKEYLOGFILE).</summary>
/// <remarks>Thread-safe. Readable by this user only. Both ends of a connection, and other programs, may write into the same file: each line is
/// appended whole.</remarks>
internal sealed class QuicKeyLog : IDisposable
{
    private readonly SafeFileHandle _file;

    private QuicKeyLog(SafeFileHandle file) => _file = file;

    /// <summary>Opens a file to append to.</summary>
    /// <exception cref="QuicException">It cannot be written.</exception>
    public static QuicKeyLog Open(string path)
    {
        try
        {
            FileStreamOptions options = new() { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, Share = FileShare.ReadWrite };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            new FileStream(path, options).Dispose(); // makes it

            // FileMode.Append goes to the end once, and overwrites what others append from then on.
            SafeFileHandle file = LibCNetwork.open(path, LibCNetwork.OpenWriteOnly | LibCNetwork.OpenAppend | LibCNetwork.OpenCloseOnExec);
            return file.IsInvalid ? throw new IOException(Marshal.GetPInvokeErrorMessage(Marshal.GetLastSystemError())) : new QuicKeyLog(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new QuicException($"Secrets cannot be written to {path}: {exception.Message}", exception);
        }
    }

    /// <summary>One secret.</summary>
    public void Append(ReadOnlySpan<byte> label, ReadOnlySpan<byte> clientRandom, ReadOnlySpan<byte> secret)
    {
        string line = $"{Encoding.ASCII.GetString(label)} {Convert.ToHexStringLower(clientRandom)} {Convert.ToHexStringLower(secret)}\n";
        RandomAccess.Write(_file, Encoding.ASCII.GetBytes(line), fileOffset: 0); // at the end, whatever the offset: pwrite(2)
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
