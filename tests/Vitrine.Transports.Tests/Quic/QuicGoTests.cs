using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Vitrine.Transports.Quic;
using Vitrine.Transports.Tests.Grpc.Stock;
using Xunit.Abstractions;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>quic-go (<c>bench/peers</c>) with our server, and our client with quic-go's.</summary>
public sealed class QuicGoTests(ITestOutputHelper output)
{
    private const string Protocol = "vitrine-echo";
    private const int Checks = 13;

    [QuicFact]
    public Task Client_EveryCheckHolds() => CheckOurServerAsync(options => options);

    [QuicFact]
    public Task Client_ServerAsksForAnAddressProof_EveryCheckHolds() => CheckOurServerAsync(options => options with { Retry = QuicRetryPolicy.Always });

    [QuicFact]
    public Task Client_ServerOfTwoLoopsWithBbr_EveryCheckHolds() =>
        CheckOurServerAsync(options => options with { Loops = 2, CongestionControl = QuicCongestionControl.Bbr });

    [QuicFact]
    public async Task Server_StreamsOfAllSizesComeBack()
    {
        await using GoServer server = await GoServer.StartAsync();
        QuicConnection connection = await server.ConnectAsync();
        Assert.Equal(Protocol, connection.Protocol);
        foreach (int size in (int[])[0, 1, 1024, 100_000, 16 << 20])
        {
            await EchoAsync(connection, size);
        }

        // More than are allowed at a time.
        await Task.WhenAll(Enumerable.Range(0, 500).Select(i => EchoAsync(connection, 1 + (i * 37 % 20_000))));
    }

    [QuicFact]
    public async Task Server_ResetStreamsAndNewKeys_TheConnectionGoesOn()
    {
        await using GoServer server = await GoServer.StartAsync();
        QuicConnection connection = await server.ConnectAsync();
        await using (QuicStream given = await connection.OpenStreamAsync())
        {
            await given.WriteAsync(QuicPair.RandomBytes(1000));
            given.Reset(9);
            given.StopSending(9);
        }

        await EchoAsync(connection, 1024);
        await connection.UpdateKeysAsync();
        await EchoAsync(connection, 1 << 20);
    }

    [QuicFact]
    public async Task Server_DatagramsComeBack()
    {
        await using GoServer server = await GoServer.StartAsync();
        QuicConnection connection = await server.ConnectAsync();
        byte[] sent = QuicPair.RandomBytes(200), got = new byte[connection.DatagramBytesMax];
        ValueTask<int> receiving = connection.ReceiveDatagramAsync(got);
        while (!receiving.IsCompleted)
        {
            connection.SendDatagram(sent); // any of them may be lost
            await Task.Delay(20);
        }

        Assert.Equal(sent, got[..await receiving]);
    }

    [QuicFact]
    public async Task Server_SessionResumed_EarlyDataAccepted()
    {
        await using GoServer server = await GoServer.StartAsync();
        QuicConnection first = await server.ConnectAsync();
        await EchoAsync(first, 10);
        await QuicPair.UntilAsync(() => first.SavedSession is not null);
        Assert.False(first.IsResumed);

        QuicConnection second = await server.ConnectAsync(options => options with { Session = first.SavedSession, AllowEarlyData = true });
        await EchoAsync(second, 10);
        await second.HandshakeCompleted;
        Assert.True(second.IsResumed);
        Assert.True(second.IsEarlyDataAccepted);
    }

    [QuicFact]
    public async Task Server_NoProtocolInCommon_Refused()
    {
        await using GoServer server = await GoServer.StartAsync("nobody-speaks-this");
        QuicClosedException failure = await Assert.ThrowsAsync<QuicClosedException>(() => server.ConnectAsync());
        Assert.Equal((byte)120, Assert.IsType<QuicTransportClose>(failure.Reason).TlsAlert); // no_application_protocol, RFC 7301
    }

    [QuicFact]
    public async Task Server_ClosedByUs_OthersGoOn_ClosedByIt_SaysSo()
    {
        await using GoServer server = await GoServer.StartAsync();
        QuicConnection left = await server.ConnectAsync(), stays = await server.ConnectAsync();
        await EchoAsync(left, 10);
        await left.CloseAsync(7, "bye");
        await EchoAsync(stays, 10);
        server.Stop();
        QuicCloseReason reason = await stays.Closed;
        Assert.True(reason is QuicApplicationClose, reason.ToString());
    }

    [QuicFact]
    public async Task Server_KilledAndStartedAgain_ItsResetIsUnderstood()
    {
        const string key = "0123456789abcdef0123456789abcdef";
        IPEndPoint place;
        QuicConnection connection;
        await using QuicClient client = new(new QuicClientOptions { Protocols = [Protocol] });
        await using (GoServer first = await GoServer.StartAsync(Protocol, "--reset-key", key))
        {
            place = first.EndPoint;
            connection = await client.ConnectAsync(first.To);
            await EchoAsync(connection, 10);
        } // killed: nobody says good-bye

        Assert.False(connection.Closed.IsCompleted);
        await using GoServer second = await GoServer.StartAsync(Protocol, "--reset-key", key, "--address", place.ToString());
        await Assert.ThrowsAsync<QuicClosedException>(() => EchoAsync(connection, 1024));
        Assert.IsType<QuicStatelessReset>(await connection.Closed);
    }

    private static async Task EchoAsync(QuicConnection connection, int size)
    {
        byte[] request = QuicPair.RandomBytes(size, size);
        await using QuicStream stream = await connection.OpenStreamAsync();
        Task writing = stream.WriteAsync(request, isFinal: true).AsTask();
        byte[] answer = await QuicPair.ReadAllAsync(stream);
        await writing;
        Assert.True(request.AsSpan().SequenceEqual(answer), $"{size} bytes came back as {answer.Length} others.");
    }

    private static async Task EchoDatagramsAsync(QuicConnection connection)
    {
        byte[] datagram = new byte[2048];
        try
        {
            while (true)
            {
                int bytes = await connection.ReceiveDatagramAsync(datagram);
                connection.SendDatagram(datagram.AsSpan(0, bytes));
            }
        }
        catch (QuicException)
        {
            // closed
        }
    }

    private async Task CheckOurServerAsync(Func<QuicListenerOptions, QuicListenerOptions> configure)
    {
        using TemporaryFile authority = new(QuicPair.Certificate.ExportCertificatePem());
        await using QuicPair pair = new(options => configure(options with { Protocols = [Protocol] }));
        Task serving = ServeAsync(pair.Listener);
        string said;
        int exitCode;
        await using (StockProgram client = await StockProgram.StartGoAsync(
            "quic-go", "check", "--alpn", Protocol, "--address", pair.Listener.LocalEndPoint.ToString(), "--authority", authority.Path))
        {
            (said, exitCode) = await client.ReadToEndAsync();
        }

        output.WriteLine(said);
        Assert.True(exitCode == 0 && said.Split('\n').Count(line => line.StartsWith("ok ", StringComparison.Ordinal)) == Checks, said);
        Assert.True(pair.Listener.GetStatistics().VersionNegotiationsSent > 0);
        await pair.Listener.DisposeAsync();
        await serving;

        static async Task ServeAsync(QuicListener listener)
        {
            List<Task> tasks = [];
            try
            {
                while (true)
                {
                    QuicConnection connection = await listener.AcceptConnectionAsync();
                    tasks.Add(EchoDatagramsAsync(connection));
                    tasks.Add(EchoServer.ServeAsync(connection));
                }
            }
            catch (ObjectDisposedException)
            {
                await Task.WhenAll(tasks);
            }
        }
    }

    private sealed class GoServer : IAsyncDisposable
    {
        private readonly StockProgram _program;
        private readonly QuicClient _client;

        private GoServer(StockProgram program, IPEndPoint endPoint, string protocol)
        {
            _program = program;
            _client = new QuicClient(new QuicClientOptions { Protocols = [protocol] });
            EndPoint = endPoint;
        }

        public IPEndPoint EndPoint { get; }

        public QuicConnectOptions To => new()
        {
            EndPoint = EndPoint,
            Host = "localhost",
            CertificateFingerprint = QuicPair.Fingerprint(QuicPair.Certificate),
        };

        public static async Task<GoServer> StartAsync(string protocol = Protocol, params string[] arguments)
        {
            X509Certificate2 certificate = QuicPair.Certificate;
            using TemporaryFile certificateFile = new(certificate.ExportCertificatePem());
            using ECDsa key = certificate.GetECDsaPrivateKey()!;
            using TemporaryFile keyFile = new(key.ExportPkcs8PrivateKeyPem());
            (StockProgram program, IPEndPoint endPoint) = await StockProgram.StartGoServerAsync(
                "quic-go", ["--alpn", Protocol, "--certificate", certificateFile.Path, "--key", keyFile.Path, .. arguments]);
            return new(program, endPoint, protocol);
        }

        public Task<QuicConnection> ConnectAsync(Func<QuicConnectOptions, QuicConnectOptions>? configure = null) =>
            _client.ConnectAsync(configure?.Invoke(To) ?? To);

        /// <summary>Asks it to end.</summary>
        public void Stop() => _program.CloseInput();

        public async ValueTask DisposeAsync()
        {
            await _program.DisposeAsync();
            await _client.DisposeAsync();
        }
    }
}
