using System.Collections.Concurrent;
using System.ComponentModel;
using System.Globalization;
using System.Net;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Vitrine.Interop;

namespace Vitrine.Lab.WeakNetworks;

/// <summary>One end of a weak network: a network namespace and the thread that lives in it. A namespace belongs to the thread that
/// asks, so sockets made by <see cref="Run{T}"/> and programs started by <see cref="Start"/> are in it, for ever, whoever uses them
/// afterwards.</summary>
/// <remarks>Thread-safe. The namespace has no name; it is gone with its last thread, socket and process, also when this process is
/// killed. IPv4 only.</remarks>
internal sealed class NetworkSide : IDisposable
{
    private readonly BlockingCollection<Action> _work = [];
    private readonly Thread _thread;
    private readonly Func<IPAddress> _address;
    private readonly SafeFileHandle _namespace;

    /// <param name="name">Of the thread, at most 15 bytes.</param>
    /// <param name="address">The present address.</param>
    /// <exception cref="LaboratoryException">The kernel refuses.</exception>
    internal NetworkSide(string name, Func<IPAddress> address)
    {
        _address = address;
        using var started = new ManualResetEventSlim();
        int error = 0;
        _thread = new Thread(() =>
        {
            error = LibCNetwork.unshare(LibCNetwork.NewNetworkNamespace) == 0 ? 0 : Marshal.GetLastSystemError();
            started.Set();
            if (error == 0)
            {
                foreach (Action work in _work.GetConsumingEnumerable())
                {
                    work();
                }
            }
        })
        { IsBackground = true, Name = name };
        _thread.Start();
        started.Wait();
        if (error != 0)
        {
            Dispose();
            throw new LaboratoryException(Describe("A network namespace", error));
        }

        _namespace = Run(() =>
        {
            SetFlags("lo", LibCNetwork.InterfaceUp);
            return LibCNetwork.open("/proc/thread-self/ns/net", LibCNetwork.OpenCloseOnExec);
        });
    }

    /// <summary>Where the other side reaches this one: of the near side, on the path that came up last.</summary>
    public IPAddress Address => _address();

    /// <summary>Runs something in the namespace, one at a time: sockets that it makes stay there. For making sockets and looking at
    /// devices, no more: what starts a thread, such as anything asynchronous, starts it in the namespace, and the thread pool would go
    /// on with it elsewhere. A listening socket made here makes all that it accepts be here; addresses are given as such, since names
    /// are not looked up in the namespace.</summary>
    /// <exception cref="ObjectDisposedException">The network is gone.</exception>
    public T Run<T>(Func<T> work)
    {
        if (Thread.CurrentThread == _thread)
        {
            return work();
        }

        ObjectDisposedException.ThrowIf(_work.IsAddingCompleted, this);
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        using var done = new ManualResetEventSlim();
        _work.Add(() =>
        {
            try
            {
                result = work();
            }
            catch (Exception exception) // handed to who asked
            {
                failure = ExceptionDispatchInfo.Capture(exception);
            }

            done.Set();
        });
        done.Wait();
        failure?.Throw();
        return result;
    }

    /// <inheritdoc cref="Run{T}"/>
    public void Run(Action work) => Run(() =>
    {
        work();
        return true;
    });

    /// <summary>Starts a program in the namespace. The caller ends it.</summary>
    /// <exception cref="MissingRequirementException">There is no <c>nsenter</c>.</exception>
    /// <remarks>By <c>nsenter</c>, which becomes the program: the thread of this side must not start the threads that read its output.</remarks>
    public ChildProcess Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null)
    {
        ObjectDisposedException.ThrowIf(_namespace.IsClosed, this);
        string enter = ChildProcess.Find("nsenter") ?? throw new MissingRequirementException("The program nsenter", "util-linux");
        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{_namespace.DangerousGetHandle()}");
        return ChildProcess.Start(enter, [$"--net={path}", "--", program, .. arguments], environment);
    }

    /// <summary>Ends the thread.</summary>
    public void Dispose()
    {
        _work.CompleteAdding();
        _thread.Join();
        _namespace?.Dispose(); // null when the constructor gave up
    }

    /// <summary>Makes a TUN device that is down (<c>tuntap.rst</c>). It is gone when the handle is closed.</summary>
    /// <exception cref="LaboratoryException">The kernel refuses.</exception>
    internal SafeFileHandle OpenDevice(string name) => Run(() => OpenDeviceHere(name));

    /// <summary>As <see cref="OpenDevice"/>, in the namespace of the calling thread.</summary>
    internal static SafeFileHandle OpenDeviceHere(string name)
    {
        SafeFileHandle device = LibCNetwork.open("/dev/net/tun", LibCNetwork.OpenReadWrite | LibCNetwork.OpenNonBlocking | LibCNetwork.OpenCloseOnExec);
        int error = device.IsInvalid ? Marshal.GetLastSystemError() : 0;
        if (error == 0)
        {
            InterfaceRequest request = Request(name);
            request.Flags = LibCNetwork.TunLayer3 | LibCNetwork.TunNoPacketInformation;
            error = LibCNetwork.ioctl(device, LibCNetwork.TunSetInterface, ref request) == 0 ? 0 : Marshal.GetLastSystemError();
        }

        if (error != 0)
        {
            device.Dispose();
            throw new DeviceException(Describe("/dev/net/tun", error), error);
        }

        return device;
    }

    /// <summary>Lets packets come by any device. Distributions make kernels drop what comes by another than answers would leave by
    /// (RFC 3704), which is what a path that is kept beside a newer one does. Before devices are made, which take it over.</summary>
    /// <exception cref="LaboratoryException">The setting may not be changed.</exception>
    internal void SwitchOffPathFilter() => Run(() =>
    {
        foreach (string devices in (ReadOnlySpan<string>)["all", "default"])
        {
            string file = $"/proc/sys/net/ipv4/conf/{devices}/rp_filter";
            try
            {
                if (File.ReadAllText(file).Trim() != "0")
                {
                    File.WriteAllText(file, "0");
                }
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                throw new LaboratoryException($"{file} must be 0: {failure.Message}");
            }
        }
    });

    /// <summary>Gives a device its address and brings it up, with a route to everything that goes before those with a higher metric.</summary>
    internal void BringUp(string name, IPAddress address, short metric) => Run(() =>
    {
        SetFlags(name, 0); // what is left of routes through it goes
        InterfaceRequest request = Request(name);
        request.Number = WeakNetwork.MtuBytes;
        Control(LibCNetwork.SetInterfaceMtu, ref request);
        // What waits in the device waits unseen by the profile, for this process to get the processor. The device holds 500 packets, and
        // drops more; in a user namespace, where this ioctl is not allowed, that has to do.
        request.Number = WeakNetwork.PacketsInFlightMax;
        int error = TryControl(LibCNetwork.SetTransmitQueueLength, ref request);
        if (error is not (0 or LibCNetwork.NotPermitted))
        {
            throw new LaboratoryException(Describe($"The queue of {name}", error));
        }

        SetAddress(name, address);
        SetFlags(name, LibCNetwork.InterfaceUp);
        AddRoute(name, metric);
    });

    /// <summary>Takes a device down and its address away, as an operating system does that has left a network.</summary>
    internal void TakeDown(string name) => Run(() =>
    {
        SetFlags(name, 0);
        SetAddress(name, IPAddress.Any);
    });

    /// <summary>Packets that the kernel dropped because they were not taken out of the devices in time.</summary>
    internal long CountDrops() => Run(() =>
    {
        // /proc/net is that of the process; this thread lives elsewhere. Two lines of titles, then name: 8 figures received, 8 sent.
        long drops = 0;
        foreach (string line in File.ReadLines("/proc/thread-self/net/dev").Skip(2))
        {
            string[] figures = line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            drops += long.Parse(figures[11], CultureInfo.InvariantCulture);
        }

        return drops;
    });

    internal static string Describe(string what, int error) =>
        string.Create(CultureInfo.InvariantCulture, $"{what}: {new Win32Exception(error).Message} (error {error})");

    private static unsafe InterfaceRequest Request(string name)
    {
        InterfaceRequest request = default;
        // SAFETY: 16 bytes, zeroed; names are at most 15 bytes of ASCII.
        Encoding.ASCII.GetBytes(name, new Span<byte>(request.Name, InterfaceRequest.NameBytes - 1));
        return request;
    }

    private static InternetAddress Internet(IPAddress address) =>
        new() { Family = LibCNetwork.FamilyInet, Address = BitConverter.ToUInt32(address.GetAddressBytes()) };

    private static void SetFlags(string name, short flags)
    {
        InterfaceRequest request = Request(name);
        request.Flags = flags;
        Control(LibCNetwork.SetInterfaceFlags, ref request);
    }

    private static void SetAddress(string name, IPAddress address)
    {
        InterfaceRequest request = Request(name);
        request.Address = Internet(address);
        Control(LibCNetwork.SetInterfaceAddress, ref request);
    }

    private static unsafe void AddRoute(string name, short metric)
    {
        Span<byte> device = stackalloc byte[InterfaceRequest.NameBytes];
        device.Clear();
        Encoding.ASCII.GetBytes(name, device);
        using SafeFileHandle socket = OpenSocket();
        // SAFETY: the name is on the stack for the call.
        fixed (byte* pointer = device)
        {
            var route = new RouteEntry
            {
                Destination = Internet(IPAddress.Any),
                Mask = Internet(IPAddress.Any),
                Flags = LibCNetwork.RouteUp,
                MetricPlusOne = (short)(metric + 1),
                Device = pointer,
            };
            Check(LibCNetwork.ioctl(socket, LibCNetwork.AddRoute, in route), $"A route through {name}");
        }
    }

    private static void Control(nuint command, ref InterfaceRequest request)
    {
        int error = TryControl(command, ref request);
        if (error != 0)
        {
            throw new LaboratoryException(Describe(string.Create(CultureInfo.InvariantCulture, $"The network device (request {command:x})"), error));
        }
    }

    private static int TryControl(nuint command, ref InterfaceRequest request)
    {
        using SafeFileHandle socket = OpenSocket();
        return LibCNetwork.ioctl(socket, command, ref request) == 0 ? 0 : Marshal.GetLastSystemError();
    }

    // Which namespace an ioctl is about is decided by the socket: one made here.
    private static SafeFileHandle OpenSocket()
    {
        SafeFileHandle socket = LibCNetwork.socket(LibCNetwork.FamilyInet, LibCNetwork.TypeDatagram | LibCNetwork.SocketCloseOnExec, 0);
        Check(socket.IsInvalid ? -1 : 0, "A socket");
        return socket;
    }

    private static void Check(int result, string what)
    {
        if (result != 0)
        {
            throw new LaboratoryException(Describe(what, Marshal.GetLastSystemError()));
        }
    }
}
