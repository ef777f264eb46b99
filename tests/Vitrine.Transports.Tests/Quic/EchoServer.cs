using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>Sends back what each stream brings.</summary>
internal static class EchoServer
{
    /// <summary>Until the listener is disposed.</summary>
    public static async Task RunAsync(QuicListener listener)
    {
        List<Task> connections = [];
        try
        {
            while (true)
            {
                connections.Add(ServeAsync(await listener.AcceptConnectionAsync()));
            }
        }
        catch (ObjectDisposedException)
        {
            await Task.WhenAll(connections);
        }
    }

    /// <summary>Until the connection ends.</summary>
    public static async Task ServeAsync(QuicConnection connection)
    {
        await using QuicConnection owned = connection;
        List<Task> streams = [];
        try
        {
            while (true)
            {
                streams.Add(ServeAsync(await connection.AcceptStreamAsync()));
            }
        }
        catch (QuicException)
        {
            await Task.WhenAll(streams);
        }
    }

    private static async Task ServeAsync(QuicStream stream)
    {
        await using QuicStream owned = stream;
        byte[] buffer = new byte[16 << 10];
        try
        {
            int bytes;
            do
            {
                bytes = await stream.ReadAsync(buffer);
                if (stream.CanWrite)
                {
                    await stream.WriteAsync(buffer.AsMemory(0, bytes), isFinal: bytes == 0);
                }
            }
            while (bytes > 0);
        }
        catch (QuicException)
        {
            // the peer left, or gave the stream up
        }
    }
}
