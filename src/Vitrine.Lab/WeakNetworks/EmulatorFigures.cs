using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Vitrine.Frames;
using Vitrine.Measurement;

namespace Vitrine.Lab.WeakNetworks;

/// <summary>What the emulator itself adds and carries on this machine: the error of everything measured through it.</summary>
/// <param name="RoundTripP50Ns">Median of a datagram there and back on the profile <c>clean</c>, between two threads of this process.</param>
/// <param name="RoundTripP99Ns">Its 99th percentile.</param>
/// <param name="LoopbackP50Ns">The same over the loopback device, in the same run.</param>
/// <param name="LoopbackP99Ns">Its 99th percentile.</param>
/// <param name="LatenessP50Ns">How much later than due packets were handed over, on <c>rtt-100</c>.</param>
/// <param name="LatenessP99Ns">Its 99th percentile.</param>
/// <param name="PacketsPerSecond">Full datagrams carried in one direction, as many as fit beside the sender and everything else that runs.</param>
/// <param name="CpuNsPerPacket">Processor time of the emulator's thread for each of them, the receiving kernel's work up to the socket
/// included: what it could carry with a processor of its own. 0: the kernel does not count it.</param>
/// <param name="RealTime">Whether the emulator's thread went before ordinary ones.</param>
internal sealed record EmulatorFigures(
    long RoundTripP50Ns, long RoundTripP99Ns, long LoopbackP50Ns, long LoopbackP99Ns, long LatenessP50Ns, long LatenessP99Ns,
    double PacketsPerSecond, double CpuNsPerPacket, KernelGrant RealTime)
{
    private const int PayloadBytes = 1472; // a packet of 1,500 bytes
    private static readonly IPEndPoint s_anyLoopback = new(IPAddress.Loopback, 0);

    /// <summary>Measures, one after the other.</summary>
    /// <param name="duration">Of all of it.</param>
    /// <exception cref="MissingRequirementException">As <see cref="WeakNetwork.Create"/>.</exception>
    public static EmulatorFigures Measure(TimeSpan duration)
    {
        TimeSpan part = duration / 4;
        LatencyHistogram loopback = PingPong(Open(s_anyLoopback), Open(s_anyLoopback), part), clean, lateness;
        KernelGrant grant;
        double rate, cost;
        using (WeakNetwork network = WeakNetwork.Create(NetworkProfiles.Clean, 1))
        {
            clean = PingPong(OpenOn(network.Near), OpenOn(network.Far), part);
            grant = network.RealTime;
            Flood(network, part / 2); // the runtime compiles again what runs often
            (rate, cost) = Flood(network, part / 2);
        }

        using (WeakNetwork network = WeakNetwork.Create(NetworkProfiles.Rtt100, 1))
        {
            PingPong(OpenOn(network.Near), OpenOn(network.Far), part);
            lateness = network.Lateness;
        }

        return new(clean.P50Ns, clean.P99Ns, loopback.P50Ns, loopback.P99Ns, lateness.P50Ns, lateness.P99Ns, rate, cost, grant);
    }

    /// <summary>For people.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"round trip {RoundTripP50Ns / 1e3:F0} us (p99 {RoundTripP99Ns / 1e3:F0}), loopback {LoopbackP50Ns / 1e3:F0} us (p99 {LoopbackP99Ns / 1e3:F0}), lateness {LatenessP50Ns / 1e3:F0} us (p99 {LatenessP99Ns / 1e3:F0}), {PacketsPerSecond:F0} packets/s of 1,500 bytes at {CpuNsPerPacket / 1e3:F1} us of processor, real-time priority {RealTime}");

    // Both sockets become this method's.
    private static LatencyHistogram PingPong(Socket client, Socket server, TimeSpan duration)
    {
        using (client)
        using (server)
        {
            var answering = new Thread(() =>
            {
                byte[] request = new byte[PayloadBytes];
                var from = new SocketAddress(AddressFamily.InterNetwork);
                while (server.ReceiveFrom(request, SocketFlags.None, from) is int length and > 0)
                {
                    server.SendTo(request.AsSpan(0, length), SocketFlags.None, from);
                }
            })
            { IsBackground = true, Name = "echo" };
            answering.Start();
            var histogram = new LatencyHistogram();
            byte[] message = new byte[64];
            client.Connect(server.LocalEndPoint!);
            client.ReceiveTimeout = 5_000;
            long now = TimeProvider.System.GetMonotonicNanoseconds(), end = now + (long)duration.TotalNanoseconds;
            for (long warm = now + ((end - now) / 8); now < end;)
            {
                long sent = TimeProvider.System.GetMonotonicNanoseconds();
                client.Send(message);
                client.Receive(message);
                now = TimeProvider.System.GetMonotonicNanoseconds();
                if (now > warm || histogram.Count == 0)
                {
                    histogram.Record(now - sent);
                }
            }

            client.Send(ReadOnlySpan<byte>.Empty); // an empty datagram ends the echo
            answering.Join();
            return histogram;
        }
    }

    // Sends as fast as the kernel takes it; what the emulator handed over in the time counts, whether the receiver's buffer took it or not.
    private static (double PacketsPerSecond, double CpuNsPerPacket) Flood(WeakNetwork network, TimeSpan duration)
    {
        using Socket receiver = OpenOn(network.Far), sender = OpenOn(network.Near);
        sender.Connect(receiver.LocalEndPoint!);
        byte[] message = new byte[PayloadBytes];
        long before = network.CurrentPath.UpCounters.Forwarded, cpuNs = ReadCpuNs();
        long started = TimeProvider.System.GetMonotonicNanoseconds(), now = started, end = started + (long)duration.TotalNanoseconds;
        while (now < end)
        {
            for (int i = 0; i < 32; i++)
            {
                sender.Send(message);
            }

            now = TimeProvider.System.GetMonotonicNanoseconds();
        }

        long packets = network.CurrentPath.UpCounters.Forwarded - before;
        return (packets * 1e9 / (now - started), (double)(ReadCpuNs() - cpuNs) / Math.Max(packets, 1));
    }

    // Of the emulator's threads of this process (schedstat(5): time on a processor, waiting for one, turns).
    private static long ReadCpuNs()
    {
        long total = 0;
        foreach (string task in Directory.EnumerateDirectories("/proc/self/task"))
        {
            try
            {
                if (File.ReadAllText(Path.Combine(task, "comm")).Trim() == Forwarder.ThreadName)
                {
                    total += long.Parse(File.ReadAllText(Path.Combine(task, "schedstat")).Split(' ')[0], CultureInfo.InvariantCulture);
                }
            }
            catch (IOException)
            {
                // a thread that has ended meanwhile, or a kernel that does not count
            }
        }

        return total;
    }

    private static Socket OpenOn(NetworkSide side) => side.Run(() => Open(new IPEndPoint(side.Address, 0)));

    private static Socket Open(IPEndPoint address)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(address);
        return socket;
    }
}
