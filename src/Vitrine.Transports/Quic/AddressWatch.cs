using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <summary>Tells that addresses, links or routes of this machine have changed (<c>rtnetlink(7)</c>). What has changed is not read: who
/// wants to know asks for its own address again, <see cref="AddressTowards"/>.</summary>
/// <remarks>One thread. Of the network namespace of the thread that opens it.</remarks>
internal sealed unsafe class AddressWatch : IDisposable
{
    // A message is some 100 bytes; one that is cut off has told what there is to tell.
    private const int BufferBytes = 4096;

    // More are taken in the next turn.
    private const int ReadsMax = 64;

    private readonly SafeFileHandle _socket;

    private AddressWatch(SafeFileHandle socket) => _socket = socket;

    /// <summary>For <c>poll</c>.</summary>
    public int Descriptor => (int)_socket.DangerousGetHandle();

    /// <summary>Begins.</summary>
    /// <returns>Null where the system does not tell.</returns>
    public static AddressWatch? TryOpen()
    {
        SafeFileHandle socket = LibCNetwork.socket(
            LibCNetwork.FamilyNetlink, LibCNetwork.TypeRaw | LibCNetwork.SocketCloseOnExec | LibCNetwork.SocketNonBlocking, LibCNetwork.NetlinkRoute);
        NetlinkAddress address = new() { Family = LibCNetwork.FamilyNetlink, Groups = LibCNetwork.RouteGroups };
        if (!socket.IsInvalid && LibCNetwork.bind(socket, in address, NetlinkAddress.Bytes) == 0)
        {
            return new AddressWatch(socket);
        }

        socket.Dispose();
        return null;
    }

    /// <summary>Takes what it has been told.</summary>
    public void Take()
    {
        byte* buffer = stackalloc byte[BufferBytes];
        for (int i = 0; i < ReadsMax; i++)
        {
            // SAFETY: the buffer is as long as it says, and the descriptor is open until Dispose. -1: no more, or messages were dropped,
            // which tells as much.
            if (LibCNetwork.read(Descriptor, buffer, BufferBytes) <= 0)
            {
                return;
            }
        }
    }

    /// <summary>Where the system would send from to somebody now; nothing is sent.</summary>
    /// <returns>Null when there is no way.</returns>
    public static IPAddress? AddressTowards(IPEndPoint remote)
    {
        try
        {
            using Socket socket = new(remote.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(remote);
            return ((IPEndPoint)socket.LocalEndPoint!).Address;
        }
        catch (SocketException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();
}
