using System.Runtime.InteropServices;
using FsCheck;
using FsCheck.Fluent;
using Vitrine.Frames;
using Vitrine.Imaging.Colour;

namespace Vitrine.Imaging.Tests.Colour;

public sealed class ColourConverterTests
{
    private const byte Untouched = 0xA5;

    /// <summary>What this machine can run, by name in the test's report.</summary>
    public static TheoryData<KernelSet> Sets => [.. KernelSets.Available];

    public static TheoryData<KernelSet, YuvLayout> SetsAndLayouts
    {
        get
        {
            TheoryData<KernelSet, YuvLayout> data = [];
            foreach (KernelSet set in KernelSets.Available)
            {
                foreach (YuvLayout layout in Enum.GetValues<YuvLayout>())
                {
                    data.Add(set, layout);
                }
            }

            return data;
        }
    }

    public static TheoryData<ColourMatrix, ColourRange> MatricesAndRanges
    {
        get
        {
            TheoryData<ColourMatrix, ColourRange> data = [];
            foreach (ColourMatrix matrix in Enum.GetValues<ColourMatrix>())
            {
                foreach (ColourRange range in Enum.GetValues<ColourRange>())
                {
                    data.Add(matrix, range);
                }
            }

            return data;
        }
    }

    // Every width from one pixel to past two blocks of the widest kernels, so that each remainder of each block occurs.
    [Theory]
    [MemberData(nameof(SetsAndLayouts))]
    public void EveryWidth_SameAsScalar(KernelSet set, YuvLayout layout)
    {
        Random random = new(7);
        for (int width = 1; width <= 140; width++)
        {
            foreach (int height in (ReadOnlySpan<int>)[1, 2, 3])
            {
                Compare(ColourKernels.Of(set), layout, new(width, height), random);
            }
        }
    }

    [Theory]
    [MemberData(nameof(SetsAndLayouts))]
    public void AnyRectangleStrideAndContent_SameAsScalar(KernelSet set, YuvLayout layout) =>
        Prop.ForAll(
            (from width in Gen.Choose(1, 500)
             from height in Gen.Choose(1, 20)
             from seed in Gen.Choose(0, int.MaxValue - 1)
             select (width, height, seed)).ToArbitrary(),
            c => Compare(ColourKernels.Of(set), layout, new(c.width, c.height), new Random(c.seed))).QuickCheckThrowOnFailure();

    // All 16.7 million colours one way, and all luma and chroma the other.
    [Theory]
    [MemberData(nameof(Sets))]
    public void EveryColour_SameAsScalar(KernelSet set)
    {
        const int Side = 4096;
        byte[] pixels = new byte[Side * Side * 4];
        for (int i = 0; i < Side * Side; i++)
        {
            (pixels[i * 4], pixels[(i * 4) + 1], pixels[(i * 4) + 2], pixels[(i * 4) + 3]) = ((byte)i, (byte)(i >> 8), (byte)(i >> 16), (byte)(i * 7));
        }

        byte[] y = new byte[Side * Side], u = new byte[Side * Side], v = new byte[Side * Side];
        for (int i = 0; i < Side * Side; i++)
        {
            (y[i], u[i], v[i]) = ((byte)(i >> 16), (byte)(i >> 8), (byte)i);
        }

        byte[] expected = new byte[Side * Side * 4], actual = new byte[Side * Side * 4];
        YuvPicture Planes(byte[] memory) =>
            new(YuvLayout.I444, new(Side, Side), memory.AsSpan(0, Side * Side), Side, memory.AsSpan(Side * Side, Side * Side), memory.AsSpan(Side * Side * 2), Side);
        foreach (ColourMatrix matrix in Enum.GetValues<ColourMatrix>())
        {
            foreach (ColourRange range in Enum.GetValues<ColourRange>())
            {
                ColourConverter.FromBgra(ColourKernelsScalar.Instance, pixels, Side * 4, Planes(expected), matrix, range);
                ColourConverter.FromBgra(ColourKernels.Of(set), pixels, Side * 4, Planes(actual), matrix, range);
                Assert.True(expected.AsSpan().SequenceEqual(actual));

                YuvPicture all = new(YuvLayout.I444, new(Side, Side), y, Side, u, v, Side);
                ColourConverter.ToBgra(ColourKernelsScalar.Instance, all, expected, Side * 4, matrix, range);
                ColourConverter.ToBgra(ColourKernels.Of(set), all, actual, Side * 4, matrix, range);
                Assert.True(expected.AsSpan().SequenceEqual(actual));
            }
        }
    }

    // More than 16 MB of aligned pixels are written past the caches; a width that is no whole number of blocks ends without.
    [Theory]
    [MemberData(nameof(SetsAndLayouts))]
    public unsafe void PictureBeyondCaches_SameAsScalar(KernelSet set, YuvLayout layout)
    {
        DeviceSize size = new(1997, 2101);
        const int StrideBytes = 8192;
        nuint bytes = (nuint)(StrideBytes * size.Height);
        Planes planes = new(layout, size, new(3)), others = planes.Copy();
        byte* expected = (byte*)NativeMemory.AlignedAlloc(bytes, 64), actual = (byte*)NativeMemory.AlignedAlloc(bytes, 64);
        try
        {
            // SAFETY: both blocks have this size and live until the end of the method.
            Span<byte> expectedPixels = new(expected, (int)bytes), actualPixels = new(actual, (int)bytes);
            new Random(4).NextBytes(planes.Memory);
            expectedPixels.Fill(Untouched);
            actualPixels.Fill(Untouched);
            ColourConverter.ToBgra(ColourKernelsScalar.Instance, planes.Picture, expectedPixels, StrideBytes, ColourMatrix.Bt709, ColourRange.Limited);
            ColourConverter.ToBgra(ColourKernels.Of(set), planes.Picture, actualPixels, StrideBytes, ColourMatrix.Bt709, ColourRange.Limited);
            Assert.True(expectedPixels.SequenceEqual(actualPixels));

            planes.Memory.CopyTo(others.Memory, 0);
            ColourConverter.FromBgra(ColourKernelsScalar.Instance, expectedPixels, StrideBytes, planes.Picture, ColourMatrix.Bt709, ColourRange.Limited);
            ColourConverter.FromBgra(ColourKernels.Of(set), expectedPixels, StrideBytes, others.Picture, ColourMatrix.Bt709, ColourRange.Limited);
            Assert.True(planes.Memory.AsSpan().SequenceEqual(others.Memory));
        }
        finally
        {
            NativeMemory.AlignedFree(expected);
            NativeMemory.AlignedFree(actual);
        }
    }

    // ITU-R BT.601 and BT.709 in real numbers: one half for rounding, the rest for coefficients of 8 and 6 bits of fraction.
    [Theory]
    [MemberData(nameof(MatricesAndRanges))]
    public void AnyColour_WithinALevelOfTheRecommendation(ColourMatrix matrix, ColourRange range)
    {
        for (int i = 0; i < 1 << 24; i += 61)
        {
            byte b = (byte)i, g = (byte)(i >> 8), r = (byte)(i >> 16);
            (double y, double u, double v) = ToYuv(matrix, range, b, g, r);
            (byte actualY, byte actualU, byte actualV) = FromOne(matrix, range, b, g, r);
            Assert.True(
                Math.Abs(actualY - y) <= 1 && Math.Abs(actualU - Math.Min(u, 255)) <= 1.2 && Math.Abs(actualV - Math.Min(v, 255)) <= 1.2,
                $"{b} {g} {r}: {actualY} {actualU} {actualV}, expected {y:F2} {u:F2} {v:F2}");

            (double backB, double backG, double backR) = ToBgr(matrix, range, actualY, actualU, actualV);
            (byte actualB, byte actualG, byte actualR) = ToOne(matrix, range, actualY, actualU, actualV);
            Assert.True(
                Math.Abs(actualB - backB) <= 1.5 && Math.Abs(actualG - backG) <= 1.5 && Math.Abs(actualR - backR) <= 1.5,
                $"{actualY} {actualU} {actualV}: {actualB} {actualG} {actualR}, expected {backB:F2} {backG:F2} {backR:F2}");
        }
    }

    [Theory]
    [MemberData(nameof(MatricesAndRanges))]
    public void AnyColour_RoundTripWithinThreeLevels(ColourMatrix matrix, ColourRange range)
    {
        for (int i = 0; i < 1 << 24; i += 61)
        {
            byte b = (byte)i, g = (byte)(i >> 8), r = (byte)(i >> 16);
            (byte y, byte u, byte v) = FromOne(matrix, range, b, g, r);
            (byte backB, byte backG, byte backR) = ToOne(matrix, range, y, u, v);
            Assert.True(
                Math.Abs(b - backB) <= 3 && Math.Abs(g - backG) <= 3 && Math.Abs(r - backR) <= 3, $"{b} {g} {r} became {backB} {backG} {backR}");
        }
    }

    [Theory]
    [MemberData(nameof(MatricesAndRanges))]
    public void Grey_StaysGreyWithinALevel(ColourMatrix matrix, ColourRange range)
    {
        for (int level = 0; level < 256; level++)
        {
            (byte y, byte u, byte v) = FromOne(matrix, range, (byte)level, (byte)level, (byte)level);
            (byte b, byte g, byte r) = ToOne(matrix, range, y, u, v);

            Assert.Equal((128, 128), (u, v));
            Assert.True(b == g && g == r && Math.Abs(b - level) <= (range == ColourRange.Full ? 0 : 1));
            Assert.True(level is not (0 or 255) || b == level);
        }
    }

    // Values of the recommendations, rounded.
    [Theory]
    [InlineData(ColourMatrix.Bt601, ColourRange.Limited, "black 16 128 128 · white 235 128 128 · red 82 90 240 · green 145 54 34 · blue 41 240 110")]
    [InlineData(ColourMatrix.Bt601, ColourRange.Full, "black 0 128 128 · white 255 128 128 · red 76 85 255 · green 150 44 21 · blue 29 255 107")]
    [InlineData(ColourMatrix.Bt709, ColourRange.Limited, "black 16 128 128 · white 235 128 128 · red 63 102 240 · green 173 42 26 · blue 32 240 118")]
    [InlineData(ColourMatrix.Bt709, ColourRange.Full, "black 0 128 128 · white 255 128 128 · red 54 99 255 · green 182 30 12 · blue 18 255 116")]
    public void KnownColours_KnownValues(ColourMatrix matrix, ColourRange range, string expected)
    {
        foreach (string colour in expected.Split(" · "))
        {
            string[] parts = colour.Split(' ');
            (byte b, byte g, byte r) = parts[0] switch
            {
                "black" => ((byte)0, (byte)0, (byte)0),
                "white" => ((byte)255, (byte)255, (byte)255),
                "red" => ((byte)0, (byte)0, (byte)255),
                "green" => ((byte)0, (byte)255, (byte)0),
                _ => ((byte)255, (byte)0, (byte)0),
            };
            (byte y, byte u, byte v) = FromOne(matrix, range, b, g, r);
            int[] known = [.. parts[1..].Select(int.Parse)];
            Assert.True(
                Math.Abs(known[0] - y) <= 1 && Math.Abs(known[1] - u) <= 1 && Math.Abs(known[2] - v) <= 1, $"{colour} is {y} {u} {v}");
        }
    }

    [Fact]
    public void Chroma_AverageOfFourServesFour()
    {
        // Red and blue in turn: chroma of purple for all four, in I420 and NV12 alike.
        byte[] pixels = [0, 0, 255, 0, 255, 0, 0, 0, 255, 0, 0, 0, 0, 0, 255, 0];
        byte[] y = new byte[4], u = new byte[1], v = new byte[1], uv = new byte[2];
        ColourConverter.FromBgra(pixels, 8, new(YuvLayout.I420, new(2, 2), y, 2, u, v, 1), ColourMatrix.Bt709, ColourRange.Limited);
        ColourConverter.FromBgra(pixels, 8, new(YuvLayout.Nv12, new(2, 2), y, 2, uv, [], 2), ColourMatrix.Bt709, ColourRange.Limited);

        (_, byte purpleU, byte purpleV) = FromOne(ColourMatrix.Bt709, ColourRange.Limited, 128, 0, 128);
        Assert.Equal((purpleU, purpleV), (u[0], v[0]));
        Assert.Equal((purpleU, purpleV), (uv[0], uv[1]));
        Assert.Equal([63, 32, 32, 63], y);
    }

    // A picture of 2x2 blocks of one colour, converted there and back again and again, soon stays what it is: nothing drifts.
    [Theory]
    [MemberData(nameof(SetsAndLayouts))]
    public void ConvertedAgainAndAgain_Settles(KernelSet set, YuvLayout layout)
    {
        DeviceSize size = new(66, 34);
        Random random = new(3);
        byte[] pixels = new byte[size.Width * size.Height * 4];
        for (int i = 0; i < size.Area; i++)
        {
            int block = (i / size.Width / 2 * 97) + (i % size.Width / 2 * 31);
            (pixels[i * 4], pixels[(i * 4) + 1], pixels[(i * 4) + 2], pixels[(i * 4) + 3]) = ((byte)block, (byte)(block * 3), (byte)(block * 7), 255);
        }

        Planes planes = new(layout, size, random);
        byte[] first = [.. pixels], last = first;
        for (int i = 0; i < 20; i++)
        {
            last = [.. pixels];
            ColourConverter.FromBgra(ColourKernels.Of(set), pixels, size.Width * 4, planes.Picture, ColourMatrix.Bt709, ColourRange.Limited);
            ColourConverter.ToBgra(ColourKernels.Of(set), planes.Picture, pixels, size.Width * 4, ColourMatrix.Bt709, ColourRange.Limited);
        }

        Assert.True(last.AsSpan().SequenceEqual(pixels));
        for (int i = 0; i < pixels.Length; i++)
        {
            Assert.True(Math.Abs(first[i] - pixels[i]) <= 8, $"{first[i]} became {pixels[i]}");
        }
    }

    [Fact]
    public void Calls_AllocateNothing()
    {
        DeviceSize size = new(131, 33);
        byte[] pixels = new byte[size.Width * size.Height * 4];
        Planes whole = new(YuvLayout.Nv12, size, new(1)), half = new(YuvLayout.I420, new(66, 17), new(1));
        Convert();
        Assert.Equal(0, Allocation.BytesOf(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                Convert();
            }
        }));

        void Convert()
        {
            ColourConverter.FromBgra(pixels, size.Width * 4, whole.Picture, ColourMatrix.Bt709, ColourRange.Limited);
            ColourConverter.FromBgraHalf(pixels, size.Width * 4, size, half.Picture, ColourMatrix.Bt709, ColourRange.Limited);
            ColourConverter.ToBgra(whole.Picture, pixels, size.Width * 4, ColourMatrix.Bt709, ColourRange.Limited);
        }
    }

    [Fact]
    public void TooFewPixels_Refused()
    {
        static Planes Of(YuvLayout layout, int width, int height) => new(layout, new(width, height), new(1));

        byte[] pixels = new byte[(40 * 3) + 32];
        ColourConverter.FromBgra(pixels, 40, Of(YuvLayout.I420, 8, 4).Picture, ColourMatrix.Bt709, ColourRange.Limited);
        Assert.Throws<ArgumentException>(() =>
            ColourConverter.FromBgra(pixels.AsSpan(1), 40, Of(YuvLayout.I420, 8, 4).Picture, ColourMatrix.Bt709, ColourRange.Limited));
        Assert.Throws<ArgumentException>(() =>
            ColourConverter.ToBgra(Of(YuvLayout.I420, 8, 4).Picture, pixels.AsSpan(1), 40, ColourMatrix.Bt709, ColourRange.Limited));
        Assert.Throws<ArgumentException>(() =>
            ColourConverter.FromBgra(pixels, 31, Of(YuvLayout.I420, 8, 2).Picture, ColourMatrix.Bt709, ColourRange.Limited));
        Assert.Throws<ArgumentException>(() =>
            ColourConverter.FromBgraHalf(pixels, 40, new(8, 4), Of(YuvLayout.I420, 8, 4).Picture, ColourMatrix.Bt709, ColourRange.Limited));
        Assert.Throws<ArgumentException>(() =>
            ColourConverter.FromBgraHalf(pixels, 40, new(8, 4), Of(YuvLayout.I444, 4, 2).Picture, ColourMatrix.Bt709, ColourRange.Limited));
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            ColourConverter.FromBgra(pixels, 40, Of(YuvLayout.I420, 8, 4).Picture, (ColourMatrix)9, ColourRange.Limited));
        ColourConverter.FromBgra([], 0, Of(YuvLayout.I420, 0, 4).Picture, ColourMatrix.Bt709, ColourRange.Limited);
    }

    // Sizes whose rows of halves need more than one piece on the stack.
    [Theory]
    [MemberData(nameof(Sets))]
    public void Half_SameAsAveragedThenConverted(KernelSet set)
    {
        Random random = new(5);
        foreach ((int width, int height) in ((int, int)[])[(1, 1), (2, 2), (3, 5), (64, 8), (127, 9), (1024, 4), (1025, 3), (2049, 7), (1920, 6)])
        {
            foreach (YuvLayout layout in (ReadOnlySpan<YuvLayout>)[YuvLayout.I420, YuvLayout.Nv12])
            {
                Canvas canvas = new(new(width, height), random);
                random.NextBytes(canvas.Memory);
                DeviceSize half = new((width + 1) / 2, (height + 1) / 2);
                byte[] averaged = new byte[half.Area * 4];
                for (int i = 0; i < averaged.Length; i++)
                {
                    int x = i / 4 % half.Width * 2, y = i / 4 / half.Width * 2, channel = i % 4;
                    int right = Math.Min(x + 1, width - 1), below = Math.Min(y + 1, height - 1);
                    int Sample(int column, int row) => canvas.Pixels[(row * canvas.StrideBytes) + (column * 4) + channel];
                    averaged[i] = (byte)((((Sample(x, y) + Sample(x, below) + 1) / 2) + ((Sample(right, y) + Sample(right, below) + 1) / 2) + 1) / 2);
                }

                Planes expected = new(layout, half, random), actual = expected.Copy();
                ColourConverter.FromBgra(ColourKernelsScalar.Instance, averaged, half.Width * 4, expected.Picture, ColourMatrix.Bt709, ColourRange.Limited);
                ColourConverter.FromBgraHalf(
                    ColourKernels.Of(set), canvas.Pixels, canvas.StrideBytes, new(width, height), actual.Picture, ColourMatrix.Bt709, ColourRange.Limited);

                Assert.True(expected.Memory.AsSpan().SequenceEqual(actual.Memory), $"{width}x{height} {layout}");
            }
        }
    }

    // Both directions, into memory with a pattern around the rectangle, all of which must be equal afterwards.
    internal static void Compare(ColourKernels kernels, YuvLayout layout, DeviceSize size, Random random)
    {
        ColourMatrix matrix = random.Next(2) == 0 ? ColourMatrix.Bt601 : ColourMatrix.Bt709;
        ColourRange range = (ColourRange)random.Next(2);
        Canvas canvas = new(size, random);
        random.NextBytes(canvas.Memory);
        if (random.Next(3) == 0)
        {
            // Extremes, where sums are largest.
            for (int i = 0; i < canvas.Memory.Length; i++)
            {
                canvas.Memory[i] = (byte)(canvas.Memory[i] < 128 ? 0 : 255);
            }
        }

        Planes expected = new(layout, size, random), actual = expected.Copy();
        ColourConverter.FromBgra(ColourKernelsScalar.Instance, canvas.Pixels, canvas.StrideBytes, expected.Picture, matrix, range);
        ColourConverter.FromBgra(kernels, canvas.Pixels, canvas.StrideBytes, actual.Picture, matrix, range);
        Assert.True(expected.Memory.AsSpan().SequenceEqual(actual.Memory), $"{kernels.Set} {layout} {size} {matrix} {range}");

        random.NextBytes(expected.Memory);
        Array.Fill(canvas.Memory, Untouched);
        Canvas other = canvas.Copy();
        ColourConverter.ToBgra(ColourKernelsScalar.Instance, expected.Picture, canvas.Pixels, canvas.StrideBytes, matrix, range);
        ColourConverter.ToBgra(kernels, expected.Picture, other.Pixels, canvas.StrideBytes, matrix, range);
        Assert.True(canvas.Memory.AsSpan().SequenceEqual(other.Memory), $"{kernels.Set} {layout} {size} {matrix} {range}");
        Assert.Equal(255, canvas.Pixels[3]);
    }

    private static (byte Y, byte U, byte V) FromOne(ColourMatrix matrix, ColourRange range, byte b, byte g, byte r)
    {
        Span<byte> yuv = stackalloc byte[3];
        ColourConverter.FromBgra(
            ColourKernelsScalar.Instance, [b, g, r, 0], 4, new(YuvLayout.I444, new(1, 1), yuv[..1], 1, yuv[1..2], yuv[2..], 1), matrix, range);
        return (yuv[0], yuv[1], yuv[2]);
    }

    private static (byte B, byte G, byte R) ToOne(ColourMatrix matrix, ColourRange range, byte y, byte u, byte v)
    {
        Span<byte> yuv = [y, u, v], pixel = stackalloc byte[4];
        ColourConverter.ToBgra(
            ColourKernelsScalar.Instance, new(YuvLayout.I444, new(1, 1), yuv[..1], 1, yuv[1..2], yuv[2..], 1), pixel, 4, matrix, range);
        return (pixel[0], pixel[1], pixel[2]);
    }

    private static (double Red, double Blue) Weights(ColourMatrix matrix) => matrix == ColourMatrix.Bt601 ? (0.299, 0.114) : (0.2126, 0.0722);

    private static (double Y, double U, double V) ToYuv(ColourMatrix matrix, ColourRange range, double b, double g, double r)
    {
        (double red, double blue) = Weights(matrix);
        double luma = (red * r) + ((1 - red - blue) * g) + (blue * b), u = (b - luma) / (2 * (1 - blue)), v = (r - luma) / (2 * (1 - red));
        return range == ColourRange.Limited
            ? (16 + (luma * 219 / 255), 128 + (u * 224 / 255), 128 + (v * 224 / 255))
            : (luma, 128 + u, 128 + v);
    }

    private static (double B, double G, double R) ToBgr(ColourMatrix matrix, ColourRange range, double y, double u, double v)
    {
        (double red, double blue) = Weights(matrix);
        (u, v) = (u - 128, v - 128);
        if (range == ColourRange.Limited)
        {
            (y, u, v) = ((y - 16) * 255 / 219, u * 255 / 224, v * 255 / 224);
        }

        double b = y + (2 * (1 - blue) * u), r = y + (2 * (1 - red) * v);
        return (Math.Clamp(b, 0, 255), Math.Clamp((y - (red * r) - (blue * b)) / (1 - red - blue), 0, 255), Math.Clamp(r, 0, 255));
    }

    /// <summary>Pixels somewhere in a larger picture; the last row ends with the last pixel, and so does the memory at times.</summary>
    private sealed class Canvas
    {
        private readonly int _start;
        private readonly int _length;

        public Canvas(DeviceSize size, Random random)
        {
            StrideBytes = (size.Width * 4) + random.Next(0, 30);
            _start = random.Next(0, 70);
            _length = (StrideBytes * (size.Height - 1)) + (size.Width * 4);
            Memory = new byte[_start + _length + (random.Next(2) * 40)];
        }

        private Canvas(Canvas other)
        {
            (StrideBytes, _start, _length) = (other.StrideBytes, other._start, other._length);
            Memory = [.. other.Memory];
        }

        public byte[] Memory { get; }

        public int StrideBytes { get; }

        public Span<byte> Pixels => Memory.AsSpan(_start, _length);

        public Canvas Copy() => new(this);
    }

    /// <summary>Planes one after the other, each with its own start and the least length.</summary>
    private sealed class Planes
    {
        private readonly YuvLayout _layout;
        private readonly DeviceSize _size;
        private readonly int _yStride, _uvStride, _yStart, _uStart, _vStart, _yLength, _uvLength;

        public Planes(YuvLayout layout, DeviceSize size, Random random)
        {
            (_layout, _size) = (layout, size);
            int chromaWidth = layout == YuvLayout.I444 ? size.Width : (size.Width + 1) / 2 * (layout == YuvLayout.Nv12 ? 2 : 1);
            int chromaHeight = layout == YuvLayout.I444 ? size.Height : (size.Height + 1) / 2;
            _yStride = size.Width + random.Next(0, 20);
            _uvStride = chromaWidth + random.Next(0, 20);
            _yLength = (_yStride * (size.Height - 1)) + size.Width;
            _uvLength = (_uvStride * (chromaHeight - 1)) + chromaWidth;
            _yStart = random.Next(0, 70);
            _uStart = _yStart + _yLength + random.Next(0, 70);
            _vStart = _uStart + _uvLength + random.Next(0, 70);
            Memory = new byte[_vStart + (layout == YuvLayout.Nv12 ? 0 : _uvLength)];
            Array.Fill(Memory, Untouched);
        }

        private Planes(Planes other)
        {
            (_layout, _size, _yStride, _uvStride) = (other._layout, other._size, other._yStride, other._uvStride);
            (_yStart, _uStart, _vStart, _yLength, _uvLength) = (other._yStart, other._uStart, other._vStart, other._yLength, other._uvLength);
            Memory = [.. other.Memory];
        }

        public byte[] Memory { get; }

        public YuvPicture Picture => new(
            _layout,
            _size,
            Memory.AsSpan(_yStart, _yLength),
            _yStride,
            Memory.AsSpan(_uStart, _uvLength),
            _layout == YuvLayout.Nv12 ? [] : Memory.AsSpan(_vStart, _uvLength),
            _uvStride);

        public Planes Copy() => new(this);
    }
}
