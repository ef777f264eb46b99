using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Vitrine.Server.Access;
using Vitrine.Server.Metrics;
using Vitrine.Server.Sharing;
using Vitrine.Transports;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Quic;
using Vitrine.Wire;

namespace Vitrine.Server;

/// <summary>The way in over QUIC: calls and the live stream on a UDP port, behind the same tokens, seats and limits as over TCP.</summary>
internal sealed class QuicEntrance : IAsyncDisposable
{
    private readonly QuicCallServer _server;
    private readonly ShareSession _session;
    private readonly ViewerSeats _seats;

    private QuicEntrance(
        QuicListener listener, CallTable calls, CallAccess access, PeerLedger peers, ShareSession session, ViewerSeats seats, ILogger? log, string fingerprint,
        QuicCongestionControl congestion)
    {
        (_session, _seats, Fingerprint, Congestion) = (session, seats, fingerprint, congestion);
        _server = new(listener, calls, new() { Access = access, Peers = peers, Logger = log, Live = ServeAsync });
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint => _server.Listener.LocalEndPoint;

    /// <summary>SHA-256 of the certificate it shows.</summary>
    public string Fingerprint { get; }

    /// <summary>What it sends with.</summary>
    public QuicCongestionControl Congestion { get; }

    /// <summary>Starts to listen: on the TCP port's number when it is free, else on any.</summary>
    /// <param name="endPoint">Address and TCP port.</param>
    /// <param name="certificate">Borrowed for the call.</param>
    /// <param name="congestion">What it sends with.</param>
    /// <param name="threads">That speak it.</param>
    /// <param name="viewersMax">Most viewers.</param>
    /// <param name="calls">What is served.</param>
    /// <param name="access">What tokens grant.</param>
    /// <param name="peers">What peers may do, over TCP too.</param>
    /// <param name="session">What is shared.</param>
    /// <param name="seats">Of viewers.</param>
    /// <param name="log">For faults of handlers.</param>
    /// <param name="why">Why it does not work here; empty when it does.</param>
    /// <returns>Null when it does not work here: the ways over TCP go on.</returns>
    public static QuicEntrance? TryStart(
        IPEndPoint endPoint, X509Certificate2 certificate, QuicCongestionControl congestion, int threads, int viewersMax, CallTable calls, CallAccess access, PeerLedger peers,
        ShareSession session, ViewerSeats seats, ILogger? log, out string why)
    {
        if (!QuicSupport.TryLoad(out why))
        {
            return null;
        }

        why = "";
        QuicListenerOptions options = QuicCallServer.Listening(endPoint, certificate, connectionsMax: (viewersMax * 4) + 64, peers) with // as over TCP
        {
            CongestionControl = congestion, Loops = threads,
        };
        try
        {
            QuicListener listener;
            try
            {
                listener = QuicListener.Listen(options);
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                listener = QuicListener.Listen(options with { EndPoint = new(endPoint.Address, 0) });
            }

            return new(listener, calls, access, peers, session, seats, log, HostCertificate.Fingerprint(certificate), congestion);
        }
        catch (Exception exception) when (exception is SocketException or QuicException or System.Security.Cryptography.CryptographicException)
        {
            why = exception.Message;
            return null;
        }
    }

    /// <summary>Closes all connections.</summary>
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async ValueTask ServeAsync(IPacketConnection connection, ViewerGrants grants)
    {
        if (!_session.Status.IsSharing)
        {
            ShareMeter.ViewersRefused.Add(1, ShareMeter.Reason("stopped"));
            throw new CallException(CallStatusCode.FailedPrecondition, "Sharing is stopped.");
        }

        if (!_seats.TryTake())
        {
            ShareMeter.ViewersRefused.Add(1, ShareMeter.Reason("full"));
            throw new CallException(CallStatusCode.Unavailable, "The host has as many viewers as it takes.");
        }

        try
        {
            await _session.ServeAsync(connection, grants);
        }
        finally
        {
            _seats.Release();
        }
    }
}
