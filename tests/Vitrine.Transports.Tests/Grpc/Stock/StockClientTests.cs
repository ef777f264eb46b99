using System.Security.Cryptography.X509Certificates;
using Vitrine.Transports.Tests.Quic;
using Xunit.Abstractions;

namespace Vitrine.Transports.Tests.Grpc.Stock;

/// <summary>Clients of others against our server. What they check is in their scripts.</summary>
public sealed class StockClientTests(ITestOutputHelper output)
{
    private const int ChecksMin = 16;

    [Fact]
    public async Task GrpcJs_EveryCheckHolds()
    {
        await using GrpcHost host = await GrpcHost.StartAsync();
        await AssertAsync(StockProgram.StartJs("client", host.Address.Authority, StockProgram.Protos));
    }

    [Fact]
    public async Task GrpcJsOverTls_EveryCheckHolds()
    {
        using X509Certificate2 certificate = GrpcHost.MakeCertificate();
        await using GrpcHost host = await GrpcHost.StartAsync(certificate: certificate);
        string path = Write(certificate, "js");
        await AssertAsync(StockProgram.StartJs("client", host.Address.Authority, StockProgram.Protos, path));
    }

    [Fact]
    public async Task PythonGrpcio_EveryCheckHolds()
    {
        await using GrpcHost host = await GrpcHost.StartAsync();
        await AssertAsync(StockProgram.StartPython("client", host.Address.Authority, StockProgram.Descriptors));
    }

    [Fact]
    public async Task PythonGrpcioOverTls_EveryCheckHolds()
    {
        using X509Certificate2 certificate = GrpcHost.MakeCertificate();
        await using GrpcHost host = await GrpcHost.StartAsync(certificate: certificate);
        string path = Write(certificate, "python");
        await AssertAsync(StockProgram.StartPython("client", host.Address.Authority, StockProgram.Descriptors, path));
    }

    [Fact]
    public async Task GrpcGo_EveryCheckHolds()
    {
        await using GrpcHost host = await GrpcHost.StartAsync();
        await AssertAsync(await StockProgram.StartGoAsync("grpc-go", "check", "--plain", "--address", host.Address.Authority));
    }

    [Fact]
    public async Task GrpcGoOverTls_EveryCheckHolds()
    {
        using X509Certificate2 certificate = QuicPair.MakeCertificate(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(1));
        await using GrpcHost host = await GrpcHost.StartAsync(certificate: certificate);
        await AssertAsync(await StockProgram.StartGoAsync("grpc-go", "check", "--address", host.Address.Authority, "--authority", Write(certificate, "go")));
    }

    private static string Write(X509Certificate2 certificate, string name)
    {
        string path = Path.Combine(AppContext.BaseDirectory, $"stock-{name}.pem");
        File.WriteAllText(path, certificate.ExportCertificatePem());
        return path;
    }

    private async Task AssertAsync(StockProgram program)
    {
        await using (program)
        {
            (string said, int exitCode) = await program.ReadToEndAsync();
            output.WriteLine(said);
            Assert.True(exitCode == 0 && said.Split('\n').Count(line => line.StartsWith("ok ", StringComparison.Ordinal)) >= ChecksMin, said);
        }
    }
}
