using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Vitrine.Transports;
using Vitrine.Transports.Quic;
using Vitrine.Viewer;
using Vitrine.Wire;

namespace Vitrine.Cli.Tests;

/// <summary>Machines whose QUIC library cannot be used: which and why is told, and everything over TCP goes on.</summary>
public sealed class QuicLibraryTests(DisplayFixture display) : IClassFixture<DisplayFixture>, IDisposable
{
    private const string Library = "libngtcp2.so.16", Package = "libngtcp2-16";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vitrine-quic-");

    // The loader looks here first.
    private string LibraryPath => Path.Combine(_folder.FullName, Library);

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public Task Missing_PackageIsNamed_TcpGoesOn()
    {
        File.WriteAllText(LibraryPath, "no library");
        return AssertTcpGoesOnAsync($"{Library} is not installed: the package {Package} brings it");
    }

    [Fact]
    public Task OfAnotherVersion_BothVersionsAreTold_TcpGoesOn()
    {
        string source = Path.Combine(_folder.FullName, "another.c");
        File.WriteAllText(source, """
            struct { int age; int number; const char *text; } other = {1, 0x010c03, "1.12.3"};
            void *ngtcp2_version(int least) { return &other; }
            """);
        using (Process compiler = Process.Start("cc", ["-shared", "-fPIC", "-o", LibraryPath, source]))
        {
            compiler.WaitForExit();
            Assert.True(compiler.ExitCode == 0, "The library does not compile: apt-get install gcc libc6-dev.");
        }

        return AssertTcpGoesOnAsync($"{Library} is version 1.12.3; supported is 1.11");
    }

    private async Task AssertTcpGoesOnAsync(string reason)
    {
        Dictionary<string, string> environment = new() { ["LD_LIBRARY_PATH"] = _folder.FullName, ["XDG_CONFIG_HOME"] = _folder.FullName };
        using (ProgramUnderTest doctor = ProgramUnderTest.StartWith(environment, "", display.Name, null, "doctor", "--json"))
        {
            doctor.WaitForExit();
            using JsonDocument diagnosis = JsonDocument.Parse(doctor.Output);
            JsonElement quic = Assert.Single(diagnosis.RootElement.GetProperty("checks").EnumerateArray(), check => check.GetProperty("name").GetString() == "QUIC");
            Assert.Equal("lesser", quic.GetProperty("state").GetString());
            Assert.StartsWith(reason, quic.GetProperty("detail").GetString(), StringComparison.Ordinal);
            Assert.EndsWith("the other transports go on", quic.GetProperty("detail").GetString(), StringComparison.Ordinal);
            Assert.Contains(Package, quic.GetProperty("mend").GetString(), StringComparison.Ordinal);
        }

        string readyPath = Path.Combine(_folder.FullName, "ready.json");
        using ProgramUnderTest program = ProgramUnderTest.StartWith(
            environment, "", display.Name, null, "share", "--listen", "0.0.0.0", "--port", "0", "--verbose", "--ready-file", readyPath);
        await program.WaitForFileAsync(readyPath);
        using JsonDocument ready = JsonDocument.Parse(await File.ReadAllBytesAsync(readyPath));
        Uri url = new UriBuilder(ready.RootElement.GetProperty("url").GetString()!) { Host = "127.0.0.1" }.Uri;
        string pem = await File.ReadAllTextAsync(Path.Combine(_folder.FullName, "vitrine", "certificate.pem"));
        using X509Certificate2 certificate = X509Certificate2.CreateFromPem(pem);
        string fingerprint = certificate.GetCertHashString(HashAlgorithmName.SHA256);

        (QuicOffer? offer, ConnectResult refusal) = await QuicOffer.AskAsync(PacketConnector.StreamAddress(url), new() { CertificateFingerprint = fingerprint }, CancellationToken.None);
        Assert.Null(offer);
        Assert.Contains("does not speak QUIC", refusal.Detail, StringComparison.Ordinal);
        await using (HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(url, new() { Transport = PacketTransport.Best, CertificateFingerprint = fingerprint }))
        {
            Assert.Equal("websocket", viewer.Transport);
            Assert.True(await viewer.WaitUntilAsync(seen => seen.Topology is { State: TopologyState.Live } && seen.FrameCount > 0, ProgramUnderTest.Deadline), "No picture came.");
        }

        program.Signal("INT");
        Assert.Equal(0, program.WaitForExit());
        Assert.Contains($"QUIC is not spoken: {reason}", program.Output, StringComparison.Ordinal);
    }
}
