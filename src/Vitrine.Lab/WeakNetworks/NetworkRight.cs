using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vitrine.Interop;

namespace Vitrine.Lab.WeakNetworks;

/// <summary>Whether this process may emulate networks.</summary>
public enum NetworkRightState
{
    /// <summary>It may.</summary>
    Granted,

    /// <summary>It may not, but a child of it may that is started by <see cref="NetworkRight.InUserNamespace"/>.</summary>
    InUserNamespace,

    /// <summary>It may not.</summary>
    Missing,
}

/// <summary>The right to make network namespaces and TUN devices, found out by making one of each.</summary>
/// <param name="State">Whether it is there.</param>
/// <param name="Detail">What was tried, and what came of it; a clause without a full stop.</param>
/// <param name="Mend">The command that gives it; empty when granted.</param>
public sealed record NetworkRight(NetworkRightState State, string Detail, string Mend)
{
    private const string Device = "/dev/net/tun";
    private const string WithSudo = "run it with sudo";
    private const string OpenDevice = "sudo chmod a+rw " + Device;
    private static readonly string[] s_userNamespace = ["unshare", "--user", "--map-root-user", "--"];

    // What may forbid user namespaces, the value that does, and the command (user_namespaces(7); Debian; Ubuntu 23.10 and later).
    private static readonly (string File, string Value, string Command)[] s_prohibitions =
    [
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
        ("/proc/sys/user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=1000"),
    ];

    /// <summary>Tries. Makes a namespace and a device, which are gone afterwards, and as a last resort starts a program.</summary>
    public static NetworkRight Examine()
    {
        NetworkRight? right = null;
        // A thread of its own: it does not come back from its namespace.
        var thread = new Thread(() => right = Try()) { IsBackground = true, Name = "network-right" };
        thread.Start();
        thread.Join();
        return right!;
    }

    /// <summary>The command that runs another as root of a user namespace, where it may emulate networks. A process of several threads
    /// cannot enter one itself (<c>unshare(2)</c>), so a program that needs to starts itself again by this.</summary>
    public static IReadOnlyList<string> InUserNamespace(IReadOnlyList<string> command) => [.. s_userNamespace, .. command];

    private static NetworkRight Try()
    {
        if (LibCNetwork.unshare(LibCNetwork.NewNetworkNamespace) != 0)
        {
            int error = Marshal.GetLastSystemError();
            return error switch
            {
                LibCNetwork.NotPermitted => TryUserNamespace(),
                LibCNetwork.NoSpace => new(NetworkRightState.Missing, "the limit of network namespaces is reached", "sudo sysctl user.max_net_namespaces=1000"),
                _ => new(NetworkRightState.Missing, NetworkSide.Describe("a network namespace", error), "use a kernel that has CONFIG_NET_NS"),
            };
        }

        try
        {
            NetworkSide.OpenDeviceHere("tun").Dispose();
            return new(NetworkRightState.Granted, "network namespaces and TUN devices work", "");
        }
        catch (DeviceException failure)
        {
            return new(NetworkRightState.Missing, failure.Message, MendDevice(failure.Error));
        }
    }

    private static NetworkRight TryUserNamespace()
    {
        const string lack = "this user may make no network namespace";
        if (ChildProcess.Find(s_userNamespace[0]) is null)
        {
            return new(NetworkRightState.Missing, $"{lack}, and the program unshare is missing", "run it with sudo, or apt-get install util-linux");
        }

        string refusal = RunInUserNamespace();
        if (refusal.Length > 0)
        {
            string? command = s_prohibitions.FirstOrDefault(one => File.Exists(one.File) && File.ReadAllText(one.File).Trim() == one.Value).Command;
            return new(NetworkRightState.Missing, $"{lack}, and no user namespace: {refusal}", command is null ? WithSudo : $"{WithSudo}, or {command}");
        }

        using SafeFileHandle device = LibCNetwork.open(Device, LibCNetwork.OpenReadWrite | LibCNetwork.OpenCloseOnExec);
        int error = device.IsInvalid ? Marshal.GetLastSystemError() : 0;
        return error == 0
            ? new(NetworkRightState.InUserNamespace, $"{lack}, but one within a user namespace", string.Join(' ', InUserNamespace(["COMMAND"])))
            : new(NetworkRightState.Missing, $"{lack}, and {NetworkSide.Describe(Device, error)}", $"{WithSudo}, or {MendDevice(error)}");
    }

    // Why not; empty when it works.
    private static string RunInUserNamespace()
    {
        var start = new ProcessStartInfo(s_userNamespace[0], [.. s_userNamespace[1..^1], "--net", "--", "true"]) { RedirectStandardError = true };
        try
        {
            using Process process = Process.Start(start)!;
            string errors = process.StandardError.ReadToEnd().Trim();
            process.WaitForExit();
            return process.ExitCode == 0 ? "" : errors.Length > 0 ? errors : $"unshare ended with {process.ExitCode}";
        }
        catch (Win32Exception failure)
        {
            return failure.Message;
        }
    }

    private static string MendDevice(int error) => error switch
    {
        LibCNetwork.NoEntry or LibCNetwork.NoDevice or LibCNetwork.NoDeviceOrAddress => "sudo modprobe tun (in a container: --device " + Device + ")",
        LibCNetwork.AccessDenied => OpenDevice,
        LibCNetwork.NotPermitted => WithSudo + " (in a container: --cap-add NET_ADMIN --device " + Device + ")",
        _ => WithSudo,
    };
}

/// <summary>The kernel gives no TUN device.</summary>
internal sealed class DeviceException(string message, int error) : Exception(message)
{
    /// <summary>errno.</summary>
    public int Error { get; } = error;
}
