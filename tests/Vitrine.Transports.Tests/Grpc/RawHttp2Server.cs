using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Vitrine.Transports.Tests.Grpc;

/// <summary>A server of HTTP/2 in clear that says prepared bytes to whoever has sent the head of a request, whatever it asks.</summary>
/// <remarks>One connection at a time.</remarks>
internal sealed class RawHttp2Server : IDisposable
{
    private const int PrefaceBytes = 24;

    private readonly Socket _listener = new(SocketType.Stream, ProtocolType.Tcp);
    private readonly byte[] _received = new byte[16 * 1024];

    public RawHttp2Server()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}");

    /// <summary>Takes the next connection, says that and no more, and stays until the client leaves.</summary>
    public async Task AnswerAsync(byte[] bytes)
    {
        try
        {
            using Socket server = await _listener.AcceptAsync();
            int got = 0;
            while (!HoldsRequest(_received.AsSpan(0, got)))
            {
                int came = await server.ReceiveAsync(_received.AsMemory(got));
                if (came == 0)
                {
                    return;
                }

                got += came;
            }

            await server.SendAsync(bytes);
            server.Shutdown(SocketShutdown.Send);
            while (await server.ReceiveAsync(_received) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // the client was the first to close
        }
    }

    public void Dispose() => _listener.Dispose();

    // An answer to a stream that was not opened would be the connection's end (RFC 9113, section 5.1).
    private static bool HoldsRequest(ReadOnlySpan<byte> bytes)
    {
        for (int at = PrefaceBytes; at + RawHttp2.FrameHeadBytes <= bytes.Length;)
        {
            if (bytes[at + 3] == RawHttp2.Headers)
            {
                return true;
            }

            at += RawHttp2.FrameHeadBytes + (BinaryPrimitives.ReadInt32BigEndian(bytes[at..]) >>> 8);
        }

        return false;
    }
}
