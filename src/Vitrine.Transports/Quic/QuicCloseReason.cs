namespace Vitrine.Transports.Quic;

/// <summary>Why a connection ended. One of the types below.</summary>
public abstract record QuicCloseReason
{
    private protected QuicCloseReason()
    {
    }
}

/// <summary>An application closed it (RFC 9000, section 10.2).</summary>
/// <param name="ByPeer">The other side's, or ours.</param>
/// <param name="Code">The application's code.</param>
/// <param name="Reason">Its words; at most 1,024 bytes of UTF-8, from the network when <paramref name="ByPeer"/>.</param>
public sealed record QuicApplicationClose(bool ByPeer, ulong Code, string Reason) : QuicCloseReason;

/// <summary>One side found that the other broke the protocol, or could not go on (RFC 9000, section 20.1).</summary>
/// <param name="ByPeer">The peer found it, or we.</param>
/// <param name="Code">The transport's code.</param>
/// <param name="Reason">Words for people.</param>
public sealed record QuicTransportClose(bool ByPeer, ulong Code, string Reason) : QuicCloseReason
{
    /// <summary>Whether the server would not take another connection (CONNECTION_REFUSED).</summary>
    public bool IsRefusal => Code == 0x2;

    /// <summary>The TLS alert, when that is what it was (RFC 9001, section 4.8).</summary>
    public byte? TlsAlert => Code is >= 0x100 and <= 0x1ff ? (byte)Code : null;
}

/// <summary>We did not take the server's certificate.</summary>
/// <param name="Reason">What is wrong with it.</param>
public sealed record QuicCertificateRefused(string Reason) : QuicCloseReason;

/// <summary>Nothing came for the idle time that both sides agreed on.</summary>
public sealed record QuicIdleTimeout : QuicCloseReason;

/// <summary>The handshake did not end in time: nobody is there, or UDP does not pass.</summary>
public sealed record QuicHandshakeTimeout : QuicCloseReason;

/// <summary>The peer lost its state (RFC 9000, section 10.3).</summary>
public sealed record QuicStatelessReset : QuicCloseReason;

/// <summary>The server speaks no version of ours.</summary>
public sealed record QuicVersionMismatch : QuicCloseReason;

/// <summary>Its end point was disposed.</summary>
public sealed record QuicEndpointDisposed : QuicCloseReason;

/// <summary>A fault on this side.</summary>
/// <param name="Reason">Words for people.</param>
public sealed record QuicLocalFailure(string Reason) : QuicCloseReason;

/// <summary>What QUIC throws.</summary>
public class QuicException : IOException
{
    /// <summary>With a message.</summary>
    public QuicException(string message)
        : base(message)
    {
    }

    /// <summary>With a message and its cause.</summary>
    public QuicException(string message, Exception inner)
        : base(message, inner)
    {
    }

    /// <summary>Without words.</summary>
    public QuicException()
    {
    }
}

/// <summary>The connection is closed.</summary>
public sealed class QuicClosedException : QuicException
{
    /// <summary>For a reason.</summary>
    public QuicClosedException(QuicCloseReason reason)
        : base(Describe(reason)) => Reason = reason;

    /// <summary>Why.</summary>
    public QuicCloseReason Reason { get; }

    private static string Describe(QuicCloseReason reason) => reason switch
    {
        QuicApplicationClose close => $"The {(close.ByPeer ? "peer" : "application")} closed the connection with code {close.Code}{Words(close.Reason)}.",
        QuicTransportClose { IsRefusal: true, ByPeer: true } => "The server refuses more connections.",
        QuicTransportClose { TlsAlert: { } alert } close => $"The {(close.ByPeer ? "peer" : "local")} side ended the handshake with TLS alert {alert}{Words(close.Reason)}.",
        QuicTransportClose close => $"The {(close.ByPeer ? "peer" : "local")} side closed the connection with transport error 0x{close.Code:x}{Words(close.Reason)}.",
        QuicCertificateRefused refused => $"The server's certificate is refused: {refused.Reason}.",
        QuicIdleTimeout => "Nothing came for the idle time.",
        QuicHandshakeTimeout => "The handshake did not end in time: nobody answers, or UDP does not pass.",
        QuicStatelessReset => "The peer lost the state of this connection.",
        QuicVersionMismatch => "The server speaks no version of QUIC that is known here.",
        QuicEndpointDisposed => "The end point was disposed.",
        QuicLocalFailure failure => $"The connection failed here: {failure.Reason}.",
        _ => "The connection is closed.",
    };

    private static string Words(string reason) => reason.Length == 0 ? "" : $": {reason}";
}

/// <summary>A stream ended before its end.</summary>
public sealed class QuicStreamException : QuicException
{
    /// <summary>By a code.</summary>
    public QuicStreamException(bool byPeer, ulong? code)
        : base($"The {(byPeer ? "peer" : "application")} gave the stream up{(code is null ? "" : $" with code {code}")}.") => (ByPeer, Code) = (byPeer, code);

    /// <summary>The other side's doing, or ours.</summary>
    public bool ByPeer { get; }

    /// <summary>The application's code. Not known of a peer that wants no more of a two-way stream.</summary>
    public ulong? Code { get; }
}
