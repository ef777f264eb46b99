using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Http2;
using Vitrine.Transports.Tests.Grpc;
using Vitrine.Wire;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests.Http2;

/// <summary>Clients that make the JSON interface work for nothing.</summary>
public sealed class JsonBadClientTests
{
    private const string Unary = "/api/v1/echo/unary";
    private const int ResetsMax = 20;

    private static readonly CallTable s_echo = new(new EchoService().Bindings);

    [Theory]
    [InlineData(1, 20, 22)] // each counts once
    [InlineData(60_000, 1, 3)] // as often as it has 4 KiB: 15 times
    public async Task RequestsThatAreNoMessage_ConnectionIsClosed(int bytes, int least, int most)
    {
        (WebApplication app, HttpClient http) = await ListenAsync();
        await using (app)
        using (http)
        {
            using LimitCounter limits = new("vitrine.json.limits");
            string body = new('[', bytes);
            int answered = 0;
            await Assert.ThrowsAsync<HttpRequestException>(async () =>
            {
                for (; answered < 100; answered++)
                {
                    using HttpResponseMessage response = await PostAsync(http, body);
                    Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
                }
            });
            Assert.InRange(answered, least, most);
            Assert.Equal(1, limits["resets"]);
            using HttpResponseMessage anew = await PostAsync(http, "{}");
            Assert.Equal(HttpStatusCode.OK, anew.StatusCode);
        }
    }

    [Fact]
    public async Task MessagesThatTheHandlerRefuses_CountForNothing()
    {
        (WebApplication app, HttpClient http) = await ListenAsync();
        await using (app)
        using (http)
        {
            using LimitCounter limits = new("vitrine.json.limits");
            for (int i = 0; i < 3 * ResetsMax; i++)
            {
                using HttpResponseMessage response = await PostAsync(http, "{\"failure\":{\"code\":3,\"message\":\"no\"}}");
                Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
            }

            Assert.Equal(0, limits["resets"]);
        }
    }

    [Fact]
    public async Task StreamIsGone_TheFirstWriteSaysSo()
    {
        DefaultHttpContext context = new();
        context.Features.Set<IHttpResponseBodyFeature>(new GoneBody());
        JsonRoute route = JsonRoute.TryMake(new EchoService().Bindings.Single(binding => binding.Method == EchoService.ServerStream))!;
        using JsonServerCall call = new(context, null, route, ViewerGrants.View, CallDeadline.None, isGzip: false, new());
        CallException gone = await Assert.ThrowsAsync<CallException>(async () => await call.WriteAsync(new EchoReply { Sequence = 1 }));
        Assert.Equal(CallStatusCode.Cancelled, gone.Code);
        Assert.False(context.RequestAborted.IsCancellationRequested);
    }

    private static async Task<(WebApplication App, HttpClient Http)> ListenAsync()
    {
        (WebApplication app, Uri address) = await GrpcHost.ListenAsync(builder => builder.UseJsonCalls(s_echo, new() { ResetsMax = ResetsMax, ResetsWindow = TimeSpan.FromHours(1) }));
        return (app, new() { BaseAddress = address, DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact, Timeout = GrpcHost.Patience });
    }

    private static async Task<HttpResponseMessage> PostAsync(HttpClient http, string body)
    {
        using StringContent content = new(body, System.Text.Encoding.UTF8, "application/json");
        return await http.PostAsync(Unary, content);
    }
}
