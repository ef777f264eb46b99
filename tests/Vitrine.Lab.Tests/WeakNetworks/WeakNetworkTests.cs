using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Vitrine.Frames;
using Vitrine.Lab.WeakNetworks;
using Xunit.Abstractions;

namespace Vitrine.Lab.Tests.WeakNetworks;

/// <summary>Real namespaces, devices and sockets. Times are held against lower bounds only: a busy machine makes packets later, never
/// earlier.</summary>
[Collection(nameof(RealTimeThreads))]
public sealed class WeakNetworkTests(ITestOutputHelper output)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly byte[] s_one = [1];

    [WeakNetworkFact]
    public void RoundTrip_TakesAtLeastTheDelayOfBothWays()
    {
        using WeakNetwork network = WeakNetwork.Create(NetworkProfiles.Rtt100, seed: 1);
        using Socket server = BindUdp(network.Far), client = ConnectUdp(network.Near, server);
        byte[] buffer = new byte[100];
        for (int i = 0; i < 10; i++)
        {
            long sent = TimeProvider.System.GetMonotonicNanoseconds();
            client.Send(buffer);
            Answer(server, buffer);
            client.Receive(buffer);
            Assert.True(TimeProvider.System.GetMonotonicNanoseconds() - sent >= 100_000_000);
        }

        Assert.Equal((10, 10), (network.CurrentPath.UpCounters.Forwarded, network.CurrentPath.DownCounters.Forwarded));
    }

    [WeakNetworkFact]
    public void EveryNamedProfile_CarriesThereAndBackNoFasterThanItSays()
    {
        foreach (NetworkProfile profile in NetworkProfiles.All)
        {
            using WeakNetwork network = WeakNetwork.Create(profile, seed: 1);
            foreach (NetworkPath path in network.Paths)
            {
                Assert.Same(path, network.CurrentPath);
                using Socket server = BindUdp(network.Far), client = ConnectUdp(network.Near, server);
                byte[] buffer = new byte[100];
                long sent = TimeProvider.System.GetMonotonicNanoseconds();
                for (int i = 0; i < 8; i++)
                {
                    client.Send(buffer); // with this seed not all of them are lost, whatever the machine does
                }

                IPEndPoint from = Answer(server, buffer);
                for (int i = 0; i < 7; i++)
                {
                    server.SendTo(buffer, from);
                }

                client.Receive(buffer);
                TimeSpan least = path.Profile.Up.Delay - path.Profile.Up.Jitter + path.Profile.Down.Delay - path.Profile.Down.Jitter;
                Assert.True(TimeProvider.System.GetMonotonicNanoseconds() - sent >= least.TotalNanoseconds, profile.Name);
                if (network.Paths.Count > 1)
                {
                    network.ChangePath();
                }
            }
        }
    }

    [WeakNetworkFact]
    public async Task TcpConnection_CarriesEveryByteThroughABadNetwork()
    {
        LinkProfile link = new()
        {
            Delay = TimeSpan.FromMilliseconds(5),
            Jitter = TimeSpan.FromMilliseconds(3),
            JitterReorders = true,
            Loss = LossModel.Bursts(0.03, 2),
            ReorderShare = 0.05,
            DuplicateShare = 0.05,
            RateBitsPerSecond = 40_000_000,
        };
        using WeakNetwork network = WeakNetwork.Create(new("bad", "", link), seed: 4);
        using Socket listener = network.Far.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        listener.Bind(new IPEndPoint(network.Far.Address, 0));
        listener.Listen();
        using Socket client = network.Near.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        await client.ConnectAsync(listener.LocalEndPoint!).WaitAsync(s_patience);
        using Socket server = await listener.AcceptAsync().WaitAsync(s_patience);
        byte[] sent = new byte[400_000], received = new byte[sent.Length];
        new Random(1).NextBytes(sent);
        Task<int> sending = client.SendAsync(sent);
        for (int length = 0; length < received.Length;)
        {
            int count = await server.ReceiveAsync(received.AsMemory(length)).AsTask().WaitAsync(s_patience);
            Assert.NotEqual(0, count);
            length += count;
        }

        await sending;
        Assert.Equal(sent, received);
        LinkCounters up = network.CurrentPath.UpCounters;
        Assert.True(up.Lost > 0 && up.Duplicated > 0 && up.Reordered > 0, up.ToString());
    }

    [WeakNetworkFact]
    public void LossOfTheProfile_LosesItsShareOfDatagrams()
    {
        const int packets = 4_000;
        using WeakNetwork network = WeakNetwork.Create(new("lossy", "", new LinkProfile { Loss = LossModel.Random(0.05) }), seed: 7);
        int[] received = SendNumbers(network, ProtocolType.Udp, packets);
        double sigma = Math.Sqrt(packets * 0.05 * 0.95);
        Assert.InRange(packets - received.Length, (packets * 0.05) - (5 * sigma), (packets * 0.05) + (5 * sigma));
        LinkCounters up = network.CurrentPath.UpCounters;
        Assert.Equal((packets, packets - received.Length, received.Length), (up.Arrived, up.Lost, up.Forwarded));
        Assert.Equal(received.Order(), received);
        Assert.Equal((0, 0L), (up.Overflowed + up.Refused + up.Cut, network.CountKernelDrops()));
    }

    [WeakNetworkFact]
    public void TcpAndUdp_SameFate()
    {
        NetworkProfile profile = new("fate", "", new LinkProfile { Loss = LossModel.Bursts(0.2, 3), DuplicateShare = 0.1 });
        int[] udp = Send(ProtocolType.Udp, seed: 21), tcp = Send(ProtocolType.Tcp, seed: 21), other = Send(ProtocolType.Udp, seed: 22);
        Assert.Equal(udp, tcp);
        Assert.NotEqual(udp, other);

        int[] Send(ProtocolType protocol, ulong seed)
        {
            using WeakNetwork network = WeakNetwork.Create(profile, seed);
            return SendNumbers(network, protocol, 600);
        }
    }

    [WeakNetworkFact]
    public void Duplicates_ArriveTwice()
    {
        using WeakNetwork network = WeakNetwork.Create(new("twice", "", new LinkProfile { DuplicateShare = 0.25 }), seed: 2);
        int[] received = SendNumbers(network, ProtocolType.Udp, 800);
        int twice = received.GroupBy(number => number).Count(group => group.Count() == 2);
        Assert.Equal(800, received.Distinct().Count());
        Assert.InRange(twice, 139, 261); // 200, 5 sigma
        Assert.Equal(twice, network.CurrentPath.UpCounters.Duplicated);
    }

    [WeakNetworkFact]
    public void HeldBackPackets_AreOvertakenAndCounted()
    {
        LinkProfile link = new() { Delay = TimeSpan.FromMilliseconds(1), ReorderShare = 0.1, ReorderHold = TimeSpan.FromMilliseconds(100) };
        using WeakNetwork network = WeakNetwork.Create(new("mixed", "", link), seed: 2);
        int[] received = SendNumbers(network, ProtocolType.Udp, 400);
        Assert.Equal(Enumerable.Range(0, 400), received.Order());
        int highest = -1, overtaken = 0;
        foreach (int number in received)
        {
            overtaken += number < highest ? 1 : 0;
            highest = Math.Max(highest, number);
        }

        Assert.InRange(overtaken, 10, 70); // 40, 5 sigma; a few at the end have nobody to overtake them
        Assert.Equal(overtaken, network.CurrentPath.UpCounters.Reordered);
    }

    [WeakNetworkFact]
    public void Rate_IsNotExceededAndItsQueueIsBounded()
    {
        const int payload = 972, packets = 100; // 1,000 bytes with headers: 1 ms each
        LinkProfile link = new() { RateBitsPerSecond = 8_000_000, QueueBytesMax = 20_000, QueuePacketsMax = 1000 };
        using WeakNetwork network = WeakNetwork.Create(new("narrow", "", link), seed: 2);
        using Socket server = BindUdp(network.Far), client = ConnectUdp(network.Near, server);
        byte[] buffer = new byte[2000];
        long started = TimeProvider.System.GetMonotonicNanoseconds();
        for (int i = 0; i < packets; i++)
        {
            client.Send(buffer.AsSpan(0, payload));
        }

        Wait(() => network.CurrentPath.UpCounters is { Arrived: packets, InFlight: 0 });
        LinkCounters up = network.CurrentPath.UpCounters;
        Assert.InRange(up.QueuedBytesMax, 1, 20_000);
        Assert.Equal(packets, up.Forwarded + up.TailDropped);
        for (int i = 0; i < up.Forwarded; i++)
        {
            Assert.Equal(payload, server.Receive(buffer));
        }

        Assert.True(TimeProvider.System.GetMonotonicNanoseconds() - started >= up.Forwarded * 1_000_000);
        Assert.Equal(0, server.Available);
    }

    [WeakNetworkFact]
    public void Trace_IsPlayed()
    {
        // 1,500 bytes every 20 ms: packets of 1,500 bytes leave no earlier than that, one at a time.
        DeliveryTrace trace = DeliveryTrace.Parse(new StringReader("20\n40\n"), "test.trace");
        using WeakNetwork network = WeakNetwork.Create(new("trace", "", new LinkProfile { Trace = trace }), seed: 2);
        using Socket server = BindUdp(network.Far), client = ConnectUdp(network.Near, server);
        byte[] buffer = new byte[1472];
        long started = TimeProvider.System.GetMonotonicNanoseconds();
        for (int i = 0; i < 10; i++)
        {
            client.Send(buffer);
        }

        for (int i = 1; i <= 10; i++)
        {
            server.Receive(buffer);
            Assert.True(TimeProvider.System.GetMonotonicNanoseconds() - started >= i * 20_000_000L);
        }
    }

    [WeakNetworkFact]
    public void MoreThanTheEmulatorHolds_DroppedAndCounted()
    {
        using WeakNetwork network = WeakNetwork.Create(new("long", "", new LinkProfile { Delay = TimeSpan.FromSeconds(10) }), seed: 2);
        using Socket server = BindUdp(network.Far), client = ConnectUdp(network.Near, server);
        int sent = 0;
        while (sent < WeakNetwork.PacketsInFlightMax + 1_000)
        {
            for (int i = 0; i < 200; i++)
            {
                client.Send(s_one);
            }

            sent += 200;
            Wait(() => network.CurrentPath.UpCounters.Arrived == sent);
        }

        LinkCounters up = network.CurrentPath.UpCounters;
        // The first are delivered after 10 s, should the machine be that slow.
        Assert.Equal(sent, up.InFlight + up.Overflowed + up.Forwarded);
        Assert.InRange(up.InFlight, 1, WeakNetwork.PacketsInFlightMax);
        Assert.True(up.Overflowed > 0 || up.Forwarded > 0);
    }

    [WeakNetworkFact]
    public void PathChanges_NewAddressCarriesAndTheOldOneDoesNot()
    {
        using WeakNetwork network = WeakNetwork.Create(TwoPaths(), seed: 2);
        using Socket server = BindUdp(network.Far), client = ConnectUdp(network.Near, server);
        byte[] buffer = new byte[10];
        client.Send(buffer);
        Assert.Equal(network.Paths[0].Address, Answer(server, buffer).Address);
        Assert.Equal(10, client.Receive(buffer));

        network.ChangePath();
        Assert.Equal(network.Paths[1].Address, network.Near.Address);
        Assert.Throws<SocketException>(() => client.Send(buffer)); // its address is gone
        using Socket other = ConnectUdp(network.Near, server);
        long sent = TimeProvider.System.GetMonotonicNanoseconds();
        other.Send(buffer);
        Assert.Equal(network.Paths[1].Address, Answer(server, buffer).Address);
        Assert.Equal(10, other.Receive(buffer));
        Assert.True(TimeProvider.System.GetMonotonicNanoseconds() - sent >= 40_000_000);

        // The server goes on sending to where the client was.
        server.SendTo(buffer, client.LocalEndPoint!);
        Wait(() => network.Paths[0].DownCounters.Cut == 1);

        network.ChangePath(); // and back
        client.Send(buffer);
        Assert.Equal(network.Paths[0].Address, Answer(server, buffer).Address);
        Assert.Equal(10, client.Receive(buffer));
        Assert.Equal((2, 1), (network.Paths[0].UpCounters.Forwarded, network.Paths[1].UpCounters.Forwarded));
    }

    [WeakNetworkFact]
    public void PathIsLostSilently_SendingSucceedsAndNothingArrives()
    {
        using WeakNetwork network = WeakNetwork.Create(TwoPaths(), seed: 2);
        using Socket server = BindUdp(network.Far), client = ConnectUdp(network.Near, server);
        byte[] buffer = new byte[10];
        network.ChangePath(OldPath.Silent);
        client.Send(buffer);
        Wait(() => network.Paths[0].UpCounters.Cut == 1);
        using Socket other = ConnectUdp(network.Near, server);
        other.Send(buffer);
        Assert.Equal(network.Paths[1].Address, Answer(server, buffer).Address);
    }

    [WeakNetworkFact]
    public void OldPathIsKept_BothCarry()
    {
        using WeakNetwork network = WeakNetwork.Create(TwoPaths(), seed: 2);
        using Socket server = BindUdp(network.Far), client = ConnectUdp(network.Near, server);
        byte[] buffer = new byte[10];
        network.ChangePath(OldPath.Kept);
        using Socket other = ConnectUdp(network.Near, server);
        foreach ((Socket socket, NetworkPath path) in new[] { (client, network.Paths[0]), (other, network.Paths[1]), (client, network.Paths[0]) })
        {
            socket.Send(buffer);
            Assert.Equal(path.Address, Answer(server, buffer).Address);
            Assert.Equal(10, socket.Receive(buffer));
        }
    }

    [WeakNetworkFact]
    public void WhatIsOnTheWayWhenItsPathIsCut_IsLost()
    {
        PathProfile first = new("one", new LinkProfile { Delay = TimeSpan.FromSeconds(2) }), second = new("two", new LinkProfile());
        using WeakNetwork network = WeakNetwork.Create(new("cut", "", [first, second]), seed: 2);
        using Socket server = BindUdp(network.Far), client = ConnectUdp(network.Near, server);
        client.Send(s_one);
        Wait(() => network.Paths[0].UpCounters.InFlight == 1);
        network.ChangePath();
        Wait(() => network.Paths[0].UpCounters is { InFlight: 0, Cut: 1 });
        Assert.Throws<InvalidOperationException>(() =>
        {
            using WeakNetwork single = WeakNetwork.Create(NetworkProfiles.Clean, 1);
            single.ChangePath();
        });
    }

    [WeakNetworkFact]
    public async Task ProgramOnASide_SeesItsNetworkOnly()
    {
        using WeakNetwork network = WeakNetwork.Create(NetworkProfiles.WifiTo4G, seed: 2);
        await using ChildProcess program = network.Near.Start("cat", ["/proc/net/dev"]);
        string devices = await program.Output.ReadToEndAsync().WaitAsync(s_patience);
        Assert.Contains("wifi:", devices, StringComparison.Ordinal);
        Assert.Equal(
            ["lo", "lte", "wifi"],
            devices.Split('\n').Skip(2).Where(line => line.Length > 0).Select(line => line.Split(':')[0].Trim()).Order(StringComparer.Ordinal));
        Assert.DoesNotContain(NetworkInterface.GetAllNetworkInterfaces(), device => device.Name is "wifi" or "lte" or "far");
    }

    [WeakNetworkFact]
    public void AfterDispose_NamespacesDevicesDescriptorsAndThreadsAreGone()
    {
        MakeAndDispose(); // first calls load and keep things
        string[] descriptors = Descriptors();
        for (int i = 0; i < 10; i++)
        {
            MakeAndDispose();
        }

        // No collection is forced: finalizers would hide what is left.
        Assert.True(
            SpinWait.SpinUntil(() => Descriptors().Length <= descriptors.Length, s_patience),
            $"{string.Join(", ", descriptors)}; now {string.Join(", ", Descriptors())}");
        Assert.True(SpinWait.SpinUntil(() => Namespaces().Count == 1, s_patience), string.Join("; ", Namespaces().Select(one => string.Join(", ", one))));
        Assert.DoesNotContain(Directory.EnumerateDirectories("/sys/class/net"), path => Path.GetFileName(path) is "wifi" or "lte" or "far");
        Assert.DoesNotContain("weak-network", File.ReadAllText("/proc/self/maps"), StringComparison.Ordinal);

        static void MakeAndDispose()
        {
            WeakNetwork network = WeakNetwork.Create(NetworkProfiles.WifiTo4G, seed: 2);
            using (Socket server = BindUdp(network.Far), client = ConnectUdp(network.Near, server))
            {
                client.Send(s_one);
                Wait(() => Namespaces().Count == 3); // those of threads that have ended go a little later
            }

            network.ChangePath();
            network.Dispose();
            network.Dispose();
            Assert.Throws<ObjectDisposedException>(() => network.ChangePath());
            Assert.Throws<ObjectDisposedException>(() => network.Near.Run(() => 1));
        }
    }

    [WeakNetworkFact]
    public void ExceptionOnASide_ReachesTheCaller()
    {
        using WeakNetwork network = WeakNetwork.Create(NetworkProfiles.Clean, seed: 2);
        Assert.Throws<FormatException>(() => network.Near.Run(() => int.Parse("x", CultureInfo.InvariantCulture)));
        Assert.Equal(5, network.Near.Run(() => network.Near.Run(() => 5)));
    }

    [WeakNetworkFact]
    public void CleanNetwork_SaysWhatTheEmulatorAdds()
    {
        EmulatorFigures figures = EmulatorFigures.Measure(TimeSpan.FromSeconds(2));
        output.WriteLine(figures.ToString());
        Assert.True(figures.RoundTripP50Ns > 0 && figures.RoundTripP99Ns >= figures.RoundTripP50Ns && figures.LoopbackP50Ns > 0);
        Assert.True(figures.PacketsPerSecond > 0);
    }

    private static NetworkProfile TwoPaths() => new(
        "two", "", [new("one", new LinkProfile()), new("two", new LinkProfile { Delay = TimeSpan.FromMilliseconds(20) })]);

    private static Socket BindUdp(NetworkSide side) => side.Run(() =>
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = (int)s_patience.TotalMilliseconds };
        socket.Bind(new IPEndPoint(side.Address, 0));
        return socket;
    });

    private static Socket ConnectUdp(NetworkSide side, Socket server) => side.Run(() =>
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = (int)s_patience.TotalMilliseconds };
        socket.Connect(server.LocalEndPoint!);
        return socket;
    });

    private static IPEndPoint Answer(Socket server, byte[] buffer)
    {
        EndPoint from = new IPEndPoint(IPAddress.Any, 0);
        int length = server.ReceiveFrom(buffer, ref from);
        server.SendTo(buffer.AsSpan(0, length), from);
        return (IPEndPoint)from;
    }

    // Numbered datagrams or TCP segments, made by hand so that nothing sends them again; the numbers that arrive, in their order.
    private static int[] SendNumbers(WeakNetwork network, ProtocolType protocol, int count)
    {
        const int headerBytes = 20, chunk = 50; // what fits into any receive buffer
        using Socket receiver = network.Far.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Raw, protocol) { Blocking = false });
        receiver.Bind(new IPEndPoint(network.Far.Address, 0));
        using Socket sender = network.Near.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Raw, protocol));
        sender.Connect(new IPEndPoint(network.Far.Address, 0));
        var received = new List<int>();
        byte[] segment = new byte[40], buffer = new byte[2000];
        BinaryPrimitives.WriteUInt16BigEndian(segment, 9); // from and to the port of «discard»
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(2), 9);
        if (protocol == ProtocolType.Udp)
        {
            BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(4), (ushort)segment.Length);
        }
        else
        {
            segment[12] = headerBytes / 4 << 4;
        }

        for (int number = 0; number < count;)
        {
            for (int i = 0; i < chunk && number < count; i++, number++)
            {
                BinaryPrimitives.WriteInt32BigEndian(segment.AsSpan(headerBytes), number);
                sender.Send(segment);
            }

            Wait(() =>
            {
                while (receiver.Available > 0)
                {
                    Assert.Equal(headerBytes + segment.Length, receiver.Receive(buffer));
                    received.Add(BinaryPrimitives.ReadInt32BigEndian(buffer.AsSpan(headerBytes + headerBytes)));
                }

                LinkCounters up = network.CurrentPath.UpCounters;
                return up.Arrived == number && up.InFlight == 0 && up.Forwarded == received.Count;
            });
        }

        return [.. received];
    }

    private static void Wait(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, s_patience));

    // Of the kinds that a network has: files and pipes are opened and closed by whoever runs the tests.
    private static string[] Descriptors() =>
        [.. Directory.EnumerateFileSystemEntries("/proc/self/fd")
            .Select(path => new FileInfo(path).LinkTarget ?? "")
            .Where(target => target.Contains("tun", StringComparison.Ordinal) || target.Contains("weak-network", StringComparison.Ordinal)
                || target.StartsWith("net:", StringComparison.Ordinal) || target.Contains("[eventfd]", StringComparison.Ordinal) || target.StartsWith("socket:", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)];

    // Of all threads of this process, with their names.
    private static ILookup<string, string> Namespaces()
    {
        var found = new List<(string Namespace, string Thread)>();
        foreach (string task in Directory.EnumerateDirectories("/proc/self/task"))
        {
            if (new FileInfo(Path.Combine(task, "ns", "net")).LinkTarget is { } target)
            {
                found.Add((target, File.ReadAllText(Path.Combine(task, "comm")).Trim()));
            }
        }

        return found.ToLookup(one => one.Namespace, one => one.Thread);
    }
}
