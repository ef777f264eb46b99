using System.Buffers;
using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Http2;
using Vitrine.Transports.Tests.Calls;
using Vitrine.Transports.Tests.Grpc;
using Vitrine.Wire;
using Vitrine.Wire.Tests;
using Vitrine.Wire.V1;
using Xunit.Abstractions;

namespace Vitrine.Transports.Tests.Http2;

/// <summary>Changed JSON, queries, problems and bodies of packets: a status and nothing else, whatever comes. VITRINE_FUZZ_SECONDS makes it
/// longer (3 otherwise), VITRINE_FUZZ_SEED makes it another run.</summary>
public sealed class JsonFuzzTests(ITestOutputHelper output)
{
    private static readonly byte[][] s_requests =
    [
        .. ((string[])
        [
            "{}",
            "{\"payload\":\"aGFsbG8=\",\"replyCount\":3,\"replyBytes\":10,\"delayMicros\":0}",
            "{\"failure\":{\"code\":5,\"message\":\"größer \\u00e9 \\ud83d\\ude00\",\"detail\":\"AAECAw==\"}}",
            "{\"reply_count\":\"4294967295\",\"payload\":null,\"failure\":{}}",
            "{\"format\":\"RAW\",\"rectangle\":{\"x\":-1,\"y\":2147483647,\"width\":1e2,\"height\":\"5\"},\"bytesMax\":1000000}",
            "{\"format\":2}{\"format\":[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]}",
        ]).Select(Encoding.UTF8.GetBytes),
    ];

    private static readonly byte[][] s_queries =
    [
        .. ((string[])["payload=aGFsbG8%3D&replyCount=3", "failure.code=5&failure.message=x%20y&failure.detail=AA", "format=PNG&rectangle.x=-1&rectangle.width=5&bytes_max=7", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s=1&&=&%"]).Select(Encoding.UTF8.GetBytes),
    ];

    private static readonly byte[][] s_problems =
    [
        .. ((string[])
        [
            "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"text\",\"code\":\"INVALID_ARGUMENT\",\"help\":\"do\",\"details\":[{\"@type\":\"type.googleapis.com/vitrine.v1.EchoReply\",\"payload\":\"AA==\"}]}",
            "{\"code\":7,\"details\":[1,null,{\"@type\":\"x\",\"value\":\"AA==\"},{\"@type\":\"type.googleapis.com/x.Y\",\"value\":\"AA==\"}]}",
            "[]",
        ]).Select(Encoding.UTF8.GetBytes),
    ];

    [Fact]
    public void ChangedBytes_CallExceptionOnly()
    {
        Mutator mutator = new();
        Stopwatch watch = Stopwatch.StartNew();
        long inputs = 0, accepted = 0;
        while (watch.Elapsed < Mutator.Duration)
        {
            foreach ((byte[][] corpus, Func<byte[], bool> parse) in ((byte[][], Func<byte[], bool>)[])[(s_requests, ParseRequest), (s_queries, ParseQuery), (s_problems, ParseProblem)])
            {
                byte[] input = mutator.Mutate(corpus[mutator.Next(corpus.Length)], corpus[mutator.Next(corpus.Length)]);
                try
                {
                    accepted += parse(input) ? 1 : 0;
                }
                catch (Exception exception)
                {
                    Assert.Fail($"seed {Mutator.Seed}, input {inputs}: {exception}\n{Convert.ToHexString(input)}");
                }

                inputs++;
            }
        }

        output.WriteLine($"{inputs} inputs, {accepted} accepted");
        Assert.True(accepted > 0, "Nothing was accepted: the corpus is wrong.");
    }

    [Fact]
    public void ChangedPackets_StatusOnly()
    {
        byte[] stream = new byte[3 * (PacketHeader.SizeBytes + 16)];
        for (int i = 0; i < 3; i++)
        {
            new PacketHeader(PacketType.ClockRequest, PacketFlags.None, 0, 16, 0, 0, 0).Write(stream.AsSpan(i * (PacketHeader.SizeBytes + 16)));
        }

        Mutator mutator = new();
        Stopwatch watch = Stopwatch.StartNew();
        byte[] into = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToHost];
        while (watch.Elapsed < Mutator.Duration)
        {
            ReadOnlySequence<byte> rest = new(mutator.Mutate(stream, stream));
            while (Http2PacketConnection.Take(rest, isEnd: true, into, out SequencePosition consumed) is { Status: PacketReceiveStatus.Packet } packet)
            {
                Assert.InRange(packet.Bytes, PacketHeader.SizeBytes, into.Length);
                rest = rest.Slice(consumed);
            }
        }
    }

    [Fact]
    public async Task ChangedRequests_ServerAnswersAndGoesOn()
    {
        CallTable table = new(new EchoService().Bindings);
        (WebApplication app, Uri address) = await GrpcHost.ListenAsync(builder => builder.UseJsonCalls(table, new() { RequestBytesMax = 4096, ResetsMax = int.MaxValue }));
        await using (app)
        {
            using HttpClient http = new() { BaseAddress = address, DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact, Timeout = GrpcHost.Patience };
            Mutator mutator = new();
            Stopwatch watch = Stopwatch.StartNew();
            while (watch.Elapsed < Mutator.Duration)
            {
                byte[] body = mutator.Mutate(s_requests[mutator.Next(s_requests.Length)], s_requests[mutator.Next(s_requests.Length)]);
                bool isStream = mutator.Next(2) == 0;
                using ByteArrayContent content = new(body) { Headers = { ContentType = new(isStream ? "application/x-ndjson" : "application/json") } };
                using HttpRequestMessage request = new(HttpMethod.Post, isStream ? "/api/v1/echo/client-stream" : "/api/v1/echo/unary") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = content, Headers = { { "grpc-timeout", "1S" } } };
                using HttpResponseMessage response = await http.SendAsync(request);
                string answer = await response.Content.ReadAsStringAsync();
                string? type = response.Content.Headers.ContentType?.MediaType;
                Assert.True(type == (response.IsSuccessStatusCode ? "application/json" : "application/problem+json"), $"{(int)response.StatusCode} {type}: {Convert.ToHexString(body)}");
                JsonDocument.Parse(answer).Dispose();
                int status = (int)response.StatusCode;
                Assert.True(status < 500 || answer.Contains("DEADLINE_EXCEEDED", StringComparison.Ordinal) || body.AsSpan().IndexOf("failure"u8) >= 0, $"{answer}: {Convert.ToHexString(body)}");
            }

            await app.StopAsync(new CancellationToken(canceled: true));
        }
    }

    // Frames, header blocks and bodies of a bad server: the answer, a stream of answers, a refusal.
    [Fact]
    public async Task AnswersOfAServer_CallFailsOrSucceeds()
    {
        byte[] lines = Encoding.UTF8.GetBytes("{\"payload\":\"aGFsbG8=\"}\n{\"sequence\":\"7\"}\n");
        byte[] brokenOff = [.. lines, .. Encoding.UTF8.GetBytes($"{{\"{Problem.LineMember}\":"), .. s_problems[0], .. "}\n"u8];
        (int Status, string Type, byte[] Body)[] answers =
        [
            (200, JsonServer.JsonType, "{\"payload\":\"aGFsbG8=\",\"sequence\":\"7\"}"u8.ToArray()), (200, JsonServer.LinesType, lines),
            (200, JsonServer.LinesType, brokenOff), (400, Problem.ContentType, s_problems[0]), (500, "text/html", "<html>"u8.ToArray()),
        ];
        using RawHttp2Server server = new();
        Mutator mutator = new();
        Stopwatch watch = Stopwatch.StartNew();
        long inputs = 0, succeeded = 0;
        while (watch.Elapsed < Mutator.Duration)
        {
            bool isHonest = inputs % 50 == 0;
            (int status, string type, byte[] body) = answers[mutator.Next(isHonest ? 2 : answers.Length)];
            byte[] other = answers[mutator.Next(answers.Length)].Body;
            byte[] input = isHonest ? Answer(status, type, body) : mutator.Next(2) == 0 ? Answer(status, type, mutator.Mutate(body, other)) : mutator.Mutate(Answer(status, type, body), other);
            Task serving = server.AnswerAsync(input);
            await using (HttpJsonChannel channel = new(server.Address, new() { ResponseBytesMax = 64 << 10 }))
            {
                try
                {
                    await WholeCall.ReadAsync(channel, type == JsonServer.LinesType ? EchoService.ServerStream : EchoService.Unary).WaitAsync(GrpcHost.Patience);
                    succeeded++;
                }
                catch (CallException) when (!isHonest)
                {
                    // a status, as it should be
                }
                catch (Exception exception)
                {
                    Assert.Fail($"seed {Mutator.Seed}, input {inputs}: {exception}\n{Convert.ToHexString(input)}");
                }
            }

            await serving;
            inputs++;
        }

        output.WriteLine($"{inputs} answers, {succeeded} calls succeeded");

        static byte[] Answer(int status, string type, ReadOnlySpan<byte> body)
        {
            List<byte> head = [], tail = [];
            RawHttp2.Literal(head, ":status", $"{status}");
            RawHttp2.Literal(head, "content-type", type);
            RawHttp2.Literal(tail, "name-bin", "AAEC");
            return
            [
                .. RawHttp2.Frame(RawHttp2.Settings, 0, 0, []), .. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, 1, [.. head]), .. RawHttp2.Frame(RawHttp2.Data, 0, 1, body),
                .. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders | RawHttp2.EndStream, 1, [.. tail]),
            ];
        }
    }

    private static bool ParseRequest(byte[] input)
    {
        bool isAccepted = false;
        foreach (IMessage into in (IMessage[])[new EchoRequest(), new GetPictureRequest()])
        {
            try
            {
                JsonMessages.ReadRequest(new(input), into);
                isAccepted = true;
            }
            catch (CallException exception) when (exception.Code == CallStatusCode.InvalidArgument)
            {
                // That is what it should say.
            }
        }

        return isAccepted;
    }

    private static bool ParseQuery(byte[] input)
    {
        QueryCollection query = new(QueryHelpers.ParseQuery(Encoding.Latin1.GetString(input)));
        bool isAccepted = false;
        foreach (IMessage into in (IMessage[])[new EchoRequest(), new GetPictureRequest()])
        {
            try
            {
                JsonMessages.ReadQuery(query, into);
                isAccepted = true;
            }
            catch (CallException exception) when (exception.Code == CallStatusCode.InvalidArgument)
            {
                // That is what it should say.
            }
        }

        return isAccepted;
    }

    private static bool ParseProblem(byte[] input)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(input);
        }
        catch (JsonException)
        {
            return false;
        }

        using (document)
        {
            Assert.NotEqual(CallStatusCode.Ok, Problem.Read(document.RootElement, 400, EchoReflection.Descriptor).Code);
        }

        return true;
    }
}
