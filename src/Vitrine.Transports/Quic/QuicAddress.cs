using System.Net;
using System.Net.Sockets;

namespace Vitrine.Transports.Quic;

/// <summary>Connecting to a host by its name.</summary>
internal static class QuicAddress
{
    /// <summary>Tries the addresses of a host one after the other.</summary>
    /// <param name="client">Connects.</param>
    /// <param name="address">Host and port.</param>
    /// <param name="options">For an end point of the host.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    /// <exception cref="QuicException">None answered; of the last one.</exception>
    public static async Task<QuicConnection> ConnectAsync(QuicClient client, Uri address, Func<IPEndPoint, QuicConnectOptions> options, CancellationToken cancellation)
    {
        IPAddress[] addresses;
        try
        {
            addresses = IPAddress.TryParse(address.DnsSafeHost, out IPAddress? literal) ? [literal] : await Dns.GetHostAddressesAsync(address.DnsSafeHost, cancellation);
        }
        catch (SocketException exception)
        {
            throw new QuicException($"{address.DnsSafeHost} is no name that is known here: {exception.Message}", exception);
        }

        for (int i = 0; ; i++)
        {
            try
            {
                return await client.ConnectAsync(options(new(addresses[i], address.Port)), cancellation);
            }
            catch (QuicException) when (i + 1 < addresses.Length)
            {
                // The next one may answer.
            }
        }
    }
}
