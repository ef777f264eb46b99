using System.Buffers;

namespace Vitrine.Transports.Grpc;

/// <summary>Bytes in memory that is lent from a pool and grows with what is written, up to a bound.</summary>
/// <remarks>Not thread-safe. <see cref="Clear"/> gives the memory back; the object can be used again.</remarks>
internal sealed class PooledBuffer(int bytesMax) : IBufferWriter<byte>
{
    private const int FirstBytes = 1024;

    private byte[] _bytes = [];

    /// <summary>Most bytes it grows for; an array that was lent longer is used to its end.</summary>
    public int BytesMax { get; set; } = bytesMax;

    /// <summary>Bytes written.</summary>
    public int Count { get; private set; }

    /// <summary>What was written; valid until the next write.</summary>
    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Count);

    /// <inheritdoc/>
    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, (uint)(_bytes.Length - Count), nameof(count));
        Count += count;
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">It would hold more than <see cref="BytesMax"/>.</exception>
    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _bytes.AsMemory(Count);
    }

    /// <inheritdoc/>
    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    /// <summary>Drops bytes from the start.</summary>
    public void Drop(int count)
    {
        _bytes.AsSpan(count, Count - count).CopyTo(_bytes);
        Count -= count;
    }

    /// <summary>Gives the memory back.</summary>
    public void Clear()
    {
        Return(_bytes);
        (_bytes, Count) = ([], 0);
    }

    private void Reserve(int more)
    {
        if (_bytes.Length - Count >= more)
        {
            return;
        }

        if (more > BytesMax - Count)
        {
            throw new InvalidOperationException($"More than {BytesMax} bytes.");
        }

        byte[] larger = Rent(Math.Max(Count + more, Math.Min(Math.Max(_bytes.Length * 2, FirstBytes), BytesMax)));
        _bytes.AsSpan(0, Count).CopyTo(larger);
        Return(_bytes);
        _bytes = larger;
    }

    private static byte[] Rent(int bytesMin) => bytesMin <= LargeArrays.OthersBytesMax ? ArrayPool<byte>.Shared.Rent(bytesMin) : LargeArrays.Rent(bytesMin);

    private static void Return(byte[] bytes)
    {
        if (bytes.Length > LargeArrays.OthersBytesMax)
        {
            LargeArrays.Return(bytes);
        }
        else if (bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }
}
