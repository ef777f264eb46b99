using System.Security.Cryptography;

namespace Vitrine.Transports.Quic;

/// <summary>Makes QUIC connections, all of which share an event loop.</summary>
/// <remarks>Any thread. Disposing it closes all its connections.</remarks>
public sealed class QuicClient : IAsyncDisposable
{
    private readonly QuicClientOptions _options;
    private readonly QuicTls _tls;
    private int _isDisposed;

    /// <summary>Starts its event loop.</summary>
    /// <exception cref="PlatformNotSupportedException">A library is missing; the message names its package.</exception>
    public QuicClient(QuicClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _tls = new QuicTls(options);
        Loop = new QuicEventLoop("quic client");
    }

    internal QuicEventLoop Loop { get; }

    /// <summary>Connects. Ends with the handshake; at once when early data may be sent (<see cref="QuicConnectOptions.AllowEarlyData"/>): then
    /// <see cref="QuicConnection.HandshakeCompleted"/> tells the rest.</summary>
    /// <exception cref="QuicClosedException">It was refused, nobody answers, or the certificate is not the right one: see its reason.</exception>
    /// <exception cref="QuicException">No way to the server from here.</exception>
    public async Task<QuicConnection> ConnectAsync(QuicConnectOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        byte[] fingerprint = ParseFingerprint(options.CertificateFingerprint);
        TaskCompletionSource<QuicConnection> started = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bool isPosted = Loop.Post(() =>
        {
            try
            {
                started.SetResult(QuicConnection.Connect(Loop, _tls, _options, options, fingerprint));
            }
            catch (Exception exception) when (exception is QuicException or InvalidOperationException or System.Net.Sockets.SocketException or IOException or ArgumentException)
            {
                started.SetException(exception as QuicException ?? new QuicException($"{options.EndPoint} cannot be reached from here: {exception.Message}", exception));
            }
        });
        ObjectDisposedException.ThrowIf(!isPosted, this);
        QuicConnection connection = await started.Task.ConfigureAwait(false);
        if (connection.HasEarlyData)
        {
            return connection;
        }

        try
        {
            await connection.HandshakeCompleted.WaitAsync(cancellationToken).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            await Task.Run(Loop.Dispose).ConfigureAwait(false);
            _tls.Dispose();
        }
    }

    private static byte[] ParseFingerprint(string? text)
    {
        if (text is null)
        {
            return [];
        }

        try
        {
            byte[] bytes = Convert.FromHexString(text.Replace(":", "", StringComparison.Ordinal));
            return bytes.Length == SHA256.HashSizeInBytes ? bytes : throw new FormatException();
        }
        catch (FormatException exception)
        {
            throw new ArgumentException("A fingerprint is 32 pairs of hexadecimal digits, with colons between them or not.", nameof(text), exception);
        }
    }
}
