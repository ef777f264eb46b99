using Vitrine.Interop;

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

/// <summary>Head of a slab, in the place of its first block.</summary>
internal unsafe struct NativeSlab
{
    public const int Blocks = 64;

    /// <summary>Size, and what its address is a multiple of: a block's slab is found by its address.</summary>
    public const int Bytes = Blocks * NativeBlock.BlockBytes;

    public NativeBlock* Free;
    public NativeSlab* Previous;
    public NativeSlab* Next;
    public int FreeCount;

    public static NativeSlab* Of(NativeBlock* block) => (NativeSlab*)((nint)block & ~(Bytes - 1));
}

/// <summary>Native memory in blocks that do not move: bytes that were sent stay where they are until they are acknowledged.</summary>
/// <remarks>Thread-safe. Grows by slabs up to what the limits of all connections add up to. A slab of which all blocks have come back is
/// given back to the system, but for <see cref="KeptBlocksMax"/> free blocks. Disposed of after the last block was returned.</remarks>
internal sealed unsafe class NativeBlockPool : IDisposable
{
    /// <summary>Free blocks that are kept: what one connection may have waiting, 4 MiB.</summary>
    public const int KeptBlocksMax = 1024;

    private const int SlabBlocks = NativeSlab.Blocks - 1; // without the head

    private readonly Lock _lock = new();
    private NativeSlab* _open; // slabs that have free blocks
    private long _free;
    private long _rented;

    /// <summary>Blocks that somebody has.</summary>
    public long Rented => Volatile.Read(ref _rented);

    /// <summary>Blocks that nobody has.</summary>
    public long Free => Volatile.Read(ref _free);

    /// <summary>An empty block.</summary>
    public NativeBlock* Rent()
    {
        lock (_lock)
        {
            if (_open is null)
            {
                Link(Map());
                _free += SlabBlocks;
            }

            NativeSlab* slab = _open;
            NativeBlock* block = slab->Free;
            slab->Free = block->Next;
            if (--slab->FreeCount == 0)
            {
                Unlink(slab);
            }

            block->Next = null;
            block->Start = block->End = 0;
            _free--;
            _rented++;
            return block;
        }
    }

    /// <summary>Takes a block back.</summary>
    public void Return(NativeBlock* block)
    {
        lock (_lock)
        {
            NativeSlab* slab = NativeSlab.Of(block);
            block->Next = slab->Free;
            slab->Free = block;
            if (slab->FreeCount++ == 0)
            {
                Link(slab);
            }

            _free++;
            _rented--;
            if (slab->FreeCount == SlabBlocks && _free > KeptBlocksMax)
            {
                Unlink(slab);
                _free -= SlabBlocks;
                Unmap((nint)slab, NativeSlab.Bytes);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            while (_open is not null)
            {
                NativeSlab* slab = _open;
                Unlink(slab);
                Unmap((nint)slab, NativeSlab.Bytes);
            }

            _free = 0;
        }
    }

    // A C library keeps what it is given back; the system does not.
    private static NativeSlab* Map()
    {
        nint all = LibC.mmap(0, 2 * NativeSlab.Bytes, LibC.ProtectionReadWrite, LibC.MapPrivateAnonymous, -1, 0);
        if (all == -1)
        {
            throw new InsufficientMemoryException("The system gives no memory for QUIC's streams.");
        }

        // SAFETY: what lies around the aligned part is given back at once; the slab is the system's zeros, SlabBlocks + 1 blocks in a row.
        nint at = (all + NativeSlab.Bytes - 1) & ~(NativeSlab.Bytes - 1);
        Unmap(all, at - all);
        Unmap(at + NativeSlab.Bytes, all + NativeSlab.Bytes - at);
        NativeSlab* slab = (NativeSlab*)at;
        for (int i = SlabBlocks; i > 0; i--)
        {
            NativeBlock* made = (NativeBlock*)(at + (i * NativeBlock.BlockBytes));
            made->Next = slab->Free;
            slab->Free = made;
        }

        slab->FreeCount = SlabBlocks;
        return slab;
    }

    private static void Unmap(nint at, nint bytes)
    {
        if (bytes > 0)
        {
            _ = LibC.munmap(at, (nuint)bytes); // of what was mapped: it cannot fail but for a bug
        }
    }

    private void Link(NativeSlab* slab)
    {
        slab->Previous = null;
        slab->Next = _open;
        if (_open is not null)
        {
            _open->Previous = slab;
        }

        _open = slab;
    }

    private void Unlink(NativeSlab* slab)
    {
        if (slab->Previous is null)
        {
            _open = slab->Next;
        }
        else
        {
            slab->Previous->Next = slab->Next;
        }

        if (slab->Next is not null)
        {
            slab->Next->Previous = slab->Previous;
        }
    }
}
