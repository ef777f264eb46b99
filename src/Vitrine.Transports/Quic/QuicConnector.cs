using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire;

namespace Vitrine.Transports.Quic;

/// <summary>Client side of the live stream over QUIC.</summary>
public static class QuicConnector
{
    private const string TokenParameter = "t=";

    // A viewer that waits longer than that for its host looks for another way to it.
    private static readonly TimeSpan s_idleTimeout = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan s_keepAlive = TimeSpan.FromSeconds(1.5);

    /// <summary>Connects.</summary>
    /// <param name="address"><c>quic://host:port/stream?t=TOKEN</c>; port is the one for UDP.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Ends the attempt with <see cref="OperationCanceledException"/>.</param>
    public static async Task<ConnectResult> ConnectAsync(Uri address, PacketConnectOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(options);
        if (!QuicSupport.TryLoad(out string missing))
        {
            return new(ConnectStatus.Unreachable, null, $"QUIC does not work here: {missing}.");
        }

        using CancellationTokenSource attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        attempt.CancelAfter(options.Timeout);
        QuicClient client = new(new()
        {
            Protocols = [QuicCallServer.Protocol],
            HandshakeTimeout = options.Timeout,
            IdleTimeout = s_idleTimeout,
            KeepAlive = s_keepAlive,
            BidirectionalStreamsMax = 0,
            UnidirectionalStreamsMax = QuicPacketConnection.UnitsMax,
            Time = options.Time,
        });
        QuicConnection? connection = null;
        CallFrameReader reader = new(PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer);
        ConnectResult result;
        try
        {
            connection = await QuicAddress.ConnectAsync(client, address, endPoint => new()
            {
                EndPoint = endPoint,
                Host = address.DnsSafeHost,
                CertificateFingerprint = options.CertificateFingerprint,
            }, attempt.Token);
            QuicStream stream = await connection.OpenStreamAsync(cancellationToken: attempt.Token);
            PooledBuffer head = new(CallFrame.BlockBytesMax + CallFrame.HeadBytesMax);
            CallFrame.WriteRequest(head, QuicPacketConnection.Path, 0, CallOptions.Default.Priority, TokenOf(address), null);
            await stream.WriteAsync(head.Written, false, attempt.Token);
            head.Clear();

            // The host greets whom it lets in at once: a refusal comes in place of it.
            CallFrameRead first = await reader.PeekAsync(stream, attempt.Token);
            if (first.Type == CallFrameType.Message)
            {
                return new(ConnectStatus.Connected, QuicPacketConnection.Open(connection, stream, reader, address.Authority, options.Time, client), "");
            }

            result = first.Type == CallFrameType.End && CallFrame.TryReadEnd(first.Payload.Span, [], out CallException? refusal) && refusal is not null
                ? ConnectFailure.Explain(refusal, address.Authority)
                : new(ConnectStatus.NotVitrine, null, $"{address.Authority} ended the stream without a greeting.");
        }
        catch (CallException failure)
        {
            result = ConnectFailure.Explain(failure, address.Authority);
        }
        catch (QuicException failure)
        {
            result = new(failure is QuicClosedException { Reason: QuicCertificateRefused } ? ConnectStatus.CertificateRefused : ConnectStatus.Unreachable, null,
                $"{address.Authority} cannot be reached over QUIC: {failure.Message}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            result = new(ConnectStatus.Unreachable, null, $"{address.Authority} did not answer over QUIC within {options.Timeout.TotalSeconds:0.#} s.");
        }
        catch
        {
            await ReleaseAsync();
            throw;
        }

        await ReleaseAsync();
        return result;

        async ValueTask ReleaseAsync()
        {
            reader.Clear();
            await (connection?.DisposeAsync() ?? default);
            await client.DisposeAsync();
        }
    }

    private static string TokenOf(Uri address)
    {
        string? token = address.Query.TrimStart('?').Split('&').FirstOrDefault(parameter => parameter.StartsWith(TokenParameter, StringComparison.Ordinal));
        string text = token is null ? "" : Uri.UnescapeDataString(token[TokenParameter.Length..]);
        return text.Length <= CallFrame.TokenBytesMax && System.Text.Ascii.IsValid(text) ? text : ""; // what cannot be a token is none
    }
}
