using Vitrine.Frames;

namespace Vitrine.Codecs.Tests.H264;

/// <summary>What the first sequence parameter set of an access unit says (ITU-T H.264, 7.3.2.1.1 and E.1.1), as far as tests ask; where
/// chroma lies is null when the stream does not say it.</summary>
internal sealed record SequenceParameters(
    DeviceSize Size, int Primaries, int Transfer, int Matrix, bool IsFullRange, int ReorderedFramesMax, (int Top, int Bottom)? ChromaLocation)
{
    public static SequenceParameters Read(ReadOnlySpan<byte> accessUnit)
    {
        int start = 0;
        while (!(accessUnit[start] == 0 && accessUnit[start + 1] == 0 && accessUnit[start + 2] == 1 && (accessUnit[start + 3] & 31) == 7))
        {
            start++;
        }

        // Emulation prevention: the 3 of 00 00 03 is not part of the content.
        List<byte> bytes = [];
        for (int i = start + 4; i < accessUnit.Length && bytes.Count < 200; i++)
        {
            if (!(accessUnit[i] == 3 && accessUnit[i - 1] == 0 && accessUnit[i - 2] == 0))
            {
                bytes.Add(accessUnit[i]);
            }
        }

        Bits bits = new([.. bytes]);
        int profile = bits.Read(8);
        _ = bits.Read(16);
        _ = bits.Golomb();
        if (profile >= 100)
        {
            _ = (bits.Golomb(), bits.Golomb(), bits.Golomb(), bits.Read(1));
            Assert.Equal(0, bits.Read(1));
        }

        _ = bits.Golomb();
        int order = bits.Golomb();
        if (order == 0)
        {
            _ = bits.Golomb();
        }

        _ = (bits.Golomb(), bits.Read(1));
        int width = (bits.Golomb() + 1) * 16, height = (bits.Golomb() + 1) * 16;
        Assert.Equal(1, bits.Read(1));
        _ = bits.Read(1);
        if (bits.Read(1) == 1)
        {
            int left = bits.Golomb(), right = bits.Golomb(), top = bits.Golomb(), bottom = bits.Golomb();
            (width, height) = (width - (2 * (left + right)), height - (2 * (top + bottom)));
        }

        Assert.Equal(1, bits.Read(1));
        if (bits.Read(1) == 1)
        {
            Assert.NotEqual(255, bits.Read(8));
        }

        if (bits.Read(1) == 1)
        {
            _ = bits.Read(1);
        }

        Assert.Equal(1, bits.Read(1));
        _ = bits.Read(3);
        bool isFullRange = bits.Read(1) == 1;
        Assert.Equal(1, bits.Read(1));
        (int primaries, int transfer, int matrix) = (bits.Read(8), bits.Read(8), bits.Read(8));
        (int Top, int Bottom)? chromaLocation = bits.Read(1) == 1 ? (bits.Golomb(), bits.Golomb()) : null;
        if (bits.Read(1) == 1)
        {
            _ = (bits.Read(32), bits.Read(32), bits.Read(1));
        }

        Assert.Equal(0, bits.Read(1));
        Assert.Equal(0, bits.Read(1));
        _ = bits.Read(1);
        Assert.Equal(1, bits.Read(1));
        _ = (bits.Read(1), bits.Golomb(), bits.Golomb(), bits.Golomb(), bits.Golomb());
        return new(new(width, height), primaries, transfer, matrix, isFullRange, bits.Golomb(), chromaLocation);
    }

    private sealed class Bits(byte[] bytes)
    {
        private int _at;

        public int Read(int count)
        {
            int value = 0;
            for (; count > 0; count--, _at++)
            {
                value = (value << 1) | (bytes[_at >> 3] >> (7 - (_at & 7)) & 1);
            }

            return value;
        }

        public int Golomb()
        {
            int zeros = 0;
            while (Read(1) == 0)
            {
                zeros++;
            }

            return (1 << zeros) - 1 + Read(zeros);
        }
    }
}
