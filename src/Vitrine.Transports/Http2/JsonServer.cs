using System.Buffers;
using System.IO.Pipelines;
using System.Collections.Frozen;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire;

namespace Vitrine.Transports.Http2;

/// <summary>Serves a <see cref="CallTable"/> as JSON below <c>/api/</c> (<c>docs/PROTOCOL.md</c>, «JSON over HTTP»). Made for HTTP/2;
/// HTTP/1.1 is answered too.</summary>
/// <remarks>Any thread.</remarks>
public sealed partial class JsonServer
{
    internal const string JsonType = "application/json";
    internal const string LinesType = "application/x-ndjson";

    private const int DrainBytesMax = 64 << 10;

    private static readonly TimeSpan s_drainMax = TimeSpan.FromSeconds(1);

    private readonly FrozenDictionary<string, JsonRoute> _routes;
    private readonly JsonServerOptions _options;
    private readonly byte[] _description;

    /// <summary>Makes a server. Services of unversioned packages and of others than ours (health, reflection) are left out.</summary>
    /// <exception cref="ArgumentException">Two methods have one place, or a message has a field <c>problem</c>, which means something else.</exception>
    public JsonServer(CallTable table, JsonServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(options);
        JsonRoute[] routes = [.. table.Bindings.Select(JsonRoute.TryMake).OfType<JsonRoute>()];
        if (routes.FirstOrDefault(route => !route.Method.GivesOneResponse && route.Method.Descriptor.OutputType.FindFieldByName(Problem.LineMember) is not null) is { } taken)
        {
            throw new ArgumentException($"A line of {taken.Method.Path} could not be told from a failure.", nameof(table));
        }

        _routes = routes.ToDictionary(route => route.Path, StringComparer.Ordinal).ToFrozenDictionary(StringComparer.Ordinal);
        _options = options;
        _description = OpenApiDescription.Write(routes, options);
    }

    /// <summary>Whether a request is for this interface.</summary>
    public static bool IsCall(HttpRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.Path.Value?.StartsWith(JsonRoute.Prefix, StringComparison.Ordinal) == true;
    }

    /// <summary>Serves one request for which <see cref="IsCall"/> holds.</summary>
    /// <remarks>Whatever the request is, it is answered: this does not throw for what comes from outside.</remarks>
    public async Task HandleAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (context.Request.Path.Value == OpenApiDescription.Path)
        {
            await DescribeAsync(context);
            return;
        }

        JsonServerCall call;
        try
        {
            call = Begin(context);
        }
        catch (CallException refusal)
        {
            JsonMeter.Ended(refusal.Code);
            await RefuseUnreadAsync(context, refusal, null);
            return;
        }
        catch (HttpRefusal refusal)
        {
            JsonMeter.Ended(refusal.Failure.Code);
            await RefuseUnreadAsync(context, refusal.Failure, refusal.Status);
            return;
        }

        using (call)
        {
            await RunAsync(context, call);
        }
    }

    internal static async Task RefuseAsync(HttpContext context, CallException failure, int? status, CallMethod? method)
    {
        HttpResponse response = context.Response;
        response.StatusCode = status ?? Problem.HttpStatus(failure.Code);
        response.ContentType = Problem.ContentType;
        response.Headers.CacheControl = "no-store";
        if (response.StatusCode == StatusCodes.Status401Unauthorized)
        {
            response.Headers.WWWAuthenticate = "Bearer"; // RFC 6750 section 3
        }

        ArrayBufferWriter<byte> body = new(512);
        using (Utf8JsonWriter json = new(body, Problem.WriterOptions))
        {
            Problem.Write(failure, status, method?.Descriptor.File, json);
        }

        response.ContentLength = body.WrittenCount;
        try
        {
            await response.BodyWriter.WriteAsync(body.WrittenMemory, context.RequestAborted);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            // The caller has gone.
        }
    }

    // A request that is answered before it has ended is broken off after the answer (RFC 9113, section 8.1: RST_STREAM with NO_ERROR), and
    // curl 7.88 then reports an error instead of the answer that it has. What is short and comes soon is read.
    private static async Task RefuseUnreadAsync(HttpContext context, CallException failure, int? status)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = DrainBytesMax;
        }

        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        patience.CancelAfter(s_drainMax);
        try
        {
            ReadResult read;
            do
            {
                read = await context.Request.BodyReader.ReadAsync(patience.Token);
                context.Request.BodyReader.AdvanceTo(read.Buffer.End);
            }
            while (!read.IsCompleted);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            // Too long, too slow, or the caller has gone: it is not read any further.
        }

        await RefuseAsync(context, failure, status, null);
    }

    private JsonServerCall Begin(HttpContext context)
    {
        HttpRequest request = context.Request;
        if (!_routes.TryGetValue(request.Path.Value ?? "", out JsonRoute? route))
        {
            throw new HttpRefusal(StatusCodes.Status404NotFound, CallStatusCode.Unimplemented, "There is nothing at this address.");
        }

        bool isGet = HttpMethods.IsGet(request.Method);
        if (!(isGet && route.TakesGet) && !HttpMethods.IsPost(request.Method))
        {
            context.Response.Headers.Allow = route.TakesGet ? "GET, POST" : "POST";
            throw new HttpRefusal(StatusCodes.Status405MethodNotAllowed, CallStatusCode.Unimplemented, $"This address takes {context.Response.Headers.Allow}.");
        }

        ViewerGrants grants = CallAuthorization.Check(
            route.Method, CallAuthorization.BearerToken(request.Headers.Authorization), context.Connection.RemoteIpAddress, _options.Access);
        bool isGzip = false;
        if (!isGet)
        {
            CheckContentType(request, route);
            isGzip = ReadEncoding(request);
            if (request.QueryString.HasValue && request.Query.Count > 0)
            {
                throw new CallException(CallStatusCode.InvalidArgument, "A request with a body has no query: its fields are in the body.");
            }
        }
        else if (request.ContentLength > 0 || request.Headers.TransferEncoding.Count > 0)
        {
            throw new CallException(CallStatusCode.InvalidArgument, "GET has no body: its fields are in the query.");
        }

        CallDeadline deadline = ReadDeadline(request.Headers[GrpcHeaders.Timeout]);
        return new(context, PeerLimits.Of(context), route, grants, deadline, isGzip, _options);
    }

    // Of text that is no message: as much to do as a call that was broken off.
    private const int MalformedBytesEach = 4096;

    private async Task RunAsync(HttpContext context, JsonServerCall call)
    {
        PeerConnection? connection = PeerLimits.Of(context);
        CallException? failure;
        try
        {
            await call.Route.Binding.Handler(call);
            failure = call.Verify();
        }
        catch (CallException exception)
        {
            failure = exception;
        }
        catch (OperationCanceledException) when (call.IsOver)
        {
            failure = call.Ended();
        }
        catch (Exception exception)
        {
            failure = new(CallStatusCode.Unknown, "The server failed in this call."); // what it was is nobody's business but ours
            if (_options.Logger is { } logger)
            {
                LogFault(logger, call.Method.Path, exception);
            }
        }

        CallStatusCode code = failure?.Code ?? CallStatusCode.Ok;
        bool isMisuse = code == CallStatusCode.ResourceExhausted || call.MalformedBytes is not null;
        JsonMeter.Ended(code);
        if (code == CallStatusCode.Ok)
        {
            connection?.Served();
        }
        else if (isMisuse)
        {
            connection?.NoteOversize();
        }
        else if (code == CallStatusCode.Cancelled)
        {
            connection?.NoteBrokenOff();
        }

        await call.FinishAsync(failure);
        if (isMisuse || (code == CallStatusCode.Cancelled && context.RequestAborted.IsCancellationRequested))
        {
            // Text is read letter by letter: what was read for nothing counts by its length.
            int times = 1 + (int)((call.MalformedBytes ?? 0) / MalformedBytesEach);
            CallResets.Note(context, _options.ResetsMax, _options.ResetsWindow, _options.Time, JsonMeter.Limits, times);
        }
    }

    private Task DescribeAsync(HttpContext context)
    {
        if (!HttpMethods.IsGet(context.Request.Method))
        {
            context.Response.Headers.Allow = "GET";
            return RefuseUnreadAsync(context, new(CallStatusCode.Unimplemented, "This address takes GET."), StatusCodes.Status405MethodNotAllowed);
        }

        context.Response.ContentType = JsonType; // no media type for OpenAPI is registered yet
        context.Response.ContentLength = _description.Length;
        return context.Response.Body.WriteAsync(_description, 0, _description.Length, context.RequestAborted);
    }

    private static void CheckContentType(HttpRequest request, JsonRoute route)
    {
        if (request.ContentType is null && request.ContentLength is null or 0 && route.Method.TakesOneRequest && request.Headers.TransferEncoding.Count == 0)
        {
            return; // nothing to have a type; if something comes all the same, it is read as JSON
        }

        string expected = route.Method.TakesOneRequest ? JsonType : LinesType;
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out MediaTypeHeaderValue? type)
            || !type.MediaType.Equals(expected, StringComparison.OrdinalIgnoreCase)
            || (type.Charset.HasValue && !type.Charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase) && !type.Charset.Equals("\"utf-8\"", StringComparison.OrdinalIgnoreCase)))
        {
            throw new HttpRefusal(StatusCodes.Status415UnsupportedMediaType, CallStatusCode.InvalidArgument, $"The body of this request is {expected} in UTF-8: say so with content-type.");
        }
    }

    private static bool ReadEncoding(HttpRequest request) => request.Headers.ContentEncoding switch
    {
        [] or [""] or [GrpcHeaders.Identity] => false,
        [GrpcHeaders.Gzip] => true,
        _ => throw new HttpRefusal(StatusCodes.Status415UnsupportedMediaType, CallStatusCode.InvalidArgument, "The body may be encoded with gzip, or not at all."),
    };

    private CallDeadline ReadDeadline(Microsoft.Extensions.Primitives.StringValues values)
    {
        if (values.Count == 0)
        {
            return CallDeadline.None;
        }

        if (values.Count > 1 || !GrpcTimeout.TryParse(values[0], out TimeSpan timeout))
        {
            throw new CallException(CallStatusCode.InvalidArgument, $"The value of {GrpcHeaders.Timeout} is no time: up to eight digits and one of H M S m u n, such as 500m for 500 milliseconds.");
        }

        return timeout > TimeSpan.Zero
            ? CallDeadline.After(timeout, _options.Time)
            : throw new CallException(CallStatusCode.DeadlineExceeded, "The deadline had passed when the call came.");
    }

    [LoggerMessage(EventId = 2, Level = LogLevel.Error, Message = "The handler of {Path} failed")]
    private static partial void LogFault(ILogger logger, string path, Exception exception);
}

/// <summary>Puts the JSON interface in front of a web application.</summary>
public static class JsonApplication
{
    /// <summary>Serves requests below <c>/api/</c>; all others go on.</summary>
    public static IApplicationBuilder UseJsonCalls(this IApplicationBuilder application, CallTable table, JsonServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(application);
        JsonServer server = new(table, options);
        return application.Use(next => context => JsonServer.IsCall(context.Request) ? server.HandleAsync(context) : next(context));
    }
}
