using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.ObjectPool;
using Microsoft.Extensions.Primitives;
using Vitrine.Transports.Calls;
using Vitrine.Wire;

namespace Vitrine.Transports.Grpc;

/// <summary>Serves a <see cref="CallTable"/> as gRPC over Kestrel's HTTP/2 (<c>doc/PROTOCOL-HTTP2.md</c> of gRPC).</summary>
/// <remarks>Any thread. Call objects are pooled; in steady state a call takes the memory that Kestrel, its handler and its messages
/// take.</remarks>
public sealed partial class GrpcServer
{
    private const int PooledCallsMax = 1024;

    private readonly CallTable _table;
    private readonly ObjectPool<GrpcServerCall> _calls;

    /// <summary>Makes a server.</summary>
    public GrpcServer(CallTable table, GrpcServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(options);
        (_table, Options) = (table, options);
        _calls = new DefaultObjectPool<GrpcServerCall>(new CallPolicy(this), PooledCallsMax);
    }

    internal GrpcServerOptions Options { get; }

    /// <summary>Whether a request is gRPC's, by its content type.</summary>
    public static bool IsCall(HttpRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.ContentType is { } contentType && GrpcHeaders.IsGrpc(contentType);
    }

    /// <summary>Serves one request for which <see cref="IsCall"/> holds.</summary>
    /// <remarks>Whatever the request is, it is answered: this does not throw for what comes from outside.</remarks>
    public Task HandleAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        HttpRequest request = context.Request;
        HttpResponse response = context.Response;
        if (!HttpProtocol.IsHttp2(request.Protocol))
        {
            response.StatusCode = StatusCodes.Status426UpgradeRequired; // RFC 9110 section 15.5.22
            response.Headers.Upgrade = "h2c";
            return Task.CompletedTask;
        }

        if (!HttpMethods.IsPost(request.Method))
        {
            response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            response.Headers.Allow = HttpMethods.Post;
            return Task.CompletedTask;
        }

        if (!GrpcHeaders.IsProtobuf(request.ContentType))
        {
            response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return Task.CompletedTask;
        }

        try
        {
            CallBinding binding = _table.Find(request.Path.Value)
                ?? throw new CallException(CallStatusCode.Unimplemented, $"There is no method {request.Path.Value} here.");
            ViewerGrants grants = CallAuthorization.Check(
                binding.Method, CallAuthorization.BearerToken(request.Headers.Authorization), context.Connection.RemoteIpAddress, Options.Access);
            CallCompression encoding = ReadEncoding(request.Headers[GrpcHeaders.Encoding]);
            CallDeadline deadline = ReadDeadline(request.Headers[GrpcHeaders.Timeout]);
            GrpcServerCall call = _calls.Get();
            PeerConnection? connection = PeerLimits.Of(context);
            call.Begin(context, connection, binding, grants, deadline, encoding);
            return RunAsync(context, call, connection);
        }
        catch (CallException refusal)
        {
            WriteStatusOnly(response, refusal.Code, refusal);
            GrpcMeter.Ended(refusal.Code);
            return Task.CompletedTask;
        }
    }

    /// <summary>What Kestrel takes from each client, and what gRPC wants of it: heads, waiting answers, streams, header table, keep-alive.
    /// Called from <c>ConfigureKestrel</c>.</summary>
    public static void ConfigureLimits(KestrelServerLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        limits.MaxRequestLineSize = 4 * 1024;
        limits.MaxRequestHeadersTotalSize = 16 * 1024;
        limits.MaxRequestHeaderCount = 96; // 64 of metadata, which gRPC itself refuses when they are more, and what every request has
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        limits.KeepAliveTimeout = TimeSpan.FromSeconds(60);
        limits.MaxResponseBufferSize = 64 * 1024; // what waits here cannot be replaced by something newer
        Http2Limits http2 = limits.Http2;
        http2.MaxStreamsPerConnection = 100; // RFC 9113 section 6.5.2 advises no fewer
        http2.HeaderTableSize = 4096; // a call's headers from grpc-js: 346 bytes with 0, 250 with 1,024, 233 with 4,096, no fewer with 65,536
        // Requests that wait for their peer's room must leave some of the connection's window to the others. The web server extends it when half of it
        // was read: eight that wait stop it.
        http2.InitialStreamWindowSize = 256 * 1024;
        http2.InitialConnectionWindowSize = 2 * 8 * 256 * 1024;
        http2.KeepAlivePingDelay = TimeSpan.FromSeconds(20);
        http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);
    }

    /// <summary>An end without messages: everything in one header block (gRPC's «Trailers-Only»).</summary>
    internal static void WriteStatusOnly(HttpResponse response, CallStatusCode code, CallException? failure)
    {
        response.ContentType = GrpcHeaders.ContentType;
        WriteStatus(response.Headers, code, failure);
        if (code == CallStatusCode.Unimplemented)
        {
            response.Headers[GrpcHeaders.AcceptEncoding] = GrpcHeaders.Accepted; // it may have been the encoding
        }
    }

    internal static void WriteStatus(IHeaderDictionary into, CallStatusCode code, CallException? failure)
    {
        into[GrpcHeaders.Status] = GrpcStatus.Text(code);
        if (failure is null)
        {
            return;
        }

        if (failure.Message.Length > 0)
        {
            into[GrpcHeaders.Message] = GrpcText.Encode(failure.Message);
        }

        if (GrpcStatus.DetailsText(failure) is { } details)
        {
            into[GrpcHeaders.StatusDetails] = details;
        }
    }

    private async Task RunAsync(HttpContext context, GrpcServerCall call, PeerConnection? connection)
    {
        CallException? failure = null;
        try
        {
            await call.Handle();
            failure = call.Verify();
        }
        catch (CallException exception)
        {
            failure = exception;
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException && call.IsOver)
        {
            failure = call.Ended(exception);
        }
        catch (Exception exception)
        {
            failure = new(CallStatusCode.Unknown, "The server failed in this call."); // what it was is nobody's business but ours
            if (Options.Logger is { } logger)
            {
                LogFault(logger, call.Method.Path, exception);
            }
        }

        CallStatusCode code = failure?.Code ?? CallStatusCode.Ok;
        GrpcMeter.Ended(code);
        if (code == CallStatusCode.Ok)
        {
            connection?.Served();
        }
        else if (code is CallStatusCode.ResourceExhausted or CallStatusCode.Internal)
        {
            connection?.NoteOversize();
        }
        else if (code == CallStatusCode.Cancelled)
        {
            connection?.NoteBrokenOff();
        }

        if (await call.FinishAsync(failure))
        {
            _calls.Return(call);
        }

        if (code is CallStatusCode.ResourceExhausted or CallStatusCode.Internal)
        {
            CallResets.Note(context, Options.ResetsMax, Options.ResetsWindow, Options.Time, GrpcMeter.Limits);
        }
    }

    private static CallCompression ReadEncoding(StringValues values) => values.Count == 0 || values is [GrpcHeaders.Identity] ? CallCompression.None
        : values is [GrpcHeaders.Gzip] ? CallCompression.Gzip
        : throw new CallException(CallStatusCode.Unimplemented, $"Requests may be encoded as {GrpcHeaders.Accepted}, not otherwise.");

    private CallDeadline ReadDeadline(StringValues values)
    {
        if (values.Count == 0)
        {
            return CallDeadline.None;
        }

        if (values.Count > 1 || !GrpcTimeout.TryParse(values[0], out TimeSpan timeout))
        {
            throw new CallException(CallStatusCode.Internal, $"The value of {GrpcHeaders.Timeout} is no time: up to eight digits and one of H M S m u n.");
        }

        return timeout > TimeSpan.Zero
            ? CallDeadline.After(timeout, Options.Time)
            : throw new CallException(CallStatusCode.DeadlineExceeded, "The deadline had passed when the call came.");
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "The handler of {Path} failed")]
    private static partial void LogFault(ILogger logger, string path, Exception exception);

    private sealed class CallPolicy(GrpcServer server) : PooledObjectPolicy<GrpcServerCall>
    {
        public override GrpcServerCall Create() => new(server);

        public override bool Return(GrpcServerCall call) => true;
    }
}

/// <summary>Puts gRPC in front of a web application.</summary>
public static class GrpcApplication
{
    /// <summary>Serves requests of content type <c>application/grpc</c>; all others go on.</summary>
    public static IApplicationBuilder UseGrpcCalls(this IApplicationBuilder application, CallTable table, GrpcServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(application);
        GrpcServer server = new(table, options);
        return application.Use(next => context => GrpcServer.IsCall(context.Request) ? server.HandleAsync(context) : next(context));
    }
}
