using System.Net;
using Vitrine.Lab.Transport;
using Vitrine.Lab.WeakNetworks;
using Vitrine.Transports.Quic;

namespace Vitrine.Lab.Tests.WeakNetworks;

/// <summary>A QUIC client whose machine changes its address.</summary>
public sealed class QuicAddressTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    [WeakNetworkFact]
    public async Task AddressIsTakenAway_ConnectionGoesOnFromTheNextOne()
    {
        using WeakNetwork network = WeakNetwork.Create(NetworkProfiles.WifiTo4G, seed: 3);
        await using Ends ends = await Ends.ConnectAsync(network);
        for (int change = 1; change <= 4; change++)
        {
            network.ChangePath();
            await ends.EchoAsync();
            Assert.Equal(network.Near.Address, ends.Client.LocalEndPoint.Address);
            Assert.Equal(change, (await ends.Client.GetStatisticsAsync()).AddressesFollowed);
        }
    }

    [WeakNetworkFact]
    public async Task PathDiesSilently_ConnectionTakesTheBetterOne()
    {
        using WeakNetwork network = WeakNetwork.Create(NetworkProfiles.WifiTo4G, seed: 3);
        await using Ends ends = await Ends.ConnectAsync(network);
        network.ChangePath(OldPath.Silent);
        await ends.EchoAsync();
        Assert.Equal(network.Near.Address, ends.Client.LocalEndPoint.Address);
    }

    [WeakNetworkFact]
    public async Task AddressWasGiven_ConnectionStays()
    {
        using WeakNetwork network = WeakNetwork.Create(NetworkProfiles.WifiTo4G, seed: 3);
        await using Ends ends = await Ends.ConnectAsync(network, new IPEndPoint(network.Near.Address, 0));
        IPEndPoint before = ends.Client.LocalEndPoint;
        network.ChangePath(OldPath.Kept);
        await ends.EchoAsync();
        Assert.Equal(before, ends.Client.LocalEndPoint);
    }

    private sealed class Ends(QuicListener listener, QuicClient client, QuicConnection connection, Task serving, EchoCertificate certificate) : IAsyncDisposable
    {
        private const string Protocol = "vitrine-test";

        public QuicConnection Client => connection;

        // Threads and sockets are of the namespace in which they are made.
        public static async Task<Ends> ConnectAsync(WeakNetwork network, IPEndPoint? local = null)
        {
            EchoCertificate certificate = new([WeakNetwork.FarAddress], TimeProvider.System);
            QuicListener listener = network.Far.Run(() => QuicListener.Listen(new QuicListenerOptions
            {
                EndPoint = new IPEndPoint(network.Far.Address, 0),
                Certificate = certificate.Certificate,
                Protocols = [Protocol],
            }));
            QuicClient client = network.Near.Run(() => new QuicClient(new QuicClientOptions { Protocols = [Protocol] }));
            Task serving = ServeAsync(listener);
            QuicConnection connection = await client.ConnectAsync(
                new QuicConnectOptions { EndPoint = listener.LocalEndPoint, Host = "localhost", CertificateFingerprint = certificate.Fingerprint, LocalEndPoint = local });
            Ends ends = new(listener, client, connection, serving, certificate);
            await ends.EchoAsync(); // after it the handshake is confirmed, or soon
            return ends;
        }

        public async Task EchoAsync()
        {
            using CancellationTokenSource patience = new(s_patience);
            await using QuicStream stream = await connection.OpenStreamAsync(cancellationToken: patience.Token);
            byte[] message = new byte[1000];
            await stream.WriteAsync(message, isFinal: true, patience.Token);
            int got = 0;
            while (await stream.ReadAsync(message, patience.Token) is var bytes and > 0)
            {
                got += bytes;
            }

            Assert.Equal(message.Length, got);
        }

        public async ValueTask DisposeAsync()
        {
            await connection.DisposeAsync();
            await client.DisposeAsync();
            await listener.DisposeAsync();
            await serving;
            certificate.Dispose();
        }

        private static async Task ServeAsync(QuicListener listener)
        {
            try
            {
                QuicConnection connection = await listener.AcceptConnectionAsync();
                while (true)
                {
                    await using QuicStream stream = await connection.AcceptStreamAsync();
                    byte[] bytes = new byte[2000];
                    int length = 0;
                    while (await stream.ReadAsync(bytes.AsMemory(length)) is var read and > 0)
                    {
                        length += read;
                    }

                    await stream.WriteAsync(bytes.AsMemory(0, length), isFinal: true);
                    await stream.Delivered.WaitAsync(s_patience);
                }
            }
            catch (Exception exception) when (exception is QuicException or ObjectDisposedException or TimeoutException)
            {
                // The client has left.
            }
        }
    }
}
