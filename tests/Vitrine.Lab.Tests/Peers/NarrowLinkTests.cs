using System.Net;
using System.Net.Sockets;
using Vitrine.Lab.Peers;

namespace Vitrine.Lab.Tests.Peers;

public sealed class NarrowLinkTests
{
    private const double BytesPerSecond = 1_000_000;
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task BytesFromTheTarget_ComeWholeAndNoFasterThanTheLineCarries()
    {
        await using var ends = await Ends.ConnectAsync();
        byte[] sent = new byte[300_000], received = new byte[sent.Length];
        new Random(1).NextBytes(sent);
        long started = TimeProvider.System.GetTimestamp();
        Task sending = ends.Target.SendAsync(sent).WaitAsync(s_deadline);
        await ReadAsync(ends.Client, received);
        double seconds = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        await sending;
        Assert.Equal(sent, received);
        Assert.Equal(sent.Length, ends.Link.Bytes);
        Assert.InRange(seconds, (sent.Length - NarrowLink.BucketBytes) / BytesPerSecond * 0.98, s_deadline.TotalSeconds);
    }

    [Fact]
    public async Task BytesTowardsTheTarget_AreNotHeldBack()
    {
        await using var ends = await Ends.ConnectAsync();
        byte[] sent = new byte[20_000_000], received = new byte[sent.Length];
        long started = TimeProvider.System.GetTimestamp();
        Task sending = ends.Client.SendAsync(sent).WaitAsync(s_deadline);
        await ReadAsync(ends.Target, received);
        await sending;
        Assert.True(TimeProvider.System.GetElapsedTime(started).TotalSeconds < sent.Length / BytesPerSecond / 2);
    }

    [Fact]
    public async Task TargetLeaves_SoDoesTheOtherEnd()
    {
        await using var ends = await Ends.ConnectAsync();
        ends.Target.Dispose();
        Assert.Equal(0, await ends.Client.ReceiveAsync(new byte[1]).WaitAsync(s_deadline));
    }

    private static async Task ReadAsync(Socket socket, byte[] into)
    {
        for (int at = 0; at < into.Length;)
        {
            int read = await socket.ReceiveAsync(into.AsMemory(at)).AsTask().WaitAsync(s_deadline);
            Assert.True(read > 0);
            at += read;
        }
    }

    private sealed class Ends : IAsyncDisposable
    {
        private Ends(NarrowLink link, Socket client, Socket target) => (Link, Client, Target) = (link, client, target);

        public NarrowLink Link { get; }

        public Socket Client { get; }

        public Socket Target { get; }

        public static async Task<Ends> ConnectAsync()
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            var link = new NarrowLink(((IPEndPoint)listener.LocalEndpoint).Port, BytesPerSecond, TimeProvider.System);
            var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(IPAddress.Loopback, link.Port);
            return new Ends(link, client, await listener.AcceptSocketAsync().WaitAsync(s_deadline));
        }

        public async ValueTask DisposeAsync()
        {
            Client.Dispose();
            Target.Dispose();
            await Link.DisposeAsync();
        }
    }
}
