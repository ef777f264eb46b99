using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Vitrine.Transports.Http2;

/// <summary>HTTP/1.1 and HTTP/2 on one port without TLS. A client that knows that the server speaks HTTP/2 begins with the
/// preface (RFC 9113, sections 3.3 and 3.4): such a connection is handed to a second end point of Kestrel's that speaks HTTP/2
/// alone; every other one goes on as it came.</summary>
/// <remarks>Kestrel tells the two apart by TLS' ALPN only. The first bytes are looked at where they lie and left there: a
/// connection costs one read more when it begins, and nothing after that. Thread-safe.</remarks>
public sealed class PriorKnowledge : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    // A client that waits longer with its first byte is served as HTTP/1.1, whose own limits go on from there.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    // Connections that were accepted and not yet taken up by the other end point, which takes them at once.
    private const int WaitingMax = 128;

    private readonly SecondEndPoint _endPoint = new();
    private readonly Channel<ConnectionContext> _handedOver = Channel.CreateBounded<ConnectionContext>(WaitingMax);

    private static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    /// <summary>Where the connections go that speak HTTP/2: <c>kestrel.Listen(Http2EndPoint, listen => listen.Protocols = HttpProtocols.Http2)</c>.
    /// Nobody can connect to it. This object must be registered as an <see cref="IConnectionListenerFactory"/> too.</summary>
    public EndPoint Http2EndPoint => _endPoint;

    /// <summary>Looks at the first bytes of every connection of this end point, which speaks HTTP/1.1. The last middleware of it.</summary>
    public void UseOn(ListenOptions listen)
    {
        ArgumentNullException.ThrowIfNull(listen);
        listen.Use(next => async context =>
        {
            if (await BeginsWithPrefaceAsync(context.Transport.Input))
            {
                HandedOver handedOver = new(context);
                try
                {
                    await _handedOver.Writer.WriteAsync(handedOver, context.ConnectionClosed);
                }
                catch (Exception exception) when (exception is ChannelClosedException or OperationCanceledException)
                {
                    context.Abort(); // the server stops, or the client has left
                    return;
                }

                await handedOver.Ended;
            }
            else
            {
                await next(context);
            }
        });
    }

    /// <inheritdoc/>
    public bool CanBind(EndPoint endpoint) => endpoint == _endPoint;

    /// <inheritdoc/>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult<IConnectionListener>(new Listener(_endPoint, _handedOver));

    internal static async ValueTask<bool> BeginsWithPrefaceAsync(PipeReader input)
    {
        using CancellationTokenSource patience = new(s_patience);
        try
        {
            while (true)
            {
                ReadResult result = await input.ReadAsync(patience.Token);
                ReadOnlySequence<byte> buffer = result.Buffer;
                bool begins = IsBeginOfPreface(buffer), isWhole = buffer.Length >= Preface.Length;
                bool isOpen = begins && !isWhole && !result.IsCompleted;
                input.AdvanceTo(buffer.Start, isOpen ? buffer.End : buffer.Start); // consumed nothing: the next reader sees it all
                if (!isOpen)
                {
                    return begins && isWhole;
                }
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            return false; // nothing came in time, or the connection broke, which the next reader sees as well
        }
    }

    private static bool IsBeginOfPreface(in ReadOnlySequence<byte> buffer)
    {
        ReadOnlySpan<byte> expected = Preface;
        foreach (ReadOnlyMemory<byte> part in buffer)
        {
            int bytes = Math.Min(part.Length, expected.Length);
            if (!part.Span[..bytes].SequenceEqual(expected[..bytes]))
            {
                return false;
            }

            expected = expected[bytes..];
        }

        return true;
    }

    private sealed class SecondEndPoint : EndPoint
    {
        public override string ToString() => "http2-prior-knowledge";
    }

    private sealed class Listener(EndPoint endPoint, Channel<ConnectionContext> handedOver) : IConnectionListener
    {
        private readonly CancellationTokenSource _unbound = new();

        public EndPoint EndPoint => endPoint;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            try
            {
                using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _unbound.Token);
                return await handedOver.Reader.ReadAsync(either.Token);
            }
            catch (Exception exception) when (exception is ChannelClosedException || (exception is OperationCanceledException && _unbound.IsCancellationRequested))
            {
                return null; // that is how Kestrel learns that there are no more
            }
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            handedOver.Writer.TryComplete();
            _unbound.Cancel();
            return default;
        }

        public async ValueTask DisposeAsync()
        {
            while (handedOver.Reader.TryRead(out ConnectionContext? waiting))
            {
                waiting.Abort();
                await waiting.DisposeAsync();
            }

            _unbound.Dispose();
        }
    }

    /// <summary>A connection on loan: its first end point disposes it, once the second has ended with it.</summary>
    private sealed class HandedOver(ConnectionContext connection) : ConnectionContext
    {
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Ended => _ended.Task;

        public override string ConnectionId { get => connection.ConnectionId; set => connection.ConnectionId = value; }

        public override IFeatureCollection Features => connection.Features;

        public override IDictionary<object, object?> Items { get => connection.Items; set => connection.Items = value; }

        public override IDuplexPipe Transport { get => connection.Transport; set => connection.Transport = value; }

        public override CancellationToken ConnectionClosed { get => connection.ConnectionClosed; set => connection.ConnectionClosed = value; }

        public override EndPoint? LocalEndPoint { get => connection.LocalEndPoint; set => connection.LocalEndPoint = value; }

        public override EndPoint? RemoteEndPoint { get => connection.RemoteEndPoint; set => connection.RemoteEndPoint = value; }

        public override void Abort() => connection.Abort();

        public override void Abort(ConnectionAbortedException abortReason) => connection.Abort(abortReason);

        public override ValueTask DisposeAsync()
        {
            _ended.TrySetResult();
            return base.DisposeAsync();
        }
    }
}
