using System.Net;
using System.Net.Sockets;
using Vitrine.Lab.Transport;

namespace Vitrine.Lab.Tests.Transport;

public sealed class EchoServerTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(EchoServer.Ports - 1)]
    public async Task UdpPortIsBusy_SaysWhichAndWhatToDo(int offset)
    {
        using EchoCertificate certificate = new([], TimeProvider.System);
        int port = FindFree();
        using Socket other = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        other.Bind(new IPEndPoint(IPAddress.Loopback, port + offset));
        IOException failure = await Assert.ThrowsAsync<IOException>(() => EchoServer.RunAsync(
            IPAddress.Loopback, port, 1, certificate.Certificate, TextReader.Null, TextWriter.Null, CancellationToken.None));
        Assert.Contains($"UDP port {port + offset} of 127.0.0.1 is in use", failure.Message, StringComparison.Ordinal);
        Assert.Contains("--port", failure.Message, StringComparison.Ordinal);
    }

    private static int FindFree()
    {
        while (true)
        {
            using Socket first = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            first.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            int port = ((IPEndPoint)first.LocalEndPoint!).Port;
            if (port + EchoServer.Ports <= IPEndPoint.MaxPort && IsFree(port, SocketType.Stream, ProtocolType.Tcp)
                && Enumerable.Range(1, EchoServer.Ports - 1).All(offset => IsFree(port + offset, SocketType.Dgram, ProtocolType.Udp)))
            {
                return port;
            }
        }
    }

    private static bool IsFree(int port, SocketType type, ProtocolType protocol)
    {
        using Socket socket = new(AddressFamily.InterNetwork, type, protocol);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
