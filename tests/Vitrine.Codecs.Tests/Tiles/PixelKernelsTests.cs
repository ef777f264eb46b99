using Vitrine.Codecs.Tiles;

namespace Vitrine.Codecs.Tests.Tiles;

/// <summary>The vector loops against their plain twins, over every length around the width of a vector, empty included.</summary>
public sealed class PixelKernelsTests
{
    public static TheoryData<int> Lengths => new(Enumerable.Range(0, 70).Append(255).Append(1920));

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Equal_SameAsScalar(int length)
    {
        Random random = new(length);
        for (int round = 0; round < 50; round++)
        {
            uint[] a = Pixels(random, length), b = [.. a.Select(pixel => pixel ^ ((uint)random.Next(256) << 24))];
            for (int i = random.Next(3); i > 0 && length > 0; i--)
            {
                b[random.Next(length)] ^= 1u << random.Next(32);
            }

            Assert.Equal(PixelKernelsScalar.EqualFromLeft(a, b), PixelKernels.EqualFromLeft(a, b));
            Assert.Equal(PixelKernelsScalar.EqualFromRight(a, b), PixelKernels.EqualFromRight(a, b));
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void CopyOpaque_SameAsScalar(int length)
    {
        uint[] source = Pixels(new(length), length), copy = new uint[length + 1], expected = new uint[length + 1];
        copy[^1] = expected[^1] = 7; // nothing beyond the end is written
        PixelKernels.CopyOpaque(source, copy);
        PixelKernelsScalar.CopyOpaque(source, expected);
        Assert.Equal(expected, copy);
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void IsSolid_SameAsScalar(int length)
    {
        Random random = new(length);
        uint[] pixels = new uint[length];
        Array.Fill(pixels, 0xFF123456);
        Assert.True(PixelKernels.IsSolid(pixels));
        if (length > 1)
        {
            pixels[random.Next(length)]++;
            Assert.False(PixelKernels.IsSolid(pixels));
            Assert.False(PixelKernelsScalar.IsSolid(pixels));
        }
    }

    [Theory]
    [InlineData(32)]
    [InlineData(33)]
    [InlineData(47)]
    [InlineData(64)]
    [InlineData(640)]
    [InlineData(641)]
    public void HashStrips_SameAsScalarAtEveryPosition(int length)
    {
        uint[] row = Pixels(new(length), length), hashes = new uint[length];
        PixelKernels.HashStrips(row, hashes);
        for (int x = 0; x + PixelKernels.StripPixels <= length; x++)
        {
            Assert.Equal(PixelKernelsScalar.HashStrip(row.AsSpan(x)), hashes[x]);
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void NextFingerprint_FindsAllInOrder(int length)
    {
        Random random = new(length);
        uint[] hashes = [.. Enumerable.Range(0, length).Select(_ => random.Next(8) == 0 ? (uint)random.Next(1 << 27) : (uint)random.NextInt64(1 << 27, 1L << 32))];
        List<int> found = [];
        for (int x = 0; (x = PixelKernels.NextFingerprint(hashes, x)) < length; x++)
        {
            found.Add(x);
        }

        Assert.Equal(Enumerable.Range(0, length).Where(x => hashes[x] < PixelKernels.FingerprintLimit), found);
    }

    private static uint[] Pixels(Random random, int length) => [.. Enumerable.Range(0, length).Select(_ => (uint)random.NextInt64(0, 1L << 32))];
}
