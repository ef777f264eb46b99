using System.Net;
using Vitrine.Events.Hosts;
using Vitrine.Server.Access;
using Vitrine.Transports.Quic;

namespace Vitrine.Server;

/// <summary>Where and to whom the server answers. Keys: <c>listen</c>, <c>port</c>, <c>viewers</c>, <c>token</c>, <c>control</c>,
/// <c>administer</c>, <c>quic</c>, <c>quic-threads</c>, <c>cert</c>, <c>cert-key</c>, <c>config-directory</c>.</summary>
public sealed record ServerOptions
{
    /// <summary>The port when none is given.</summary>
    public const int DefaultPort = 8790;

    /// <summary>Most of <see cref="QuicThreads"/>.</summary>
    public const int QuicThreadsMax = QuicListenerOptions.LoopsMax;

    /// <summary>Address to listen on. Anything but loopback is served over TLS only.</summary>
    public IPAddress Listen { get; init; } = IPAddress.Loopback;

    /// <summary>TCP port; 0: a free one is chosen.</summary>
    public int Port { get; init; } = DefaultPort;

    /// <summary>Whether QUIC is spoken as well, on the same number of a UDP port when that is free; on loopback from when somebody asks
    /// (<see cref="VitrineServer.OpenQuic"/>). Where its libraries are missing, the ways over TCP go on
    /// (<see cref="VitrineServer.QuicFailure"/>).</summary>
    public bool Quic { get; init; } = true;

    /// <summary>What QUIC sends with: <see cref="QuicCongestionControl.Cubic"/> or <see cref="QuicCongestionControl.Bbr"/>.</summary>
    public QuicCongestionControl QuicCongestion { get; init; } = QuicCongestionControl.Cubic;

    /// <summary>Threads that speak QUIC, each with a socket of its own on the port, 1..<see cref="QuicThreadsMax"/>: a connection stays on one of
    /// them. More than one is of use where one processor is not enough for all viewers over QUIC.</summary>
    public int QuicThreads { get; init; } = 1;

    /// <summary>Most viewers at once, 1..1024.</summary>
    public int ViewersMax { get; init; } = 64;

    /// <summary>The token that lets people view; null: a random one is made. 22 to 128 characters of base64url: 22 hold 128 bits.</summary>
    public string? Token { get; init; }

    /// <summary>Whether a second token is made that also grants control.</summary>
    public bool Control { get; init; }

    /// <summary>Whether a third token is made that also grants administration.</summary>
    public bool Administer { get; init; }

    /// <summary>PEM or PKCS#12 file with the certificate to show; null: one is made on first use and kept.</summary>
    public string? CertificatePath { get; init; }

    /// <summary>PEM file with the certificate's key, when it is not in <see cref="CertificatePath"/>.</summary>
    public string? CertificateKeyPath { get; init; }

    /// <summary>Where the certificate that is made on first use is kept.</summary>
    public string ConfigDirectory { get; init; } = Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData, Environment.SpecialFolderOption.DoNotVerify), "vitrine");

    /// <summary>Folder with the web page's files.</summary>
    public string WebRoot { get; init; } = Path.Combine(AppContext.BaseDirectory, "wwwroot");

    /// <summary>What happened, for those who may administer; borrowed. Null: nobody keeps it.</summary>
    public HostEvents? Events { get; init; }

    /// <summary>Whether the server speaks TLS.</summary>
    public bool IsTls => !IPAddress.IsLoopback(Listen) || CertificatePath is not null;

    /// <summary>What cannot be used; empty when all is well.</summary>
    /// <param name="sourceOf">Says for a key where its value came from; null: «default».</param>
    public IReadOnlyList<OptionError> Validate(Func<string, string>? sourceOf = null)
    {
        OptionCheck check = new(sourceOf);
        check.Require(Port is >= 0 and <= 65_535, "port", Port, "a number from 0 (any free port) to 65535.");
        check.Require(ViewersMax is >= 1 and <= 1024, "viewers", ViewersMax, "a number from 1 to 1024.");
        check.Require(QuicThreads is >= 1 and <= QuicThreadsMax, "quic-threads", QuicThreads, $"a number from 1 to {QuicThreadsMax}.");
        check.Require(Token is null || AccessControl.IsWellFormed(Token), "token", "", "22 to 128 characters out of A-Z a-z 0-9 - _.");
        check.Require(CertificatePath is null || File.Exists(CertificatePath), "cert", CertificatePath, "a PEM or PKCS#12 file that exists.");
        check.Require(CertificateKeyPath is null || File.Exists(CertificateKeyPath), "cert-key", CertificateKeyPath, "a PEM file that exists.");
        check.Require(CertificateKeyPath is null || CertificatePath is not null, "cert-key", CertificateKeyPath, "only together with cert.");
        return check.Errors;
    }
}
