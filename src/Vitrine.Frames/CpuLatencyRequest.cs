using Microsoft.Win32.SafeHandles;

namespace Vitrine.Frames;

/// <summary>Asks the kernel to let no processor of the machine sleep so deep that it needs longer than a bound to come back
/// (the CPU latency limit of https://docs.kernel.org/power/pm_qos_interface.html). It holds until it is disposed, or the process
/// ends; where several hold one, the least bound is what counts. Linux.</summary>
/// <remarks>It costs power: with 0, processors that have nothing to do poll, all the time, and a hypervisor sees a machine that is
/// busy. Thread-safe.</remarks>
public sealed class CpuLatencyRequest : IDisposable
{
    private const string Device = "/dev/cpu_dma_latency";

    private readonly SafeFileHandle _held;

    private CpuLatencyRequest(SafeFileHandle held) => _held = held;

    /// <summary>Asks.</summary>
    /// <param name="latencyUsMax">The bound, microseconds; 0 lets no processor halt.</param>
    /// <param name="grant">Refused to whoever may not write to <c>/dev/cpu_dma_latency</c>, which by default is everybody but root;
    /// unavailable where there is no such device.</param>
    /// <returns>What holds the request, when it was granted. The caller owns it.</returns>
    public static CpuLatencyRequest? TryHold(int latencyUsMax, out KernelGrant grant) => TryHold(Device, latencyUsMax, out grant);

    internal static CpuLatencyRequest? TryHold(string device, int latencyUsMax, out KernelGrant grant)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(latencyUsMax);
        SafeFileHandle? handle = null;
        try
        {
            handle = File.OpenHandle(device, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            RandomAccess.Write(handle, BitConverter.GetBytes(latencyUsMax), fileOffset: 0); // an s32 of the machine's byte order
            grant = KernelGrant.Granted;
            return new(handle);
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or IOException)
        {
            handle?.Dispose();
            grant = exception is IOException ? KernelGrant.Unavailable : KernelGrant.Refused;
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _held.Dispose();
}
