using System.Text;

namespace Vitrine.Transports.Quic;

/// <summary>Writes the secrets of connections as packet analysers read them (the format of SSLKEYLOGFILE).</summary>
/// <remarks>Thread-safe. Readable by this user only.</remarks>
internal sealed class QuicKeyLog : IDisposable
{
    private readonly Lock _lock = new();
    private readonly FileStream _file;

    private QuicKeyLog(FileStream file) => _file = file;

    /// <summary>Opens a file to append to.</summary>
    /// <exception cref="QuicException">It cannot be written.</exception>
    public static QuicKeyLog Open(string path)
    {
        try
        {
            FileStreamOptions options = new() { Mode = FileMode.Append, Access = FileAccess.Write, Share = FileShare.ReadWrite, BufferSize = 0 };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            return new QuicKeyLog(new FileStream(path, options));
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
        lock (_lock)
        {
            _file.Write(Encoding.ASCII.GetBytes(line));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
