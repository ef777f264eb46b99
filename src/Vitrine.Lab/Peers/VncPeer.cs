using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Vitrine.Lab.Peers;

/// <summary>TigerVNC's x0vncserver: shares the same display, from the same pixels, in the same run.</summary>
internal sealed class VncPeer : IAsyncDisposable
{
    public const string Package = "tigervnc-scraping-server";
    private readonly ChildProcess _child;

    private VncPeer(ChildProcess child, int port) => (_child, Port) = (child, port);

    public int ProcessId => _child.Id;

    public int Port { get; }

    /// <returns>The peer, or why there is none.</returns>
    public static async Task<(VncPeer? Peer, string Reason)> TryStartAsync(string display, CancellationToken cancellationToken)
    {
        // The program itself: x0vncserver is a script around it, whose processor time would be nothing.
        if (ChildProcess.Find("X0tigervnc") is not string program)
        {
            return (null, $"x0vncserver (X0tigervnc) is missing; install {Package}");
        }

        int port = FreePort();
        ChildProcess child = ChildProcess.Start(program,
            ["-display", display, "-SecurityTypes", "None", "-localhost=1", "-rfbport", port.ToString(CultureInfo.InvariantCulture), "-AlwaysShared=1"]);
        child.IgnoreOutput();
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        for (int attempt = 0; attempt < 200 && !child.HasExited; attempt++)
        {
            await poll.WaitForNextTickAsync(cancellationToken);
            try
            {
                using var probe = new TcpClient();
                await probe.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
                return (new VncPeer(child, port), string.Empty);
            }
            catch (SocketException)
            {
                // It does not listen yet.
            }
        }

        string reason = child.Errors;
        await child.DisposeAsync();
        return (null, $"x0vncserver does not start: {reason}");
    }

    public ValueTask DisposeAsync() => _child.DisposeAsync();

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
