using System.Runtime.InteropServices;

namespace Vitrine.Transports.Quic;

/// <summary>Head of a block; its bytes follow.</summary>
internal unsafe struct NativeBlock
{
    public const int BlockBytes = 4096;

    /// <summary>What fits into a block: two of them hold any packet.</summary>
    public const int Capacity = BlockBytes - 16;

    public NativeBlock* Next;

    /// <summary>First byte that is still wanted.</summary>
    public int Start;

    /// <summary>Behind the last byte.</summary>
    public int End;

    // SAFETY: a block is BlockBytes long, see NativeBlockPool.
    public static byte* Data(NativeBlock* block) => (byte*)(block + 1);
}

/// <summary>Native memory in blocks that do not move: bytes that were sent stay where they are until they are acknowledged.</summary>
/// <remarks>Thread-safe. Grows by slabs up to what the limits of all connections add up to, and keeps them until disposal, which comes
/// after the last block was returned.</remarks>
internal sealed unsafe class NativeBlockPool : IDisposable
{
    private const int SlabBlocks = 64;

    private readonly Lock _lock = new();
    private readonly List<nint> _slabs = [];
    private NativeBlock* _free;
    private long _rented;

    /// <summary>Blocks that somebody has.</summary>
    public long Rented => Volatile.Read(ref _rented);

    /// <summary>An empty block.</summary>
    public NativeBlock* Rent()
    {
        lock (_lock)
        {
            if (_free is null)
            {
                // SAFETY: SlabBlocks blocks in a row, each linked into the free list.
                byte* slab = (byte*)NativeMemory.AlignedAlloc(SlabBlocks * NativeBlock.BlockBytes, NativeBlock.BlockBytes);
                _slabs.Add((nint)slab);
                for (int i = 0; i < SlabBlocks; i++)
                {
                    NativeBlock* made = (NativeBlock*)(slab + (i * NativeBlock.BlockBytes));
                    made->Next = _free;
                    _free = made;
                }
            }

            NativeBlock* block = _free;
            _free = block->Next;
            block->Next = null;
            block->Start = block->End = 0;
            _rented++;
            return block;
        }
    }

    /// <summary>Takes a block back.</summary>
    public void Return(NativeBlock* block)
    {
        lock (_lock)
        {
            block->Next = _free;
            _free = block;
            _rented--;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            foreach (nint slab in _slabs)
            {
                NativeMemory.AlignedFree((void*)slab);
            }

            _slabs.Clear();
            _free = null;
        }
    }
}
