using Vitrine.Server.Metrics;
using Vitrine.Transports;
using Vitrine.Transports.WebSocket;
using Vitrine.Wire;

namespace Vitrine.Server.Tests.Sharing;

/// <summary>Alone: what other tests allocate would count.</summary>
[CollectionDefinition(nameof(SendingPathMemoryTests), DisableParallelization = true)]
[Collection(nameof(SendingPathMemoryTests))]
public sealed class SendingPathMemoryTests
{
    private const int WarmFrames = 400, Rounds = 11, RoundFrames = 104;

    /// <summary>Host and viewer together: the web server's part of a packet that the connection does not take at once.</summary>
    private const double BytesMax = 64;

    [Fact]
    public async Task FramesOverAWebSocket_AllocateNothingOfOursAndNextToNothingInAll()
    {
        await using Host host = await Host.StartAsync();
        ConnectResult connected = await WebSocketConnector.ConnectAsync(new UriBuilder(host.Server.Url) { Path = "/stream" }.Uri, new(), CancellationToken.None);
        await using IPacketConnection connection = connected.Connection ?? throw new InvalidOperationException(connected.Detail);
        using SemaphoreSlim shown = new(0);
        Task viewing = ViewAsync(connection, shown);
        Assert.True(shown.Wait(Host.Patience)); // the first picture
        PaintAndWait(host, shown, WarmFrames);

        // The middle one of rounds: a statistics message, a thread more or a collection may come into some of them.
        double[] ours = new double[Rounds], all = new double[Rounds];
        for (int i = 0; i < Rounds; i++)
        {
            (long oursBefore, long allBefore) = (ShareMeter.FramePathAllocated.Value, AllocatedByOthers());
            PaintAndWait(host, shown, RoundFrames);
            all[i] = (AllocatedByOthers() - allBefore) / (double)RoundFrames;
            ours[i] = (ShareMeter.FramePathAllocated.Value - oursBefore) / (double)RoundFrames;
        }

        connection.Abort();
        await viewing.WaitAsync(Host.Patience);
        Assert.Equal(0, ours.Order().ElementAt(Rounds / 2));
        Assert.InRange(all.Order().ElementAt(Rounds / 2), 0, BytesMax);

        // Of all threads but this one, which paints.
        static long AllocatedByOthers() => GC.GetTotalAllocatedBytes(precise: true) - GC.GetAllocatedBytesForCurrentThread();
    }

    /// <summary>Small changes, and now and then all of the picture: more than the connection takes at once.</summary>
    private static void PaintAndWait(Host host, SemaphoreSlim shown, int frames)
    {
        for (int i = 0; i < frames; i++)
        {
            if (i % 8 == 7)
            {
                host.Display.PaintNoise(new(0, 0, 320, 200), i);
            }
            else
            {
                host.Display.Paint(new(i % 200, 10, 64, 64), (uint)(i + 1) * 0x010305);
            }

            Assert.True(shown.Wait(Host.Patience));
        }
    }

    private static async Task ViewAsync(IPacketConnection connection, SemaphoreSlim shown)
    {
        byte[] received = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer], sent = new byte[256];
        await connection.SendAsync(sent.AsMemory(0, Packet.Write(sent, new ViewerHello(ViewerCapabilities.None, "memory"), 0)));
        while (await connection.ReceiveAsync(received) is { Status: PacketReceiveStatus.Packet })
        {
            _ = PacketHeader.TryRead(received, out PacketHeader header);
            if (header.Type is PacketType.Tiles or PacketType.Copy && !header.Flags.HasFlag(PacketFlags.More))
            {
                await connection.SendAsync(sent.AsMemory(0, Packet.Write(sent, new Presented(header.SentNs + 1, header.SentNs + 2, header.SentNs + 3), 0, 0, header.Sequence)));
                shown.Release();
            }
        }
    }
}
