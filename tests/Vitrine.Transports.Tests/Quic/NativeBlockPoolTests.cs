using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public unsafe class NativeBlockPoolTests
{
    [Fact]
    public void ManyBlocks_AreEachTheirOwn_AndWhatIsNotKeptIsGivenBack()
    {
        using NativeBlockPool pool = new();
        nint[] blocks = new nint[5 * NativeBlockPool.KeptBlocksMax];
        Random random = new(20);
        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < blocks.Length; i++)
            {
                NativeBlock* block = pool.Rent();
                new Span<byte>(NativeBlock.Data(block), NativeBlock.Capacity).Fill((byte)i);
                blocks[i] = (nint)block;
            }

            Assert.Equal(blocks.Length, blocks.Distinct().Count());
            Assert.Equal(blocks.Length, pool.Rented);
            Assert.All(Enumerable.Range(0, blocks.Length), i => Assert.False(new ReadOnlySpan<byte>(NativeBlock.Data((NativeBlock*)blocks[i]), NativeBlock.Capacity).ContainsAnyExcept((byte)i)));
            random.Shuffle(blocks);
            foreach (nint block in blocks)
            {
                pool.Return((NativeBlock*)block);
            }

            Assert.Equal(0, pool.Rented);
            Assert.InRange(pool.Free, 1, NativeBlockPool.KeptBlocksMax + NativeSlab.Blocks);
        }
    }
}
