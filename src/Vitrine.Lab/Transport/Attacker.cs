using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Vitrine.Transports.Quic;

namespace Vitrine.Lab.Transport;

/// <summary>A malicious client at an address of its own. Goes on whatever the server does to it.</summary>
internal abstract class Attacker(AttackOrder order, AttackKind kind, IPAddress local)
{
    /// <summary>Connections that one client leaves unread at a time.</summary>
    private const int ReadersConnections = 8;

    private long _connections, _blows, _refused;

    public AttackKind Kind => kind;

    public long Connections => Interlocked.Read(ref _connections);

    public long Blows => Interlocked.Read(ref _blows);

    public long Refused => Interlocked.Read(ref _refused);

    protected AttackOrder Order => order;

    protected IPAddress Local => local;

    protected IPEndPoint Server { get; } = IPEndPoint.Parse(order.Address);

    /// <summary>A client of the order's protocol.</summary>
    public static Attacker Create(AttackOrder order, int number)
    {
        AttackKind kind = order.Kinds[number % order.Kinds.Count];
        IPAddress local = new([127, 0, 0, (byte)(number + 2)]);
        return kind == AttackKind.Spinning ? new Spinner(order, local)
            : order.Protocol == EchoProtocol.Calls ? new QuicAttacker(order, kind, local) : new Http2Attacker(order, kind, local);
    }

    /// <summary>Attacks until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken over)
    {
        try
        {
            await PrepareAsync(over);
            await Task.WhenAll(Enumerable.Range(0, kind is AttackKind.Readers or AttackKind.Handshakes ? ReadersConnections : 1).Select(lane => Task.Run(() => LoopAsync(lane, over), over)));
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // That was it.
        }
    }

    private sealed class Spinner(AttackOrder order, IPAddress local) : Attacker(order, AttackKind.Spinning, local)
    {
        protected override Task PrepareAsync(CancellationToken over) => Task.CompletedTask;

        protected override Task AttackAsync(int lane, CancellationToken over)
        {
            while (!over.IsCancellationRequested)
            {
                Thread.SpinWait(1000);
            }

            return Task.CompletedTask;
        }
    }

    /// <summary>What is made once.</summary>
    protected abstract Task PrepareAsync(CancellationToken over);

    /// <summary>A connection, from its beginning until the server ends it.</summary>
    /// <param name="lane">Number of this one among those at a time.</param>
    /// <param name="over">Ends it.</param>
    protected abstract Task AttackAsync(int lane, CancellationToken over);

    protected void Connected() => Interlocked.Increment(ref _connections);

    protected void Struck(int times = 1) => Interlocked.Add(ref _blows, times);

    private async Task LoopAsync(int lane, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            try
            {
                await AttackAsync(lane, over);
            }
            catch (Exception exception) when (exception is IOException or SocketException or AuthenticationException or QuicException or ObjectDisposedException)
            {
                Interlocked.Increment(ref _refused);
            }
        }
    }
}
