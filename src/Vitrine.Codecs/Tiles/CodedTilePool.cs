using System.Numerics;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tiles;

/// <summary>The coded bytes of one tile, or a piece of an access unit; shared by the store and by the snapshots that are being sent.</summary>
internal sealed class CodedTile
{
    private byte[] _chunk = [];
    private int _offset;
    private int _length;

    public int References;
    public CodedTile? NextFree;

    /// <summary>Which piece of the pool it is; the pool's own.</summary>
    public (int Chunk, int Block, int Node) Piece { get; private set; }

    /// <summary>As long as was asked for.</summary>
    public Span<byte> Bytes => _chunk.AsSpan(_offset, _length);

    public void Set(byte[] chunk, int offset, int length, (int Chunk, int Block, int Node) piece) =>
        (_chunk, _offset, _length, Piece, References, NextFree) = (chunk, offset, length, piece, 1, null);
}

/// <summary>Buffers of coded tiles and of access units: pieces of 512 bytes to 16 KiB, each class twice the one before (half of a piece is lost at worst, a
/// quarter on average).</summary>
/// <remarks>
/// Pieces are cut by halves out of blocks as large as a raw tile, and whole again when both halves are free: what text has cut up
/// serves a film afterwards. Blocks come by the mebibyte. A new one is needed only while every block there is holds something, so
/// that there are never more blocks than buffers were held at a time. As much as is to be kept is there from the start, so that
/// nothing is allocated between frames; what was never used takes no memory but addresses. Beyond that the last mebibyte is let go of
/// when all of it is free and as much as is kept is free without it.
/// Not thread-safe: the store's lock guards it.
/// </remarks>
internal sealed class CodedTilePool
{
    private const int SmallestBytes = 512, Classes = 6;
    private const int BlockBytes = SmallestBytes << (Classes - 1), BlocksOfChunk = 64, ChunkBytes = BlocksOfChunk * BlockBytes;
    private readonly List<Chunk> _chunks = [];
    private readonly int _keptChunks;
    private CodedTile? _unused;
    private long _freeBytes;

    /// <param name="keptBytes">Taken at once, and never let go of; rounded up to mebibytes.</param>
    public CodedTilePool(long keptBytes)
    {
        _keptChunks = (int)((keptBytes + ChunkBytes - 1) / ChunkBytes);
        for (int i = 0; i < _keptChunks; i++)
        {
            AddChunk();
        }

        // Most pieces are smaller than a block.
        for (int i = 0; i < 2 * BlocksOfChunk * _keptChunks; i++)
        {
            _unused = new() { NextFree = _unused };
        }
    }

    /// <summary>Buffers handed out now.</summary>
    public int OutstandingCount { get; private set; }

    /// <summary>Bytes of all buffers, handed out or free.</summary>
    public long HeldBytes => (long)_chunks.Count * ChunkBytes;

    /// <summary>A buffer with one reference for <paramref name="length"/> bytes, at most <see cref="TileGrid.TileBytesMax"/>.</summary>
    public CodedTile Rent(int length)
    {
        int wanted = ClassOf(length);
        (int chunk, int @class) = Find(wanted);
        (int block, int node) = _chunks[chunk].Cut(@class, wanted);
        _freeBytes -= SmallestBytes << wanted;
        OutstandingCount++;
        CodedTile tile = _unused ?? new();
        _unused = tile.NextFree;
        tile.Set(_chunks[chunk].Bytes, Chunk.OffsetOf(block, node, wanted), length, (chunk, block, node));
        return tile;
    }

    /// <summary>Gives one reference back.</summary>
    public void Return(CodedTile tile)
    {
        if (--tile.References > 0)
        {
            return;
        }

        OutstandingCount--;
        (int chunk, int block, int node) = tile.Piece;
        _freeBytes += _chunks[chunk].Join(block, node);
        (tile.NextFree, _unused) = (_unused, tile);
        while (_chunks.Count > _keptChunks && _chunks[^1].IsWhole && _freeBytes - ChunkBytes >= (long)_keptChunks * ChunkBytes)
        {
            _chunks.RemoveAt(_chunks.Count - 1);
            _freeBytes -= ChunkBytes;
        }
    }

    /// <summary>The smallest free piece that is large enough, in the first chunk that has one: so the last ones become whole again.</summary>
    private (int Chunk, int Class) Find(int wanted)
    {
        for (int @class = wanted; @class < Classes; @class++)
        {
            for (int chunk = 0; chunk < _chunks.Count; chunk++)
            {
                if (_chunks[chunk].Has(@class))
                {
                    return (chunk, @class);
                }
            }
        }

        AddChunk();
        return (_chunks.Count - 1, Classes - 1);
    }

    private void AddChunk()
    {
        _chunks.Add(new());
        _freeBytes += ChunkBytes;
    }

    private static int ClassOf(int length) => length <= SmallestBytes ? 0 : BitOperations.Log2((uint)(length - 1) / SmallestBytes) + 1;

    /// <summary>A mebibyte of blocks. A block is a tree of halves: its node 1 is all of it, the halves of node n are 2n and 2n+1, and
    /// the pieces of 512 bytes are the nodes 32 to 63.</summary>
    private sealed class Chunk
    {
        private readonly ulong[] _freeNodes = new ulong[BlocksOfChunk]; // of a block: bit n, whether node n is a free piece
        private readonly ulong[] _blocks = new ulong[Classes]; // of a class: bit b, whether block b has a free piece of it

        public Chunk()
        {
            _freeNodes.AsSpan().Fill(1UL << 1);
            _blocks[Classes - 1] = ulong.MaxValue;
        }

        /// <summary>Large enough for the heap of large objects: not cleared, and never moved.</summary>
        public byte[] Bytes { get; } = GC.AllocateUninitializedArray<byte>(ChunkBytes);

        public bool IsWhole => _blocks[Classes - 1] == ulong.MaxValue;

        public static int OffsetOf(int block, int node, int @class) => (block * BlockBytes) + ((node - FirstNode(@class)) * (SmallestBytes << @class));

        public bool Has(int @class) => _blocks[@class] != 0;

        /// <summary>Takes a piece of the wanted class out of a free one of a class that is there.</summary>
        public (int Block, int Node) Cut(int @class, int wanted)
        {
            int block = BitOperations.TrailingZeroCount(_blocks[@class]);
            int node = BitOperations.TrailingZeroCount(_freeNodes[block] & Nodes(@class));
            Set(block, node, @class, false);
            while (@class > wanted)
            {
                node *= 2;
                Set(block, node + 1, --@class, true);
            }

            return (block, node);
        }

        /// <summary>Makes a piece free, and one with its other half while that is free too.</summary>
        /// <returns>Bytes of the piece.</returns>
        public int Join(int block, int node)
        {
            int @class = Classes - 1 - BitOperations.Log2((uint)node), bytes = SmallestBytes << @class;
            while (node > 1 && (_freeNodes[block] & (1UL << (node ^ 1))) != 0)
            {
                Set(block, node ^ 1, @class++, false);
                node /= 2;
            }

            Set(block, node, @class, true);
            return bytes;
        }

        private void Set(int block, int node, int @class, bool isFree)
        {
            ref ulong free = ref _freeNodes[block];
            free = isFree ? free | (1UL << node) : free & ~(1UL << node);
            ulong bit = 1UL << block;
            _blocks[@class] = (free & Nodes(@class)) != 0 ? _blocks[@class] | bit : _blocks[@class] & ~bit;
        }

        private static int FirstNode(int @class) => 1 << (Classes - 1 - @class);

        private static ulong Nodes(int @class) => ((1UL << FirstNode(@class)) - 1) << FirstNode(@class);
    }
}
