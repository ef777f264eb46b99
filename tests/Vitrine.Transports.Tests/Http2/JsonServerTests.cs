using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Http2;
using Vitrine.Transports.Tests.Grpc;
using Vitrine.Wire;

namespace Vitrine.Transports.Tests.Http2;

/// <summary>The JSON interface as any HTTP client sees it.</summary>
public sealed class JsonServerTests : IAsyncLifetime, IDisposable
{
    private const string Unary = "/api/v1/echo/unary", ServerStream = "/api/v1/echo/server-stream", ClientStream = "/api/v1/echo/client-stream", Duplex = "/api/v1/echo/duplex";
    private const int RequestBytesMax = 64 * 1024;
    private const string Token = "the-token-of-this-test";

    private readonly TaskCompletionSource<CallStatusCode> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private WebApplication _app = null!;
    private HttpClient _http = null!;

    public async Task InitializeAsync()
    {
        IReadOnlyList<CallBinding> echo = new EchoService().Bindings;
        CallTable table = new(
        [
            .. echo.Where(binding => binding.Method != EchoService.Duplex),
            new(new(EchoService.Duplex.Descriptor, ViewerGrants.Administer), echo.Single(binding => binding.Method == EchoService.Duplex).Handler),
        ]);
        JsonServerOptions options = new()
        {
            RequestBytesMax = RequestBytesMax,
            StalledReaderTimeout = TimeSpan.FromMilliseconds(300),
            Access = (token, _) => token == Token ? ViewerGrants.View : ViewerGrants.None,
        };
        (_app, Uri address) = await GrpcHost.ListenAsync(builder => builder
            .Use(next => async context =>
            {
                await next(context);
                _ended.TrySetResult(CallStatusCode.Ok);
            })
            .UseJsonCalls(table, options));
        _http = new() { BaseAddress = address, DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact, Timeout = GrpcHost.Patience };
    }

    public void Dispose() => _http.Dispose();

    public async Task DisposeAsync()
    {
        await _app.StopAsync(new CancellationToken(canceled: true));
        await _app.DisposeAsync();
    }

    [Theory]
    [InlineData("?payload=aGFsbG8%3D&replyBytes=0", "aGFsbG8=")]
    [InlineData("?payload=aGFsbG8%3D&reply_count=3", "aGFsbG8=")]
    [InlineData("?replyBytes=3", "AAAA")]
    [InlineData("", "")]
    public async Task GetWithAQuery_FieldsAreInIt(string query, string payload)
    {
        using HttpResponseMessage response = await _http.GetAsync(Unary + query);
        Assert.Equal((HttpStatusCode.OK, "application/json", "no-store"), (response.StatusCode, response.Content.Headers.ContentType?.ToString(), response.Headers.CacheControl?.ToString()));
        using JsonDocument answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal(payload, answer.RootElement.GetProperty("payload").GetString());
        Assert.Equal("1", answer.RootElement.GetProperty("requests").GetString()); // 64 bits are a string
        Assert.Equal("0", answer.RootElement.GetProperty("sequence").GetString()); // what is 0 is written too
    }

    [Theory]
    [InlineData("?nothing=1", "nothing")]
    [InlineData("?replyCount=1&replyCount=2", "replyCount")]
    [InlineData("?replyCount=1&reply_count=2", "reply_count")]
    [InlineData("?failure=1", "failure")]
    [InlineData("?payload.x=1", "payload.x")]
    [InlineData("?failure.code.x.y=1", "failure.code.x.y")]
    [InlineData("?replyCount=-1", "-1")]
    [InlineData("?replyCount=99999999999999", "99999999999999")]
    [InlineData("?payload=%00", "base64")]
    [InlineData("?replyCount=", "replyCount")]
    public async Task GetWithAWrongQuery_ProblemNamesIt(string query, string named)
    {
        using HttpResponseMessage response = await _http.GetAsync(Unary + query);
        string detail = await AssertProblemAsync(response, HttpStatusCode.BadRequest, "INVALID_ARGUMENT");
        Assert.True(named is "base64" or "replyCount" || detail.Contains(named, StringComparison.Ordinal), detail);
    }

    [Fact]
    public async Task NestedFieldInTheQuery_Found()
    {
        using HttpResponseMessage response = await _http.GetAsync(Unary + "?failure.code=5&failure.message=not%20here");
        Assert.Equal("not here", await AssertProblemAsync(response, HttpStatusCode.NotFound, "NOT_FOUND"));
    }

    [Theory]
    [InlineData("{}", "")]
    [InlineData("", "")]
    [InlineData("{\"payload\":\"aGFsbG8=\"}", "aGFsbG8=")]
    [InlineData(" { \"reply_bytes\" : \"3\" } \n", "AAAA")]
    public async Task PostOfJson_Answered(string body, string payload)
    {
        using HttpResponseMessage response = await PostAsync(Unary, body);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        using JsonDocument answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal(payload, answer.RootElement.GetProperty("payload").GetString());
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("\"text\"")]
    [InlineData("{")]
    [InlineData("{} {}")]
    [InlineData("{\"payload\":\"aGFsbG8=\"")]
    [InlineData("{\"unknown\":1}")]
    [InlineData("{\"replyCount\":-1}")]
    [InlineData("{\"replyCount\":1.5}")]
    [InlineData("{\"replyCount\":true}")]
    [InlineData("{\"replyCount\":4294967296}")]
    [InlineData("{\"payload\":\"?\"}")]
    [InlineData("{\"payload\":{}}")]
    [InlineData("{\"failure\":[]}")]
    [InlineData("{\"failure\":{\"message\":\"\\ud800\"}}")]
    public async Task PostOfWhatIsNoMessage_ProblemSaysSo(string body)
    {
        using HttpResponseMessage response = await PostAsync(Unary, body);
        string detail = await AssertProblemAsync(response, HttpStatusCode.BadRequest, "INVALID_ARGUMENT");
        Assert.Contains("vitrine.v1.EchoRequest", detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task UnknownFieldBadUtf8AndDepth_ProblemSaysWhich()
    {
        using (HttpResponseMessage response = await PostAsync(Unary, "{\"replyCuont\":1}"))
        {
            Assert.Contains("replyCuont", await AssertProblemAsync(response, HttpStatusCode.BadRequest, "INVALID_ARGUMENT"), StringComparison.Ordinal);
        }

        foreach (int blanks in (int[])[0, 40_000]) // a long text is decoded while it is parsed
        {
            using HttpResponseMessage response = await PostAsync(Unary, (byte[])[(byte)'{', .. Enumerable.Repeat((byte)' ', blanks), 0xFF, (byte)'}']);
            Assert.Contains("UTF-8", await AssertProblemAsync(response, HttpStatusCode.BadRequest, "INVALID_ARGUMENT"), StringComparison.Ordinal);
        }

        foreach (string open in (string[])["[", "{\"a\":", "{\"failure\":"])
        {
            using HttpResponseMessage response = await PostAsync(Unary, string.Concat(Enumerable.Repeat(open, 5_000)));
            await AssertProblemAsync(response, HttpStatusCode.BadRequest, "INVALID_ARGUMENT");
        }
    }

    [Theory]
    [InlineData("GET", "/api/", HttpStatusCode.NotFound)]
    [InlineData("GET", "/api/v2/echo/unary", HttpStatusCode.NotFound)]
    [InlineData("GET", "/api/v1/echo/unary/", HttpStatusCode.NotFound)]
    [InlineData("POST", "/api/v1/Echo/Unary", HttpStatusCode.NotFound)]
    [InlineData("GET", ClientStream, HttpStatusCode.MethodNotAllowed)]
    [InlineData("PUT", Unary, HttpStatusCode.MethodNotAllowed)]
    [InlineData("DELETE", Unary, HttpStatusCode.MethodNotAllowed)]
    [InlineData("HEAD", Unary, HttpStatusCode.MethodNotAllowed)]
    [InlineData("POST", "/api/openapi.json", HttpStatusCode.MethodNotAllowed)]
    public async Task NothingThereOrAnotherMethod_Problem(string method, string path, HttpStatusCode expected)
    {
        using HttpRequestMessage request = new(new(method), path) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using HttpResponseMessage response = await _http.SendAsync(request);
        if (method == "HEAD")
        {
            Assert.Equal(expected, response.StatusCode); // no body to look at
        }
        else
        {
            await AssertProblemAsync(response, expected, "UNIMPLEMENTED");
        }

        Assert.Equal(expected == HttpStatusCode.MethodNotAllowed, response.Content.Headers.Allow.Count > 0);
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/json; charset=iso-8859-1")]
    [InlineData("application/x-ndjson")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData(null)]
    public async Task WrongContentType_415(string? type)
    {
        using ByteArrayContent content = new("{}"u8.ToArray());
        content.Headers.ContentType = type is null ? null : MediaTypeHeaderValue.Parse(type);
        using HttpResponseMessage response = await _http.PostAsync(Unary, content);
        Assert.Contains("application/json", await AssertProblemAsync(response, HttpStatusCode.UnsupportedMediaType, "INVALID_ARGUMENT"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gzip_InflatedUpToTheBound()
    {
        using (HttpResponseMessage good = await PostGzipAsync("{\"replyBytes\":3}"u8.ToArray()))
        {
            Assert.Equal(HttpStatusCode.OK, good.StatusCode);
        }

        using (HttpResponseMessage bomb = await PostGzipAsync(new byte[64 << 20]))
        {
            await AssertProblemAsync(bomb, HttpStatusCode.RequestEntityTooLarge, "RESOURCE_EXHAUSTED");
        }

        using HttpResponseMessage other = await PostAsync(Unary, "{}", content => content.Headers.ContentEncoding.Add("br"));
        await AssertProblemAsync(other, HttpStatusCode.UnsupportedMediaType, "INVALID_ARGUMENT");
        using HttpResponseMessage none = await PostAsync(Unary, "{}", content => content.Headers.ContentEncoding.Add("gzip"));
        await AssertProblemAsync(none, HttpStatusCode.BadRequest, "INVALID_ARGUMENT");
    }

    [Fact]
    public async Task BodyOrLineBeyondTheLimit_413()
    {
        string text = "{\"payload\":\"" + new string('A', RequestBytesMax) + "\"}";
        using (HttpResponseMessage told = await PostAsync(Unary, text))
        {
            await AssertProblemAsync(told, HttpStatusCode.RequestEntityTooLarge, "RESOURCE_EXHAUSTED");
        }

        using HttpRequestMessage chunked = new(HttpMethod.Post, Unary) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new StreamContent(new UnseekableStream(Encoding.ASCII.GetBytes(text))) };
        chunked.Content.Headers.ContentType = new("application/json");
        using (HttpResponseMessage untold = await _http.SendAsync(chunked))
        {
            await AssertProblemAsync(untold, HttpStatusCode.RequestEntityTooLarge, "RESOURCE_EXHAUSTED");
        }

        using HttpResponseMessage line = await PostAsync(ClientStream, text + "\n", content => content.Headers.ContentType = new("application/x-ndjson"));
        await AssertProblemAsync(line, HttpStatusCode.RequestEntityTooLarge, "RESOURCE_EXHAUSTED");
    }

    [Theory]
    [InlineData("{\"payload\":\"AA==\"}\n{\"payload\":\"AQ==\"}\n", 2)]
    [InlineData("{\"payload\":\"AA==\"}\r\n\r\n  \n{\"payload\":\"AQ==\"}", 2)]
    [InlineData("", 0)]
    [InlineData("\n\n", 0)]
    public async Task LinesOfRequests_OneMessageEach(string body, int requests)
    {
        using HttpResponseMessage response = await PostAsync(ClientStream, body, content => content.Headers.ContentType = new("application/x-ndjson"));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        using JsonDocument answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal($"{requests}", answer.RootElement.GetProperty("requests").GetString());
    }

    [Fact]
    public async Task StreamOfAnswers_LinesAndAProblemAtTheEndOfAFailedOne()
    {
        using (HttpResponseMessage response = await _http.GetAsync(ServerStream + "?replyCount=3&payload=AA%3D%3D"))
        {
            Assert.Equal("application/x-ndjson", response.Content.Headers.ContentType?.ToString());
            string[] lines = (await response.Content.ReadAsStringAsync()).Split('\n');
            Assert.Equal(4, lines.Length);
            Assert.Equal("", lines[3]);
            Assert.Equal("2", JsonDocument.Parse(lines[2]).RootElement.GetProperty("sequence").GetString());
        }

        using HttpRequestMessage late = new(HttpMethod.Get, ServerStream + "?replyCount=100&delayMicros=100000") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Headers = { { "grpc-timeout", "550m" } } };
        using HttpResponseMessage failing = await _http.SendAsync(late, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, failing.StatusCode);
        string[] all = (await failing.Content.ReadAsStringAsync()).TrimEnd('\n').Split('\n');
        JsonElement problem = JsonDocument.Parse(all[^1]).RootElement.GetProperty("problem");
        Assert.Equal("DEADLINE_EXCEEDED", problem.GetProperty("code").GetString());
        Assert.All(all[..^1], line => Assert.True(JsonDocument.Parse(line).RootElement.TryGetProperty("payload", out _)));
    }

    [Theory]
    [InlineData("", HttpStatusCode.BadRequest, "INVALID_ARGUMENT")]
    [InlineData("5", HttpStatusCode.BadRequest, "INVALID_ARGUMENT")]
    [InlineData("5s", HttpStatusCode.BadRequest, "INVALID_ARGUMENT")]
    [InlineData("999999999S", HttpStatusCode.BadRequest, "INVALID_ARGUMENT")]
    [InlineData("0S", HttpStatusCode.GatewayTimeout, "DEADLINE_EXCEEDED")]
    [InlineData("50m", HttpStatusCode.GatewayTimeout, "DEADLINE_EXCEEDED")]
    public async Task DeadlineThatIsNoneOrPasses_Problem(string timeout, HttpStatusCode status, string code)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, Unary + "?delayMicros=30000000") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.TryAddWithoutValidation("grpc-timeout", timeout);
        using HttpResponseMessage response = await _http.SendAsync(request);
        await AssertProblemAsync(response, status, code);
    }

    [Theory]
    [InlineData(null, HttpStatusCode.Unauthorized, "UNAUTHENTICATED")]
    [InlineData("Bearer wrong", HttpStatusCode.Unauthorized, "UNAUTHENTICATED")]
    [InlineData("Basic " + Token, HttpStatusCode.Unauthorized, "UNAUTHENTICATED")]
    [InlineData("Bearer " + Token, HttpStatusCode.Forbidden, "PERMISSION_DENIED")]
    public async Task TokenIsMissingWrongOrNotEnough_Problem(string? authorization, HttpStatusCode status, string code)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, Duplex) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new StringContent("{}", Encoding.UTF8, "application/x-ndjson") };
        if (authorization is not null)
        {
            request.Headers.TryAddWithoutValidation("authorization", authorization);
        }

        using HttpResponseMessage response = await _http.SendAsync(request);
        await AssertProblemAsync(response, status, code);
        Assert.Equal(status == HttpStatusCode.Unauthorized, response.Headers.WwwAuthenticate.Any(header => header.Scheme == "Bearer"));
    }

    [Fact]
    public async Task QueryBesideABodyOrBodyBesideAQuery_Problem()
    {
        using (HttpResponseMessage response = await PostAsync(Unary + "?replyBytes=1", "{}"))
        {
            await AssertProblemAsync(response, HttpStatusCode.BadRequest, "INVALID_ARGUMENT");
        }

        using HttpRequestMessage get = new(HttpMethod.Get, Unary) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new StringContent("{}", Encoding.UTF8, "application/json") };
        using HttpResponseMessage refused = await _http.SendAsync(get);
        await AssertProblemAsync(refused, HttpStatusCode.BadRequest, "INVALID_ARGUMENT");
    }

    [Fact]
    public async Task CallerDoesNotRead_CutOffWhileOthersAreServed()
    {
        using HttpResponseMessage stalled = await _http.GetAsync(ServerStream + "?replyCount=1000000&replyBytes=100000", HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, stalled.StatusCode);
        await _ended.Task.WaitAsync(GrpcHost.Patience); // the server has given up
        using HttpResponseMessage other = await _http.GetAsync(Unary);
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        await Assert.ThrowsAnyAsync<IOException>(async () => await (await stalled.Content.ReadAsStreamAsync()).CopyToAsync(Stream.Null));
    }

    private Task<HttpResponseMessage> PostAsync(string path, string body, Action<HttpContent>? change = null) => PostAsync(path, Encoding.UTF8.GetBytes(body), change);

    private async Task<HttpResponseMessage> PostAsync(string path, byte[] body, Action<HttpContent>? change = null)
    {
        using ByteArrayContent content = new(body);
        content.Headers.ContentType = new("application/json");
        change?.Invoke(content);
        return await _http.PostAsync(path, content);
    }

    private async Task<HttpResponseMessage> PostGzipAsync(byte[] body)
    {
        using MemoryStream compressed = new();
        await using (GZipStream gzip = new(compressed, CompressionLevel.Fastest, leaveOpen: true))
        {
            await gzip.WriteAsync(body);
        }

        return await PostAsync(Unary, compressed.ToArray(), content => content.Headers.ContentEncoding.Add("gzip"));
    }

    private static async Task<string> AssertProblemAsync(HttpResponseMessage response, HttpStatusCode status, string code)
    {
        string body = await response.Content.ReadAsStringAsync();
        Assert.True(status == response.StatusCode, $"HTTP {(int)response.StatusCode}: {body}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.ToString());
        Assert.Equal("no-store", response.Headers.CacheControl?.ToString());
        JsonElement problem = JsonDocument.Parse(body).RootElement;
        Assert.Equal("about:blank", problem.GetProperty("type").GetString());
        Assert.Equal((int)status, problem.GetProperty("status").GetInt32());
        Assert.NotEqual("", problem.GetProperty("title").GetString());
        Assert.NotEqual("", problem.GetProperty("help").GetString());
        Assert.Equal(code, problem.GetProperty("code").GetString());
        return problem.GetProperty("detail").GetString()!;
    }

    /// <summary>A body whose length is not told.</summary>
    private sealed class UnseekableStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();
    }
}
