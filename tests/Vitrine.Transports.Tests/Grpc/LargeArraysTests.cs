using Vitrine.Transports.Grpc;

namespace Vitrine.Transports.Tests.Grpc;

public class LargeArraysTests
{
    [Fact]
    public void ManyComeBack_OnlySoManyAreKept_AndUsedAgain()
    {
        byte[][] all = [.. Enumerable.Range(0, 40).Select(_ => LargeArrays.Rent(1 << 20))];
        Assert.All(all, array => Assert.InRange(array.Length, 1 << 20, 2 << 20));
        Assert.Equal(40, all.Distinct().Count());
        Array.ForEach(all, LargeArrays.Return);
        Assert.InRange(LargeArrays.FreeBytes, 1, LargeArrays.KeptBytesMax);
        byte[] huge = LargeArrays.Rent(LargeArrays.KeptBytesMax);
        int free = LargeArrays.FreeBytes;
        LargeArrays.Return(huge);
        Assert.InRange(LargeArrays.FreeBytes, 0, LargeArrays.KeptBytesMax);
        Assert.True(free <= LargeArrays.KeptBytesMax);
    }

    [Fact]
    public void BufferThatGrows_HoldsWhatWasWritten_InArraysOfEachKind()
    {
        PooledBuffer buffer = new(3 << 20);
        byte[] part = new byte[10_007];
        for (int i = 0; i < 300; i++)
        {
            part.AsSpan().Fill((byte)i);
            part.CopyTo(buffer.GetSpan(part.Length));
            buffer.Advance(part.Length);
        }

        ReadOnlySpan<byte> written = buffer.Written.Span;
        Assert.Equal(300 * part.Length, written.Length);
        for (int i = 0; i < 300; i++)
        {
            Assert.Equal(-1, written.Slice(i * part.Length, part.Length).IndexOfAnyExcept((byte)i));
        }

        Assert.Throws<InvalidOperationException>(() => buffer.GetMemory(4 << 20)); // the array may be twice as long as was asked for
        buffer.Clear();
        Assert.Equal(0, buffer.Count);
    }
}
