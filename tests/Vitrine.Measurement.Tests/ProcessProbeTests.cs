using System.Diagnostics;

namespace Vitrine.Measurement.Tests;

public class ProcessProbeTests
{
    [Fact]
    public void OwnProcess_IsRead()
    {
        using FileStream held = File.OpenRead("/proc/self/status");
        Assert.True(ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample sample));
        Assert.True(sample.CpuNs > 0);
        Assert.InRange(sample.ResidentBytes, 1 << 20, sample.PeakResidentBytes);
        Assert.True(sample.Threads > 1);
        Assert.True(sample.Descriptors > 2);
        Assert.False(held.SafeFileHandle.IsClosed);
    }

    [Fact]
    public void NoSuchProcess_IsAnAnswer()
    {
        Assert.False(ProcessProbe.TryGetCpuNs(int.MaxValue >> 4, out _));
        Assert.False(ProcessProbe.TryRead(int.MaxValue >> 4, out _));
    }

    [Fact]
    public void EndedThreads_StillCount()
    {
        Assert.True(ProcessProbe.TryGetCpuNs(Environment.ProcessId, out long before));
        var thread = new Thread(() =>
        {
            // Until it got its time from the processor, however long a busy machine takes to grant it.
            while (ProcessProbe.TryGetCpuNs(Environment.ProcessId, out long now) && now - before < 60_000_000)
            {
            }
        });
        thread.Start();
        thread.Join();
        Assert.True(ProcessProbe.TryGetCpuNs(Environment.ProcessId, out long after));
        Assert.True(after - before > 20_000_000, $"60 ms of the processor counted as {(after - before) / 1e6} ms");
    }

    [Fact]
    public void CpuMeter_CountsOtherProcesses()
    {
        using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", "while :; do :; done"]))!;
        try
        {
            var meter = new CpuMeter(TimeProvider.System, shell.Id);
            Assert.True(SpinWait.SpinUntil(() => meter.ElapsedCpuNs > 50_000_000, TimeSpan.FromSeconds(20)));
            Assert.InRange(meter.Cores, 0.01, 1.2);
        }
        finally
        {
            shell.Kill();
            shell.WaitForExit();
        }
    }

    [Fact]
    public void GarbageCollection_IsSeen()
    {
        var probe = new GarbageCollectionProbe();
        GC.Collect();
        probe.Poll();
        Assert.True(probe.Pauses.Count > 0);
        Assert.True(probe.Pauses.MaxNs > 0);
        probe.Restart();
        byte[] kept = new byte[1 << 20];
        Assert.True(probe.GetAllocatedBytes(precise: true) >= kept.Length);
    }
}
