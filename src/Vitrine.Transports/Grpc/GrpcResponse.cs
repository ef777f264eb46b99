using System.Buffers;
using System.Net;
using Google.Protobuf;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Grpc;

/// <summary>What a server answers, from the response headers to the trailers.</summary>
/// <remarks>One thread at a time. Bytes are read into one buffer that grows as they come, up to the limit of a message.</remarks>
internal sealed class GrpcResponse : IDisposable
{
    private readonly HttpResponseMessage _response;
    private readonly PooledBuffer _buffer;
    private readonly CallCompression _encoding;
    private readonly int _bytesMax;
    private Stream? _body;
    private int _start; // of what was not read yet, in the buffer
    private bool _isAllRead; // nothing more comes from the network

    private GrpcResponse(HttpResponseMessage response, int bytesMax)
    {
        (_response, _bytesMax) = (response, bytesMax);
        _buffer = new(bytesMax + MessageFrame.HeadBytes);
        string? status = First(response.Headers, GrpcHeaders.Status);
        if (status is null)
        {
            if (response.StatusCode != HttpStatusCode.OK)
            {
                throw new CallException(GrpcStatus.OfHttpStatus((int)response.StatusCode), $"The server answered HTTP {(int)response.StatusCode} instead of gRPC.");
            }

            if (response.Content.Headers.ContentType?.ToString() is not { } type || !GrpcHeaders.IsProtobuf(type))
            {
                throw new CallException(CallStatusCode.Unknown, "The server answered with another content type than gRPC's.");
            }
        }

        _encoding = First(response.Headers, GrpcHeaders.Encoding) switch
        {
            null or GrpcHeaders.Identity => CallCompression.None,
            GrpcHeaders.Gzip => CallCompression.Gzip,
            string other => throw new CallException(CallStatusCode.Internal, $"The server encodes its answers as {GrpcText.Encode(other)}, which nobody asked for."),
        };
        if (status is null)
        {
            Take(response.Headers, Metadata);
            return;
        }

        // Trailers only: the header block is the end.
        Take(response.Headers, Trailers);
        Failure = GrpcStatus.Read(status, First(response.Headers, GrpcHeaders.Message), First(response.Headers, GrpcHeaders.StatusDetails));
        (IsEnded, _isAllRead) = (true, true);
    }

    /// <summary>Begins to read an answer, and owns it from then on.</summary>
    /// <exception cref="CallException">This is no answer of a gRPC server; it is disposed of.</exception>
    public static GrpcResponse Open(HttpResponseMessage response, int bytesMax)
    {
        try
        {
            return new(response, bytesMax);
        }
        catch
        {
            response.Dispose(); // resets the stream
            throw;
        }
    }

    /// <summary>What came before the first message.</summary>
    public CallMetadata Metadata { get; } = new();

    /// <summary>What came after the last one.</summary>
    public CallMetadata Trailers { get; } = new();

    /// <summary>Whether the call has ended, and <see cref="Failure"/> says how.</summary>
    public bool IsEnded { get; private set; }

    /// <summary>Null when the call succeeded.</summary>
    public CallException? Failure { get; private set; }

    /// <summary>Reads the next message.</summary>
    /// <returns>False: there is none, and <see cref="IsEnded"/> holds.</returns>
    /// <exception cref="CallException">What comes is no message, or too long. The stream is to be reset.</exception>
    public async ValueTask<bool> ReadAsync(IMessage into, CancellationToken cancellation)
    {
        while (true)
        {
            if (TryParse(into))
            {
                return true;
            }

            if (_isAllRead)
            {
                if (!IsEnded)
                {
                    End();
                }

                if (Failure is null && _buffer.Count > _start)
                {
                    Failure = new(CallStatusCode.Internal, "The answers end within a message.");
                }

                return false;
            }

            await ReceiveAsync(cancellation);
        }
    }

    /// <summary>Receives up to the end of the call, as far as the buffer holds it, without taking messages out.</summary>
    public async ValueTask PrefetchAsync(CancellationToken cancellation)
    {
        while (!_isAllRead && _buffer.Count - _start < _buffer.BytesMax)
        {
            await ReceiveAsync(cancellation);
        }

        if (_isAllRead && !IsEnded)
        {
            End();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _buffer.Clear();
        _response.Dispose();
    }

    private static string? First(System.Net.Http.Headers.HttpHeaders headers, string name)
    {
        if (!headers.NonValidated.TryGetValues(name, out System.Net.Http.Headers.HeaderStringValues values))
        {
            return null;
        }

        foreach (string value in values)
        {
            return value;
        }

        return null;
    }

    private static void Take(System.Net.Http.Headers.HttpHeaders headers, CallMetadata into)
    {
        foreach ((string name, System.Net.Http.Headers.HeaderStringValues values) in headers.NonValidated)
        {
            foreach (string value in values)
            {
                GrpcHeaders.Take(name, value, into);
            }
        }
    }

    private bool TryParse(IMessage into)
    {
        ReadOnlySequence<byte> received = new(_buffer.Written[_start..]);
        if (!MessageFrame.TryRead(received, _bytesMax, out bool isCompressed, out ReadOnlySequence<byte> payload))
        {
            return false;
        }

        MessageFrame.Parse(payload, isCompressed, _encoding, _bytesMax, into);
        _start += MessageFrame.HeadBytes + (int)payload.Length;
        if (_start == _buffer.Count)
        {
            _buffer.Drop(_start);
            _start = 0;
        }

        return true;
    }

    private async ValueTask ReceiveAsync(CancellationToken cancellation)
    {
        if (_start > 0)
        {
            _buffer.Drop(_start);
            _start = 0;
        }

        _body ??= await _response.Content.ReadAsStreamAsync(cancellation);
        int received = await _body.ReadAsync(_buffer.GetMemory(), cancellation);
        _buffer.Advance(received);
        _isAllRead = received == 0;
    }

    private void End()
    {
        IsEnded = true;
        System.Net.Http.Headers.HttpResponseHeaders trailers = _response.TrailingHeaders;
        if (First(trailers, GrpcHeaders.Status) is not { } status)
        {
            Failure = new(CallStatusCode.Internal, "The server ended the call without a status.");
            return;
        }

        Failure = GrpcStatus.Read(status, First(trailers, GrpcHeaders.Message), First(trailers, GrpcHeaders.StatusDetails));
        Take(trailers, Trailers);
    }
}
