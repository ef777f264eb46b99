using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public class QuicAllocationTests
{
    private const int Warm = 3000;
    private const int Measured = 5000;

    // The run time's own (tiered compilation, statics of a method that is run the first time) now and then; ours would be Measured times more. What it
    // counts for a thread may be too much by 8 KB, once (dotnet/runtime issue 63487): what is counted each time is ours.
    private const long RunTimeBytesMax = 4096;
    private const int Times = 3;

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
        await AssertNothingAllocatedAsync(pair, () => Echo(Measured));
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
        await AssertNothingAllocatedAsync(pair, () => Echo(Measured));
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
    }

    private static async Task AssertNothingAllocatedAsync(QuicPair pair, Func<Task> play)
    {
        long client = long.MaxValue, server = long.MaxValue;
        for (int i = 0; i < Times; i++)
        {
            (long clientBytes, long serverBytes) = Allocated();
            await play();
            (long clientAfter, long serverAfter) = Allocated();
            (client, server) = (Math.Min(client, clientAfter - clientBytes), Math.Min(server, serverAfter - serverBytes));
        }

        Assert.InRange(client, 0, RunTimeBytesMax);
        Assert.InRange(server, 0, RunTimeBytesMax);

        (long Client, long Server) Allocated() => (pair.Client.Loop.AllocatedBytes, pair.Listener.Loops.Single().AllocatedBytes);
    }
}
