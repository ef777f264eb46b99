using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Transports.Quic;
using Vitrine.Wire.V1;

namespace Vitrine.Lab.Transport;

/// <summary>A connection that echoes travel on. Requests of one connection may run at a time.</summary>
internal interface IEchoConnection : IAsyncDisposable
{
    /// <summary>Whether the server took what was sent in the first flight.</summary>
    bool IsEarlyAccepted { get; }

    /// <summary>Sends a payload and waits until all of it is back.</summary>
    /// <exception cref="IOException">It is not what was sent, or the connection broke.</exception>
    /// <exception cref="CallException">The call failed.</exception>
    Task RequestAsync(CancellationToken cancellationToken);
}

/// <summary>Makes connections of one kind to one server.</summary>
internal sealed class EchoConnector(EchoLoad load) : IAsyncDisposable
{
    /// <summary>Where the JSON interface has the echo.</summary>
    public const string JsonPath = "/api/v1/echo/unary";

    private readonly Uri _server = new(load.Address.Contains("://", StringComparison.Ordinal) ? load.Address : $"https://{load.Address}");
    private readonly byte[] _payload = RandomNumberGenerator.GetBytes(load.PayloadBytes);
    private readonly QuicClient? _quic = load.Protocol != EchoProtocol.Quic ? null : new QuicClient(new QuicClientOptions
    {
        Protocols = [EchoServer.QuicProtocol],
        CongestionControl = CongestionOf(load),
        RunsContinuationsInline = true,
        SendsTwiceWhenLossy = !load.SendsOnce,
        HandshakeTimeout = TimeSpan.FromSeconds(load.TimeoutSeconds),
    });

    private QuicSession? _session;

    /// <summary>Where to.</summary>
    /// <exception cref="FormatException">It has a name.</exception>
    public IPEndPoint Server => IPEndPoint.Parse(_server.Authority);

    /// <summary>Makes a connection on which a request can be sent.</summary>
    public async Task<IEchoConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        switch (load.Protocol)
        {
            case EchoProtocol.Quic:
                QuicConnection connection = await _quic!.ConnectAsync(
                    new QuicConnectOptions
                    {
                        EndPoint = Server,
                        Host = "localhost",
                        CertificateFingerprint = load.Fingerprint,
                        Session = load.Resumes ? _session : null,
                        AllowEarlyData = load.Resumes,
                    },
                    cancellationToken);
                return new QuicEcho(this, connection, _payload);
            case EchoProtocol.Grpc:
                return await OpenAsync(
                    new CallEcho(
                        new GrpcChannel(_server, new()
                        {
                            Token = load.Token,
                            CertificateFingerprint = load.Fingerprint,
                            UsesSeveralConnections = false,
                            ConnectTimeout = TimeSpan.FromSeconds(load.TimeoutSeconds),
                        }),
                        _payload, load.ReplyBytes),
                    cancellationToken);
            case EchoProtocol.Calls:
                return await OpenAsync(
                    new CallEcho(
                        new QuicCallChannel(_server, new()
                        {
                            Token = load.Token,
                            CertificateFingerprint = load.Fingerprint,
                            ConnectTimeout = TimeSpan.FromSeconds(load.TimeoutSeconds),
                            Transport = new QuicClientOptions { CongestionControl = CongestionOf(load) },
                        }),
                        _payload, load.ReplyBytes),
                    cancellationToken);
            default:
                return await OpenAsync(new JsonEcho(_server, load, _payload), cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_quic is not null)
        {
            await _quic.DisposeAsync();
        }
    }

    private static QuicCongestionControl CongestionOf(EchoLoad load) => Enum.Parse<QuicCongestionControl>(load.Congestion, ignoreCase: true);

    private async Task<IEchoConnection> OpenAsync(IOpened connection, CancellationToken cancellationToken)
    {
        try
        {
            await connection.OpenAsync(cancellationToken).WaitAsync(TimeSpan.FromSeconds(load.TimeoutSeconds), cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private sealed class QuicEcho(EchoConnector connector, QuicConnection connection, byte[] payload) : IEchoConnection
    {
        public bool IsEarlyAccepted => connection.IsEarlyDataAccepted;

        public async Task RequestAsync(CancellationToken cancellationToken)
        {
            await using QuicStream stream = await connection.OpenStreamAsync(cancellationToken: cancellationToken);
            byte[] answer = ArrayPool<byte>.Shared.Rent(payload.Length + 1);
            try
            {
                // A payload may be more than the connection holds: writing and reading go on together.
                ValueTask writing = stream.WriteAsync(payload, isFinal: true, cancellationToken);
                int length = 0;
                while (await stream.ReadAsync(answer.AsMemory(length), cancellationToken) is var read and > 0)
                {
                    length += read;
                    if (length > payload.Length)
                    {
                        break;
                    }
                }

                await writing;
                Check(answer.AsSpan(0, length), payload);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(answer);
            }
        }

        public ValueTask DisposeAsync()
        {
            connector._session = connection.SavedSession ?? connector._session;
            return connection.DisposeAsync();
        }
    }

    /// <summary>A connection that is made with its first request.</summary>
    private interface IOpened : IEchoConnection
    {
        Task OpenAsync(CancellationToken cancellationToken);
    }

    /// <summary>One connection of calls: gRPC, or QUIC with frames of our own.</summary>
    private sealed class CallEcho(ICallChannel channel, byte[] payload, int replyBytes) : IOpened
    {
        private readonly EchoRequest _request = new() { Payload = UnsafeByteOperations.UnsafeWrap(payload), ReplyBytes = (uint)replyBytes };

        public bool IsEarlyAccepted => false;

        // A channel connects with its first call: one that carries next to nothing.
        public async Task OpenAsync(CancellationToken cancellationToken) =>
            await channel.CallAsync(EchoService.Unary, new EchoRequest(), new EchoReply(), CallOptions.Default, cancellationToken);

        public async Task RequestAsync(CancellationToken cancellationToken)
        {
            EchoReply reply = new();
            await channel.CallAsync(EchoService.Unary, _request, reply, CallOptions.Default, cancellationToken);
            if (replyBytes == 0)
            {
                Check(reply.Payload.Span, payload);
            }
            else if (reply.Payload.Length != replyBytes)
            {
                throw new IOException($"{reply.Payload.Length} bytes came back for {replyBytes}.");
            }
        }

        public ValueTask DisposeAsync() => channel.DisposeAsync();
    }

    /// <summary>One connection of HTTP/2 with JSON.</summary>
    private sealed class JsonEcho : IOpened
    {
        private readonly HttpMessageInvoker _http;
        private readonly Uri _address;
        private readonly byte[] _body;
        private readonly byte[] _expected;
        private readonly string? _authorization;

        public JsonEcho(Uri server, EchoLoad load, byte[] payload)
        {
            _authorization = load.Token is null ? null : $"Bearer {load.Token}";
            SocketsHttpHandler handler = new()
            {
                MaxConnectionsPerServer = 1,
                PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
                AllowAutoRedirect = false,
                UseCookies = false,
                UseProxy = false,
                ActivityHeadersPropagator = null,
                ConnectTimeout = TimeSpan.FromSeconds(load.TimeoutSeconds),
            };
            if (load.Fingerprint is { } fingerprint)
            {
                byte[] expected = Convert.FromHexString(fingerprint.Replace(":", "", StringComparison.Ordinal));
                handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                    certificate is not null && CryptographicOperations.FixedTimeEquals(expected, certificate.GetCertHash(HashAlgorithmName.SHA256));
            }

            _http = new HttpMessageInvoker(handler);
            _address = new Uri(server, JsonPath);
            string own = $"\"{Convert.ToBase64String(payload)}\"";
            _expected = Encoding.ASCII.GetBytes(load.ReplyBytes == 0 ? own : $"\"{Convert.ToBase64String(new byte[load.ReplyBytes])}\"");
            _body = Encoding.ASCII.GetBytes(
                load.ReplyBytes == 0 ? $"{{\"payload\":{own}}}" : string.Create(CultureInfo.InvariantCulture, $"{{\"payload\":{own},\"replyBytes\":{load.ReplyBytes}}}"));
        }

        public bool IsEarlyAccepted => false;

        public Task OpenAsync(CancellationToken cancellationToken) => SendAsync("{}"u8.ToArray(), [], cancellationToken);

        public Task RequestAsync(CancellationToken cancellationToken) => SendAsync(_body, _expected, cancellationToken);

        public ValueTask DisposeAsync()
        {
            _http.Dispose();
            return default;
        }

        private async Task SendAsync(byte[] body, byte[] expected, CancellationToken cancellationToken)
        {
            using HttpRequestMessage request = new(HttpMethod.Post, _address) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            request.Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            if (_authorization is not null)
            {
                request.Headers.TryAddWithoutValidation("authorization", _authorization);
            }

            using HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
            byte[] answer = await response.Content.ReadAsByteArrayAsync(cancellationToken);
            if (response.StatusCode != HttpStatusCode.OK || answer.AsSpan().IndexOf(expected) < 0)
            {
                throw new IOException($"{(int)response.StatusCode}: {Encoding.UTF8.GetString(answer.AsSpan(0, Math.Min(answer.Length, 200)))}");
            }
        }
    }

    private static void Check(ReadOnlySpan<byte> answer, byte[] payload)
    {
        if (!answer.SequenceEqual(payload))
        {
            throw new IOException($"{answer.Length} bytes came back for {payload.Length}, or other ones.");
        }
    }
}
