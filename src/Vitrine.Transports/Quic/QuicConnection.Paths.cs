using System.Net;
using System.Runtime.CompilerServices;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <content>Where a connection is sent from and to, on the loop's thread: migration of its own accord (RFC 9000, section 9.2), or because this
/// machine's address has changed.</content>
public sealed unsafe partial class QuicConnection
{
    // Packets after a change within which it is tried again: the server has given no spare connection id yet, or the handshake is not confirmed.
    private const int AddressChecksMax = 16;

    /// <summary>Addresses or routes of this machine have changed, or nothing can be sent from here any more.</summary>
    internal void AddressesChanged()
    {
        if (_connect is { LocalEndPoint: null } && Options is QuicClientOptions { FollowsAddress: true })
        {
            _addressChecks = AddressChecksMax;
            FollowAddress();
        }
    }

    // Goes on from where the system would send now, as a telephone that leaves the house.
    private void FollowAddress()
    {
        if (_native is null || _isInHandshake || AddressWatch.AddressTowards(_remote.ToEndPoint()) is not { } address)
        {
            return;
        }

        if (address.Equals(_local.ToEndPoint().Address))
        {
            _addressChecks = 0;
        }
        else if (TryMigrate(new IPEndPoint(address, 0)) is null)
        {
            _addressChecks = 0;
            _addressesFollowed++;
            _migration?.TrySetResult(false); // what was to be proven is not used any more
            _migration = null;
        }
    }

    private void FollowPath()
    {
        // SAFETY: the connection owns the path, and the addresses are as long as they say.
        Ngtcp2Path* path = LibNgtcp2.ngtcp2_conn_get_path(_connection);
        SocketAddressBytes remote = default;
        SocketAddressBytes local = default;
        Unsafe.CopyBlock(&remote, path->Remote.Address, Math.Min(path->Remote.Bytes, SocketAddressBytes.BytesMax));
        Unsafe.CopyBlock(&local, path->Local.Address, Math.Min(path->Local.Bytes, SocketAddressBytes.BytesMax));
        if (!_remote.Equals(remote))
        {
            ForgetRepeats();
        }

        (_remote, _local) = (remote, local);
        Volatile.Write(ref _remoteEndPoint, remote.ToEndPoint());
        Volatile.Write(ref _localEndPoint, local.ToEndPoint());
        _port = PortOf(in local);
        _migration?.TrySetResult(_pathResult);
        _migration = null;
    }

    private void Migrate(IPEndPoint local, TaskCompletionSource<bool> result)
    {
        if (_native is null || _migration is not null)
        {
            result.TrySetException(_native is null ? new QuicClosedException(_reason!) : new QuicException("Another migration runs."));
        }
        else if (TryMigrate(local) is { } failure)
        {
            result.TrySetException(failure);
        }
        else
        {
            _migration = result;
        }
    }

    // Null: it goes on from there.
    private QuicException? TryMigrate(IPEndPoint local)
    {
        QuicPort port;
        try
        {
            IPEndPoint remote = _remote.ToEndPoint();
            port = OpenPort(local, remote);
        }
        catch (Exception exception) when (exception is System.Net.Sockets.SocketException or ArgumentException)
        {
            return new QuicException($"{local} cannot be used: {exception.Message}", exception);
        }

        // The port before the last one has had its time.
        while (_ports.Count > 1)
        {
            QuicPort old = _ports.First(candidate => candidate != _port);
            _ports.Remove(old);
            _loop.RemovePort(old);
        }

        port.Owner = this;
        _loop.AddPort(port);
        SocketAddressBytes localBytes = port.Local;
        SocketAddressBytes remoteBytes = _remote;
        Ngtcp2Path path = MakePath(&localBytes, &remoteBytes);
        int code = LibNgtcp2.ngtcp2_conn_initiate_immediate_migration(_connection, &path, QuicEventLoop.Now);
        if (code != 0)
        {
            _loop.RemovePort(port);
            return new QuicException($"The connection cannot migrate now: {LibNgtcp2.Describe(code)}.");
        }

        ForgetRepeats();
        _hasPathResult = false; // of the one before
        _ports.Add(port);
        _port = port;
        _local = port.Local;
        Volatile.Write(ref _localEndPoint, port.Local.ToEndPoint());
        _loop.Touch(this);
        return null;
    }
}
