namespace Vitrine.Frames.Tests;

public sealed class CpuLatencyRequestTests
{
    [Fact]
    public void Granted_TheBoundIsWritten()
    {
        string device = Path.GetTempFileName();
        try
        {
            CpuLatencyRequest.TryHold(device, 20, out KernelGrant grant)!.Dispose();
            Assert.Equal(KernelGrant.Granted, grant);
            Assert.Equal(20, BitConverter.ToInt32(File.ReadAllBytes(device)));
        }
        finally
        {
            File.Delete(device);
        }
    }

    [Fact]
    public void NoSuchDevice_Unavailable()
    {
        string missing = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName(), "cpu_dma_latency");
        Assert.Null(CpuLatencyRequest.TryHold(missing, 0, out KernelGrant grant));
        Assert.Equal(KernelGrant.Unavailable, grant);
    }

    [Fact]
    public void MayNotBeWrittenTo_Refused()
    {
        // What the kernel refuses to root too: opening a folder.
        Assert.Null(CpuLatencyRequest.TryHold(Path.GetTempPath(), 0, out KernelGrant grant));
        Assert.Equal(KernelGrant.Refused, grant);
    }

    [Fact]
    public void TakesNothing_Unavailable()
    {
        Assert.Null(CpuLatencyRequest.TryHold("/dev/full", 0, out KernelGrant grant));
        Assert.Equal(KernelGrant.Unavailable, grant);
    }

    [Fact]
    public void BelowNothing_Refused() => Assert.Throws<ArgumentOutOfRangeException>(() => CpuLatencyRequest.TryHold(-1, out _));
}
