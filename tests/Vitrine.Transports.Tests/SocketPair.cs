using System.Net;
using System.Net.Sockets;

namespace Vitrine.Transports.Tests;

/// <summary>Two ends of one TCP connection over loopback.</summary>
internal sealed record SocketPair(Socket Client, Socket Server) : IDisposable
{
    public static async Task<SocketPair> ConnectAsync()
    {
        using Socket listener = new(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
        listener.Listen();
        Socket client = new(SocketType.Stream, ProtocolType.Tcp);
        Task<Socket> accepting = listener.AcceptAsync();
        await client.ConnectAsync(listener.LocalEndPoint!);
        return new(client, await accepting);
    }

    public void Dispose()
    {
        Client.Dispose();
        Server.Dispose();
    }
}
