using System.ComponentModel;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Vitrine.Interop;
using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>Runs where this user may make a network namespace; in CI he must.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SilentLinkFactAttribute : FactAttribute
{
    public SilentLinkFactAttribute()
    {
        try
        {
            using SilentLink link = new();
        }
        catch (Win32Exception refused)
        {
            Skip = Environment.GetEnvironmentVariable("CI") == "true" ? null : $"It takes CAP_NET_ADMIN: {refused.Message}";
        }
    }
}

/// <summary>An Ethernet of 1,500 bytes without anybody on it, in a network namespace of its own: what is sent waits for a neighbour's
/// answer in the sender's account, as behind a slow link.</summary>
internal sealed class SilentLink : IDisposable
{
    private const int TapLayer2 = 0x0002; // IFF_TAP
    private const string Name = "silent0";
    private SafeFileHandle? _device;
    private readonly UdpSocketOptions? _options;
    private UdpSocket? _made;
    private Win32Exception? _refused;

    /// <exception cref="Win32Exception">The kernel refuses.</exception>
    public SilentLink(UdpSocketOptions? options = null)
    {
        // A namespace belongs to the thread; what the thread makes stays in it.
        _options = options;
        Thread thread = new(Run) { IsBackground = true };
        thread.Start();
        thread.Join();
        if (_refused is not null)
        {
            throw _refused;
        }
    }

    /// <summary>Somebody who is not there.</summary>
    public static IPEndPoint Neighbour { get; } = new(IPAddress.Parse("10.11.12.2"), 9);

    /// <summary>A socket in the namespace.</summary>
    public UdpSocket Socket => _made!;

    /// <summary>Pulls the cable: what waits is dropped.</summary>
    public void Remove() => _device!.Dispose();

    public void Dispose()
    {
        _made?.Dispose();
        _device?.Dispose();
    }

    private void Run()
    {
        try
        {
            Check(LibCNetwork.unshare(LibCNetwork.NewNetworkNamespace));
            _device = LibCNetwork.open("/dev/net/tun", LibCNetwork.OpenReadWrite | LibCNetwork.OpenNonBlocking | LibCNetwork.OpenCloseOnExec);
            Check(_device.IsInvalid ? -1 : 0);
            InterfaceRequest request = Request();
            request.Flags = TapLayer2 | LibCNetwork.TunNoPacketInformation;
            Check(LibCNetwork.ioctl(_device, LibCNetwork.TunSetInterface, ref request));

            using SafeFileHandle control = LibCNetwork.socket(LibCNetwork.FamilyInet, LibCNetwork.TypeDatagram | LibCNetwork.SocketCloseOnExec, 0);
            request = Request();
            request.Address = new() { Family = LibCNetwork.FamilyInet, Address = MemoryMarshal.Read<uint>(IPAddress.Parse("10.11.12.1").GetAddressBytes()) };
            Check(LibCNetwork.ioctl(control, LibCNetwork.SetInterfaceAddress, ref request));
            request = Request();
            request.Flags = LibCNetwork.InterfaceUp;
            Check(LibCNetwork.ioctl(control, LibCNetwork.SetInterfaceFlags, ref request));
            _made = _options is null ? null : UdpSocket.Bind(new(IPAddress.Any, 0), _options);
        }
        catch (Win32Exception refused)
        {
            _refused = refused;
        }

        static void Check(int result)
        {
            if (result < 0)
            {
                throw new Win32Exception(Marshal.GetLastSystemError());
            }
        }
    }

    private static unsafe InterfaceRequest Request()
    {
        InterfaceRequest request = default;
        Encoding.ASCII.GetBytes(Name, new Span<byte>(request.Name, InterfaceRequest.NameBytes)); // SAFETY: shorter, and the rest is zero
        return request;
    }
}
