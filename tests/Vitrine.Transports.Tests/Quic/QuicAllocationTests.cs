using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public class QuicAllocationTests
{
    private const int Warm = 3000;
    private const int Measured = 5000;

    // The run time's own (tiered compilation, statics of a method that is run the first time) now and then; besides, what it counts for a thread may be
    // too much by the room that it gives threads at a time, 8 KB (dotnet/runtime issue 63487). One object of ours for each of those measured would be
    // 120 KB at least.
    private const long RunTimeBytesMax = 32 << 10;

    [QuicFact]
    public async Task SteadyStream_AllocatesNothingOnTheLoops()
    {
        await using QuicPair pair = new(server => server with { RunsContinuationsInline = true }, client => client with { RunsContinuationsInline = true });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Task serve = EchoServer.ServeAsync(server);
        await using QuicStream stream = await client.OpenStreamAsync();
        byte[] message = new byte[1024];
        byte[] answer = new byte[1024];
        await Echo(Warm);
        (long clientBytes, long serverBytes) = Allocated();
        await Echo(Measured);
        (long clientAfter, long serverAfter) = Allocated();
        Assert.InRange(clientAfter - clientBytes, 0, RunTimeBytesMax);
        Assert.InRange(serverAfter - serverBytes, 0, RunTimeBytesMax);
        await client.CloseAsync();
        await serve;

        async Task Echo(int count)
        {
            for (int i = 0; i < count; i++)
            {
                await stream.WriteAsync(message);
                for (int got = 0; got < message.Length;)
                {
                    got += await stream.ReadAsync(answer.AsMemory(got));
                }
            }
        }

        (long Client, long Server) Allocated() => (pair.Client.Loop.AllocatedBytes, pair.Listener.Loops.Single().AllocatedBytes);
    }

    [QuicFact]
    public async Task SteadyDatagrams_AllocateNothingOnTheLoops()
    {
        await using QuicPair pair = new(server => server with { RunsContinuationsInline = true }, client => client with { RunsContinuationsInline = true });
        (QuicConnection client, QuicConnection server) = await pair.ConnectAsync();
        Task serve = Answer();
        byte[] message = new byte[1000];
        byte[] answer = new byte[1500];
        await Echo(Warm);
        (long clientBytes, long serverBytes) = Allocated();
        await Echo(Measured);
        (long clientAfter, long serverAfter) = Allocated();
        Assert.InRange(clientAfter - clientBytes, 0, RunTimeBytesMax);
        Assert.InRange(serverAfter - serverBytes, 0, RunTimeBytesMax);
        await client.CloseAsync();
        await Assert.ThrowsAsync<QuicClosedException>(() => serve);

        async Task Answer()
        {
            byte[] buffer = new byte[1500];
            while (true)
            {
                int bytes = await server.ReceiveDatagramAsync(buffer);
                server.SendDatagram(buffer.AsSpan(0, bytes));
            }
        }

        async Task Echo(int count)
        {
            for (int i = 0; i < count; i++)
            {
                client.SendDatagram(message);
                await client.ReceiveDatagramAsync(answer);
            }
        }

        (long Client, long Server) Allocated() => (pair.Client.Loop.AllocatedBytes, pair.Listener.Loops.Single().AllocatedBytes);
    }
}
