using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Vitrine.Events.Kafka.Doctor;

/// <summary>Names and ports, as the system has them; tests have others.</summary>
internal class KafkaNetwork
{
    public virtual Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken) => Dns.GetHostAddressesAsync(host, cancellationToken);

    public virtual async Task<Stream> ConnectAsync(IPAddress address, int port, CancellationToken cancellationToken)
    {
        Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(address, port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}

/// <summary>How long things may take.</summary>
internal sealed record KafkaPatience
{
    /// <summary>A name that is looked up; a port that is connected to; TLS that is agreed on.</summary>
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>An answer. New members of a group wait for others: 3 s, unless the broker says otherwise.</summary>
    public TimeSpan Answer { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>What a cluster does in the background: leaders and coordinators that are chosen, topics of its own that are made.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Between two looks at it.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromMilliseconds(250);
}

/// <summary>A host and a port.</summary>
internal readonly record struct KafkaAddress(string Host, int Port)
{
    /// <summary>Where settings give no port.</summary>
    public const int DefaultPort = 9092;

    /// <summary>Parses <c>HOST:PORT</c>, <c>HOST</c> or <c>[IPV6]:PORT</c>; what stands before <c>://</c> is passed over, as librdkafka does.</summary>
    public static bool TryParse(string text, out KafkaAddress address)
    {
        string rest = text[(text.IndexOf("://", StringComparison.Ordinal) is var at and >= 0 ? at + 3 : 0)..];
        int colon = rest.LastIndexOf(':'), bracket = rest.LastIndexOf(']');
        bool hasPort = colon > bracket && (bracket >= 0 || rest.IndexOf(':', StringComparison.Ordinal) == colon);
        string host = (hasPort ? rest[..colon] : rest).Trim('[', ']');
        int port = DefaultPort;
        address = default;
        if (host.Length == 0 || host.Any(char.IsWhiteSpace)
            || (hasPort && (!int.TryParse(rest.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port) || port is < 1 or > 65_535)))
        {
            return false;
        }

        address = new(host, port);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
