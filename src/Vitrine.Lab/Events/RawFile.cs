using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vitrine.Interop;
using Vitrine.Measurement;

namespace Vitrine.Lab.Events;

/// <summary>What a log cannot be faster than: one thread that writes as many bytes as a batch has at the end of a file, and makes them
/// durable, again and again. It waits for nobody, and keeps nothing but bytes.</summary>
internal sealed class RawFile(string folder) : IDisposable
{
    private readonly SafeFileHandle _file = File.OpenHandle(Path.Combine(folder, "raw-file"), FileMode.Create, FileAccess.ReadWrite);
    private long _length;

    /// <summary>Writes for a while.</summary>
    /// <param name="bytes">Of a batch.</param>
    /// <param name="time">How long.</param>
    /// <param name="latency">Takes how long each took; null: not counted.</param>
    /// <returns>Batches a second.</returns>
    public double Play(int bytes, TimeSpan time, LatencyHistogram? latency)
    {
        byte[] batch = new byte[bytes];
        Random.Shared.NextBytes(batch);
        long begun = Stopwatch.GetTimestamp(), batches = 0;
        while (Stopwatch.GetElapsedTime(begun) < time)
        {
            long at = Stopwatch.GetTimestamp();
            RandomAccess.Write(_file, batch, _length);
            if (LibC.fdatasync(_file) != 0)
            {
                throw new LaboratoryException($"fdatasync: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastSystemError())}");
            }

            _length += bytes;
            batches++;
            latency?.Record((long)Stopwatch.GetElapsedTime(at).TotalNanoseconds);
        }

        return batches / Stopwatch.GetElapsedTime(begun).TotalSeconds;
    }

    public void Dispose() => _file.Dispose();
}
