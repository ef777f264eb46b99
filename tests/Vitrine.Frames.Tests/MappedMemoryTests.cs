namespace Vitrine.Frames.Tests;

public sealed class MappedMemoryTests
{
    [Fact]
    public void Handle_LeadsToTheSameBytes()
    {
        using IDisposable owner = new MappedMemory("vitrine-test-bytes", 5000);
        MappedMemory memory = (MappedMemory)owner;
        memory.GetSpan()[4999] = 42;
        Assert.Equal(5000, memory.Memory.Length);
        Assert.Equal(5000, RandomAccess.GetLength(memory.Handle));
        Span<byte> one = stackalloc byte[1];
        Assert.Equal(1, RandomAccess.Read(memory.Handle, one, 4999));
        Assert.Equal(42, one[0]);
    }

    [Fact]
    public void Disposed_UnmappedAndClosed()
    {
        MappedMemory memory = new("vitrine-test-closed", 4096);
        Assert.Contains(File.ReadLines("/proc/self/maps"), line => line.Contains("memfd:vitrine-test-closed", StringComparison.Ordinal));
        ((IDisposable)memory).Dispose();
        ((IDisposable)memory).Dispose();
        Assert.DoesNotContain(File.ReadLines("/proc/self/maps"), line => line.Contains("memfd:vitrine-test-closed", StringComparison.Ordinal));
        Assert.True(memory.Handle.IsClosed);
        Assert.Throws<ObjectDisposedException>(() => memory.GetSpan().Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void SizeNotPositive_Refused(int sizeBytes) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new MappedMemory("vitrine-test", sizeBytes));

    [Fact]
    public void Pin_ChecksTheIndex()
    {
        using IDisposable owner = new MappedMemory("vitrine-test-pin", 16);
        MappedMemory memory = (MappedMemory)owner;
        using System.Buffers.MemoryHandle pinned = memory.Pin(16);
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Pin(17));
    }
}
