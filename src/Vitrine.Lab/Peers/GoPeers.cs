using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;

namespace Vitrine.Lab.Peers;

/// <summary>One thing that a peer's client tried.</summary>
/// <param name="Name">As the peer calls it.</param>
/// <param name="IsOk">Whether it went as it must.</param>
/// <param name="Detail">What went wrong.</param>
internal sealed record GoPeerCheck(string Name, bool IsOk, string Detail);

/// <summary>What a peer's closed loop measured.</summary>
/// <param name="Requests">Requests after the warm-up.</param>
/// <param name="RequestsPerSecond">The same by time.</param>
/// <param name="ClientCpuNs">Processor time of the client for them.</param>
/// <param name="Latency">From before the request was written until the whole answer was read.</param>
/// <param name="Setup">Connecting, one connection after the other.</param>
internal sealed record GoPeerLoad(long Requests, double RequestsPerSecond, long ClientCpuNs, GoPeerDistribution Latency, GoPeerDistribution Setup);

/// <summary>Exact quantiles of a peer's values, nanoseconds.</summary>
internal readonly record struct GoPeerDistribution(long MeanNs, long P50Ns, long P90Ns, long P99Ns, long P999Ns, long MaxNs);

/// <summary>The loop a peer's client runs.</summary>
internal sealed record GoPeerLoadOptions
{
    /// <summary>Connections.</summary>
    public int Connections { get; init; } = 1;

    /// <summary>Requests at a time on each connection.</summary>
    public int Streams { get; init; } = 1;

    /// <summary>Size of a message, both ways.</summary>
    public int MessageBytes { get; init; } = 1024;

    /// <summary>Not measured.</summary>
    public TimeSpan Warmup { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Measured.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>Echo programs on other stacks (<c>bench/peers</c>), as servers and as clients: quic-go, grpc-go and Go's net/http. Built
/// from Debian's Go packages the first time and when their source has changed, into <c>.vitrine/peers</c>.</summary>
/// <remarks>Thread-safe. Of congestion controls, quic-go has only Reno; TCP takes what the kernel has.</remarks>
internal sealed class GoPeers
{
    /// <summary>QUIC. Modes <c>requests</c> (a stream each) and <c>stream</c> (messages on one stream each).</summary>
    public const string QuicGo = "quic-go";

    /// <summary>gRPC: <c>vitrine.v1.Echo</c>, health and reflection. Modes <c>unary</c> and <c>stream</c>.</summary>
    public const string GrpcGo = "grpc-go";

    /// <summary>HTTP/2. Modes <c>bytes</c> and <c>json</c>.</summary>
    public const string GoHttp2 = "go-http2";

    /// <summary>What they are built from.</summary>
    public const string Packages =
        "golang-go golang-github-lucas-clemente-quic-go-dev golang-google-grpc-dev golang-goprotobuf-dev golang-golang-x-net-dev protobuf-compiler";

    private readonly string _folder;

    private GoPeers(string folder) => _folder = folder;

    /// <summary>Builds what is not built.</summary>
    /// <returns>The peers, or why there are none.</returns>
    public static async Task<(GoPeers? Peers, string Reason)> TryBuildAsync(CancellationToken cancellationToken)
    {
        if (SourceFolder.Find() is not string root)
        {
            return (null, "the program does not run from its source folder, where bench/peers is");
        }

        string folder = Path.Combine(root, ".vitrine", "peers");
        (int exitCode, _, string errors) = await ChildProcess.RunAsync(Path.Combine(root, "bench", "peers", "build"), [folder], null, cancellationToken);
        return exitCode switch
        {
            0 => (new GoPeers(folder), string.Empty),
            3 => (null, errors), // names the packages
            _ => (null, $"bench/peers does not build: {errors}"),
        };
    }

    /// <summary>Starts a server, on a free port of 127.0.0.1 unless <paramref name="arguments"/> say otherwise.</summary>
    /// <param name="name">Which.</param>
    /// <param name="mode">One of its modes.</param>
    /// <param name="certificate">With its key; clients look for the name <c>localhost</c> in it.</param>
    /// <param name="congestion">Of TCP; the kernel must have it.</param>
    /// <param name="arguments">More of the program's own flags.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <param name="start">Starts a program, here or in a namespace; null: here.</param>
    /// <exception cref="LaboratoryException">It does not start.</exception>
    public async Task<GoPeerServer> StartServerAsync(
        string name, string mode, X509Certificate2 certificate, string congestion, IReadOnlyList<string> arguments, CancellationToken cancellationToken,
        Func<string, IEnumerable<string>, ChildProcess>? start = null)
    {
        string secrets = Directory.CreateTempSubdirectory("vitrine-peer-").FullName; // 0700
        string certificateFile = Path.Combine(secrets, "certificate.pem"), keyFile = Path.Combine(secrets, "key.pem");
        await File.WriteAllTextAsync(certificateFile, certificate.ExportCertificatePem(), cancellationToken);
        using (AsymmetricAlgorithm key = certificate.GetECDsaPrivateKey() ?? (AsymmetricAlgorithm?)certificate.GetRSAPrivateKey()
            ?? throw new ArgumentException("A server needs the certificate's key.", nameof(certificate)))
        {
            await File.WriteAllTextAsync(keyFile, key.ExportPkcs8PrivateKeyPem(), cancellationToken);
        }

        ChildProcess child = (start ?? ((program, all) => ChildProcess.Start(program, all)))(
            Path.Combine(_folder, name),
            ["serve", "--mode", mode, "--certificate", certificateFile, "--key", keyFile, "--congestion", congestion, .. arguments]);
        var server = new GoPeerServer(name, child, secrets);
        try
        {
            await server.WaitUntilReadyAsync(cancellationToken);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Has the peer's client try all that a server must do.</summary>
    /// <param name="name">Which client.</param>
    /// <param name="mode">One of its modes.</param>
    /// <param name="server">Where to.</param>
    /// <param name="authority">The certificate to trust.</param>
    /// <param name="arguments">More of the program's own flags.</param>
    /// <param name="cancellationToken">Ends the client.</param>
    /// <exception cref="LaboratoryException">The client broke off.</exception>
    public async Task<IReadOnlyList<GoPeerCheck>> CheckAsync(
        string name, string mode, IPEndPoint server, X509Certificate2 authority, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        string output = await RunClientAsync("check", name, mode, server, authority, arguments, cancellationToken);
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ', 2)).Select(line => line[0] == "ok"
            ? new GoPeerCheck(line[1], true, string.Empty)
            : new GoPeerCheck(line[1].Split(": ")[0], false, line[1]))];
    }

    /// <summary>Has the peer's client run a closed loop.</summary>
    /// <param name="name">Which client.</param>
    /// <param name="mode">One of its modes.</param>
    /// <param name="server">Where to.</param>
    /// <param name="authority">The certificate to trust.</param>
    /// <param name="options">The loop.</param>
    /// <param name="arguments">More of the program's own flags.</param>
    /// <param name="cancellationToken">Ends the client.</param>
    /// <exception cref="LaboratoryException">The client broke off: a connection or a request failed.</exception>
    public async Task<GoPeerLoad> LoadAsync(
        string name, string mode, IPEndPoint server, X509Certificate2 authority, GoPeerLoadOptions options, IReadOnlyList<string> arguments,
        CancellationToken cancellationToken)
    {
        string[] loop =
        [
            "--connections", Text(options.Connections), "--streams", Text(options.Streams), "--bytes", Text(options.MessageBytes),
            "--warmup", Text(options.Warmup.TotalSeconds), "--seconds", Text(options.Duration.TotalSeconds),
        ];
        using JsonDocument answer = JsonDocument.Parse(await RunClientAsync("load", name, mode, server, authority, [.. loop, .. arguments], cancellationToken));
        JsonElement report = answer.RootElement;
        return new GoPeerLoad(
            report.GetProperty("requests").GetInt64(),
            report.GetProperty("requestsPerSecond").GetDouble(),
            report.GetProperty("clientCpuNs").GetInt64(),
            new(Number("meanNs"), Number("p50Ns"), Number("p90Ns"), Number("p99Ns"), Number("p999Ns"), Number("maxNs")),
            new(Number("setupMeanNs"), Number("setupP50Ns"), Number("setupP90Ns"), Number("setupP99Ns"), Number("setupP999Ns"), Number("setupMaxNs")));

        long Number(string property) => report.TryGetProperty(property, out JsonElement value) ? value.GetInt64() : 0;

        static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);
    }

    private async Task<string> RunClientAsync(
        string verb, string name, string mode, IPEndPoint server, X509Certificate2 authority, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        string file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, authority.ExportCertificatePem(), cancellationToken);
            (int exitCode, string output, string errors) = await ChildProcess.RunAsync(
                Path.Combine(_folder, name), [verb, "--mode", mode, "--address", server.ToString(), "--authority", file, .. arguments], null, cancellationToken);
            return output.Length > 0 ? output : throw new LaboratoryException($"{name} {verb} ended with {exitCode}: {errors}");
        }
        finally
        {
            File.Delete(file);
        }
    }
}

/// <summary>A peer that serves.</summary>
/// <remarks>Ends with this object, or when this process is gone: its standard input closes then.</remarks>
internal sealed class GoPeerServer : IAsyncDisposable
{
    private readonly string _name;
    private readonly ChildProcess _child;
    private readonly string _secrets;

    internal GoPeerServer(string name, ChildProcess child, string secrets) => (_name, _child, _secrets) = (name, child, secrets);

    /// <summary>For its processor time and memory.</summary>
    public int ProcessId => _child.Id;

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint { get; private set; } = new(IPAddress.None, 0);

    /// <summary>The congestion control it says it has.</summary>
    public string Congestion { get; private set; } = string.Empty;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _child.DisposeAsync();
        Directory.Delete(_secrets, recursive: true);
    }

    internal async Task WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        string? line = await _child.Output.ReadLineAsync(cancellationToken);
        if (line is null)
        {
            await _child.WaitForExitAsync(TimeSpan.FromSeconds(5)); // for what it says of the error
            throw new LaboratoryException($"{_name} does not start: {_child.Errors}");
        }

        using JsonDocument ready = JsonDocument.Parse(line);
        EndPoint = IPEndPoint.Parse(ready.RootElement.GetProperty("address").GetString()!);
        Congestion = ready.RootElement.GetProperty("congestion").GetString()!;
        _child.IgnoreOutput();
    }
}
