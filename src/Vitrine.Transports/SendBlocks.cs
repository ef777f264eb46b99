using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace Vitrine.Transports;

/// <summary>Memory that Kestrel copies into what it sends, in blocks of 64 KiB instead of 4.</summary>
/// <remarks>The runtime's sockets make two arrays for every send of more than eight blocks: a packet of 256 KiB is five of these, and
/// was 65. Blocks that came back are kept, at most <see cref="FreeBlocksMax"/>; Kestrel's own are given up when a connection
/// pauses, and made anew when a picture follows.</remarks>
public sealed class SendBlocks : IMemoryPoolFactory<byte>
{
    /// <summary>Size of a block.</summary>
    public const int BlockBytes = 64 << 10;

    /// <summary>Free blocks that a pool keeps, should so many have been needed at a time: 8 MiB, 256 KiB for each of 32 viewers. Kestrel
    /// makes a pool for each processor and shares the connections out among them.</summary>
    public const int FreeBlocksMax = 128;

    /// <inheritdoc/>
    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new Pool();

    private sealed class Pool : MemoryPool<byte>
    {
        private readonly Lock _lock = new();
        private readonly Stack<Block> _free = new(FreeBlocksMax);
        private bool _isDisposed;

        public override int MaxBufferSize => BlockBytes;

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockBytes);
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_isDisposed, this);
                return _free.TryPop(out Block? block) ? block : new(this);
            }
        }

        public void Return(Block block)
        {
            lock (_lock)
            {
                if (!_isDisposed && _free.Count < FreeBlocksMax)
                {
                    _free.Push(block);
                }
            }
        }

        // What is still out is left to the garbage collector when it comes back.
        protected override void Dispose(bool disposing)
        {
            lock (_lock)
            {
                _isDisposed = true;
                _free.Clear();
            }
        }
    }

    private sealed class Block(Pool pool) : IMemoryOwner<byte>
    {
        // Pinned: a send pins its memory anyway, and a collection never moves it.
        private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(BlockBytes, pinned: true);

        public Memory<byte> Memory => _bytes;

        public void Dispose() => pool.Return(this);
    }
}
