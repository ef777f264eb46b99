using System.Net;
using System.Net.Sockets;
using Vitrine.Events.Kafka.Doctor;

namespace Vitrine.Events.Tests.Kafka.Doctor;

/// <summary>Names, addresses and ports of a network that is not there; behind them are ports of this machine.</summary>
internal sealed class SeededNetwork : KafkaNetwork
{
    /// <summary>Of names; what is not in it is not known.</summary>
    public Dictionary<string, IPAddress> Names { get; } = [];

    /// <summary>Where somebody listens, and on which port of this machine; 0: packets are lost.</summary>
    public Dictionary<(IPAddress, int), int> Ports { get; } = [];

    public override Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken) =>
        Names.TryGetValue(host, out IPAddress? ip) || IPAddress.TryParse(host, out ip) ? Task.FromResult<IPAddress[]>([ip]) : throw new SocketException((int)SocketError.HostNotFound);

    public override async Task<Stream> ConnectAsync(IPAddress address, int port, CancellationToken cancellationToken)
    {
        if (!Ports.TryGetValue((address, port), out int real))
        {
            throw new SocketException((int)SocketError.ConnectionRefused);
        }

        if (real == 0)
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }

        return await base.ConnectAsync(IPAddress.Loopback, real, cancellationToken);
    }
}
