using FsCheck;
using FsCheck.Fluent;
using Vitrine.Frames;

namespace Vitrine.Imaging.Tests;

public sealed class PngFileTests
{
    [Fact]
    public void AnyPictureAndStride_RoundTripIsExact() =>
        Prop.ForAll(
            (from width in Gen.Choose(1, 70)
             from height in Gen.Choose(1, 40)
             from padding in Gen.Choose(0, 9)
             from seed in Gen.Choose(0, int.MaxValue - 1)
             from levels in Gen.Elements(1, 2, 256) // one colour, two, noise
             select (width, height, padding, seed, levels)).ToArbitrary(),
            c =>
            {
                FrameFormat format = new(new(c.width, c.height), (c.width * 4) + c.padding, PixelFormat.Bgrx32);
                byte[] pixels = Noise(checked((int)format.SizeBytes), c.seed, c.levels);

                Assert.Equal(PngStatus.Decoded, PngFile.Decode(PngFile.Encode(pixels, format), out Picture? picture, out _));

                Assert.Equal(format.Size, picture!.Format.Size);
                for (int y = 0; y < c.height; y++)
                {
                    for (int x = 0; x < c.width; x++)
                    {
                        ReadOnlySpan<byte> expected = pixels.AsSpan((y * format.StrideBytes) + (x * 4), 3);
                        ReadOnlySpan<byte> actual = picture.Pixels.AsSpan((y * picture.Format.StrideBytes) + (x * 4), 4);
                        Assert.True(expected.SequenceEqual(actual[..3]) && actual[3] == 255);
                    }
                }
            }).QuickCheckThrowOnFailure();

    [Fact]
    public void LastRowWithoutPadding_Encoded()
    {
        FrameFormat format = new(new(3, 2), 16, PixelFormat.Bgrx32);

        Assert.Equal(PngStatus.Decoded, PngFile.Decode(PngFile.Encode(new byte[16 + 12], format), out _, out _));
        Assert.Throws<ArgumentException>(() => PngFile.Encode(new byte[16 + 11], format));
        Assert.Throws<ArgumentException>(() => PngFile.Encode(new byte[64], format with { StrideBytes = 11 }));
        Assert.Throws<ArgumentException>(() => PngFile.Encode(new byte[64], format with { Size = new(0, 4) }));
    }

    [Fact]
    public void CutFile_Corrupt()
    {
        byte[] file = Sample();
        for (int length = 8; length < file.Length - 12; length++) // the last chunk, IEND, is 12 bytes and says nothing
        {
            Assert.Equal(PngStatus.Corrupt, PngFile.Decode(file.AsSpan(0, length), out Picture? picture, out string error));
            Assert.Null(picture);
            Assert.NotEmpty(error);
        }
    }

    [Fact]
    public void NoSignature_NotPng()
    {
        Assert.Equal(PngStatus.NotPng, PngFile.Decode([], out _, out string error));
        Assert.NotEmpty(error);
        Assert.Equal(PngStatus.NotPng, PngFile.Decode("GIF89a..........."u8, out _, out _));
        Assert.Equal(PngStatus.NotPng, PngFile.Decode(Sample().AsSpan(0, 7), out _, out _));
    }

    [Fact]
    public void ChangedBytes_DocumentedResult()
    {
        byte[] sample = Sample();
        Random random = new(1);
        for (int i = 0; i < 5_000; i++)
        {
            byte[] file = [.. sample];
            for (int changes = random.Next(1, 4); changes > 0; changes--)
            {
                file[random.Next(8, file.Length)] = (byte)random.Next(256);
            }

            PngStatus status = PngFile.Decode(file, out Picture? picture, out string error);
            Assert.Contains(status, new[] { PngStatus.Decoded, PngStatus.Corrupt, PngStatus.TooLarge });
            Assert.Equal(status == PngStatus.Decoded, picture is not null);
            Assert.Equal(status == PngStatus.Decoded, error.Length == 0);
        }
    }

    [Fact]
    public void HugeSizeInHeader_TooLargeWithoutTakingMemory()
    {
        // IHDR says 32000 x 32000; its checksum is computed anew, so that only the size is wrong.
        byte[] file = Sample();
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(16), 32_000);
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(20), 32_000);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(29), Crc32(file.AsSpan(12, 17)));
        long before = GC.GetAllocatedBytesForCurrentThread();

        Assert.Equal(PngStatus.TooLarge, PngFile.Decode(file, out _, out string error));

        Assert.Contains("32000x32000", error, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    [Fact]
    public void OlderFile_Replaced()
    {
        using TemporaryFolder folder = new();
        string path = Path.Combine(folder.Path, "a.png");
        File.WriteAllText(path, "older");

        PngFile.Write(path, new byte[4], FrameFormat.Packed(new(1, 1)));

        Assert.Equal(PngStatus.Decoded, PngFile.Decode(File.ReadAllBytes(path), out _, out _));
        Assert.Equal([path], Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void SymbolicLink_FollowedNotReplaced()
    {
        using TemporaryFolder folder = new();
        string target = Path.Combine(folder.Path, "target.png"), link = Path.Combine(folder.Path, "link.png");
        File.WriteAllText(target, "older");
        File.CreateSymbolicLink(link, target);

        PngFile.Write(link, new byte[4], FrameFormat.Packed(new(1, 1)));

        Assert.NotNull(new FileInfo(link).LinkTarget);
        Assert.Equal(PngStatus.Decoded, PngFile.Decode(File.ReadAllBytes(target), out _, out _));
    }

    [Fact]
    public void FullDisk_NamesPathAndCause()
    {
        IOException failure = Assert.Throws<IOException>(() => PngFile.Write("/dev/full", new byte[4], FrameFormat.Packed(new(1, 1))));

        Assert.Contains("/dev/full", failure.Message, StringComparison.Ordinal);
        Assert.Contains("no space left", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FolderMissingOrFolderGiven_NamesPathAndCauseAndLeavesNothing()
    {
        using TemporaryFolder folder = new();
        string missing = Path.Combine(folder.Path, "no", "a.png");

        Assert.Contains("folder does not exist", Assert.Throws<IOException>(() => PngFile.Write(missing, new byte[4], FrameFormat.Packed(new(1, 1)))).Message, StringComparison.Ordinal);
        Assert.Contains("is a folder", Assert.Throws<IOException>(() => PngFile.Write(folder.Path, new byte[4], FrameFormat.Packed(new(1, 1)))).Message, StringComparison.Ordinal);

        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    private static byte[] Sample() => PngFile.Encode(Noise(16 * 16 * 4, 7, 256), FrameFormat.Packed(new(16, 16)));

    private static byte[] Noise(int count, int seed, int levels)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        for (int i = 0; i < count; i++)
        {
            bytes[i] = (byte)(bytes[i] % levels);
        }

        return bytes;
    }

    private static uint Crc32(ReadOnlySpan<byte> bytes)
    {
        uint crc = 0xFFFFFFFF;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * 0xEDB88320);
            }
        }

        return ~crc;
    }

    private sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("vitrine-png-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
