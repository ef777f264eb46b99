using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vitrine.Measurement;

/// <summary>What the machine offers to whom time matters. Linux; any thread.</summary>
public static partial class MachineFeatures
{
    /// <summary>Huge pages that are reserved and free now; 0 where none were.</summary>
    public static long FreeHugePages() => MemoryInfo("HugePages_Free:");

    /// <summary>Size of a huge page in bytes; 0 where the kernel has none.</summary>
    public static long HugePageBytes() => MemoryInfo("Hugepagesize:") * 1024;

    /// <summary>Whether shared memory may become huge pages on request: <c>always</c>, <c>within_size</c>, <c>advise</c>, <c>never</c>, ...;
    /// empty when the kernel does not say.</summary>
    public static string SharedHugePages() => Chosen("/sys/kernel/mm/transparent_hugepage/shmem_enabled");

    /// <summary>Memory nodes: where there is more than one, memory can be far from a processor. 1 when the kernel does not say.</summary>
    public static int MemoryNodes()
    {
        const string Nodes = "/sys/devices/system/node";
        return Directory.Exists(Nodes) ? Math.Max(1, Directory.EnumerateDirectories(Nodes, "node*").Count(path => char.IsAsciiDigit(path[^1]))) : 1;
    }

    /// <summary>Tries to count processor cycles of this thread (<c>perf_event_open</c>).</summary>
    /// <param name="reason">Why it cannot; empty when it can.</param>
    public static bool HasHardwareCounters(out string reason)
    {
        const int NoEntry = 2, NotPermitted = 1, NoAccess = 13, NoDevice = 19, NotSupported = 95;
        int number = RuntimeInformation.ProcessArchitecture switch { Architecture.X64 => 298, Architecture.Arm64 => 241, _ => 0 };
        if (number == 0)
        {
            reason = $"not known on {RuntimeInformation.ProcessArchitecture}";
            return false;
        }

        // perf_event_attr, first published form: type 0 (hardware), 64 bytes, event 0 (cycles); at 40 exclude_kernel and exclude_hv.
        Span<byte> attributes = stackalloc byte[64];
        attributes.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(attributes[4..], attributes.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(attributes[40..], (1 << 5) | (1 << 6));
        nint descriptor = syscall(number, attributes, 0, -1, -1, 0);
        if (descriptor >= 0)
        {
            new SafeFileHandle(descriptor, ownsHandle: true).Dispose();
            reason = string.Empty;
            return true;
        }

        reason = Marshal.GetLastSystemError() switch
        {
            NoEntry or NoDevice or NotSupported => "the processor, or the virtual machine, offers none",
            NotPermitted or NoAccess => "this user may not (kernel.perf_event_paranoid)",
            int other => string.Create(CultureInfo.InvariantCulture, $"error {other}"),
        };
        return false;
    }

    private static long MemoryInfo(string key)
    {
        const string Path = "/proc/meminfo";
        string? line = File.Exists(Path) ? File.ReadLines(Path).FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal)) : null;
        return line is null ? 0 : long.Parse(line[key.Length..].Replace("kB", string.Empty, StringComparison.Ordinal).AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture);
    }

    // The kernel's way to show a choice: «always within_size advise [never] deny force».
    private static string Chosen(string path)
    {
        string text = File.Exists(path) ? File.ReadAllText(path) : string.Empty;
        int from = text.IndexOf('[', StringComparison.Ordinal), to = text.IndexOf(']', StringComparison.Ordinal);
        return from >= 0 && to > from ? text[(from + 1)..to] : string.Empty;
    }

    [LibraryImport("libc")]
    private static partial nint syscall(nint number, Span<byte> attributes, int process, int processor, int group, nuint flags);
}
