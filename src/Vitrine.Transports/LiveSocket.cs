using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Vitrine.Transports;

/// <summary>TCP options for pictures that grow old.</summary>
public static class LiveSocket
{
    /// <summary>Most bytes the kernel holds that it has not yet put on the wire. What waits here cannot be replaced by
    /// something newer: 128 KiB is 10 ms at 100 Mbit/s, and enough to keep 10 Gbit/s busy between two wake-ups of 100 µs.</summary>
    public const int UnsentBytesMax = 128 * 1024;

    private const int IpProtocolTcp = 6; // IPPROTO_TCP
    private const int TcpNotSentLowWatermark = 25; // TCP_NOTSENT_LOWAT in <linux/tcp.h>

    /// <summary>Sets the options on a connected TCP socket: no Nagle, and a bound on what is accepted but not sent.</summary>
    public static void Configure(Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        if (socket.ProtocolType != ProtocolType.Tcp)
        {
            return;
        }

        socket.NoDelay = true;
        if (OperatingSystem.IsLinux())
        {
            socket.SetRawSocketOption(IpProtocolTcp, TcpNotSentLowWatermark, BitConverter.GetBytes(UnsentBytesMax));
        }
    }

    /// <summary>Sets the options on every connection that Kestrel accepts at this end point.</summary>
    public static ListenOptions UseLiveSockets(this ListenOptions listen)
    {
        ArgumentNullException.ThrowIfNull(listen);
        listen.Use(next => context =>
        {
            if (context.Features.Get<IConnectionSocketFeature>()?.Socket is { } socket)
            {
                try
                {
                    Configure(socket);
                }
                catch (SocketException)
                {
                    context.Abort(); // closed between accept and here; Kestrel ends the connection
                }
            }

            return next(context);
        });
        return listen;
    }
}
