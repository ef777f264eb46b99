using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Wire;
using Vitrine.Wire.Tests;

namespace Vitrine.Codecs.Tests.Tiles;

public sealed class TileDecoderTests
{
    [Fact]
    public void SolidRawAndLz4_EachPixelByPixel()
    {
        using TileDecoder decoder = new();
        decoder.Reset(new(66, 65), 3);
        // Two pixels as raw, then as an LZ4 block of 8 literals, then a solid tile of 2x64 right of the first.
        byte[] payload = Vectors.Bytes("03000000 0A000000 14000000 03000000  0100 0100 01 00 0800 0102030405060708  0100 0100 02 00 0900 801112131415161718  0100 0000 00 00 0400 AABBCCDD");
        Assert.Equal(DecodeStatus.Ok, decoder.Apply(new(PacketType.Tiles, PacketFlags.More, 0, payload.Length, 5, 1000, 0), payload));

        Assert.Equal([0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18], decoder.Picture[((64 * 66 * 4) + (64 * 4))..].ToArray());
        Assert.Equal([0xAA, 0xBB, 0xCC, 0xDD, 0xAA, 0xBB, 0xCC, 0xDD], decoder.Picture.Slice((63 * 66 * 4) + (64 * 4), 8).ToArray());
        Assert.Equal([0, 0, 0, 0], decoder.Picture[..4].ToArray());
        Assert.False(decoder.IsFrameComplete);
        Assert.Equal(5u, decoder.LastSequence);
        Assert.Equal((1000L, 1010L, 1020L), (decoder.OriginNs, decoder.CapturedNs, decoder.EncodedNs));
        Assert.Equal(new DeviceRectangle(64, 0, 2, 65), decoder.FrameDamage.Bounds);

        payload = Vectors.Bytes("03000000 00000000 00000000 00000000");
        Assert.Equal(DecodeStatus.Ok, decoder.Apply(new(PacketType.Tiles, PacketFlags.None, 0, payload.Length, 5, 1000, 0), payload));
        Assert.True(decoder.IsFrameComplete);
        Assert.Equal(new DeviceRectangle(64, 0, 2, 65), decoder.FrameDamage.Bounds);
        Assert.Equal(DecodeStatus.Ok, decoder.Apply(new(PacketType.Tiles, PacketFlags.None, 0, payload.Length, 6, 0, 0), payload));
        Assert.True(decoder.FrameDamage.IsEmpty);
        Assert.Equal((0L, 0L, 0L), (decoder.OriginNs, decoder.CapturedNs, decoder.EncodedNs));
    }

    [Theory]
    [InlineData("03000000 00000000 00000000 01000000  0000 0000 02 00 0100 FF")] // an LZ4 block that ends early
    [InlineData("03000000 00000000 00000000 01000000  0000 0000 02 00 0500 4001020304")] // decodes to one pixel of four
    [InlineData("03000000 00000000 00000000 01000000  0000 0000 02 00 1100 F005 00*15")] // decodes to five
    [InlineData("03000000 00000000 00000000 01000000  0000 0000 02 00 0700 14 01 FFFF 00 00 00")] // refers to what was before the block
    public void BadLz4_Malformed(string hex)
    {
        using TileDecoder decoder = new();
        decoder.Reset(new(2, 2), 3);
        byte[] payload = Vectors.Bytes(hex);
        Assert.Equal(DecodeStatus.Malformed, decoder.Apply(new(PacketType.Tiles, PacketFlags.None, 0, payload.Length, 1, 0, 0), payload));
    }

    [Theory]
    [InlineData(1, 2, 6, 5, 3, 3)]
    [InlineData(3, 3, 6, 5, 1, 2)]
    [InlineData(1, 3, 6, 5, 3, 1)]
    [InlineData(0, 2, 8, 6, 2, 2)]
    [InlineData(2, 2, 8, 6, 0, 2)]
    [InlineData(0, 0, 10, 9, 0, 1)]
    [InlineData(0, 1, 10, 9, 0, 0)]
    public void OverlappingCopy_AsIfReadWholeFirst(int sourceX, int sourceY, int width, int height, int destinationX, int destinationY)
    {
        using TileDecoder decoder = new();
        decoder.Reset(new(10, 10), 1);
        new Random(1).NextBytes(decoder.Picture);
        byte[] expected = decoder.Picture.ToArray();
        for (int y = 0; y < height; y++)
        {
            decoder.Picture.Slice((((sourceY + y) * 10) + sourceX) * 4, width * 4).CopyTo(expected.AsSpan((((destinationY + y) * 10) + destinationX) * 4));
        }

        byte[] payload = new byte[CopyWriter.SizeBytes(1)];
        CopyWriter.Write(payload, 1, 0, 0, [new(new(sourceX, sourceY, width, height), new(destinationX, destinationY))]);
        Assert.Equal(DecodeStatus.Ok, decoder.Apply(new(PacketType.Copy, PacketFlags.None, 0, payload.Length, 1, 0, 0), payload));
        Assert.Equal(expected, decoder.Picture.ToArray());
    }

    [Fact]
    public void NotForThisPicture_Skipped()
    {
        using TileDecoder decoder = new();
        byte[] payload = Vectors.Bytes("03000000 00000000 00000000 01000000  0000 0000 00 00 0400 AABBCCDD");
        PacketHeader header = new(PacketType.Tiles, PacketFlags.None, 0, payload.Length, 1, 0, 0);
        Assert.Equal(DecodeStatus.Skipped, decoder.Apply(header, payload)); // no picture yet
        decoder.Reset(new(4, 4), 4);
        Assert.Equal(DecodeStatus.Skipped, decoder.Apply(header, payload)); // another generation
        Assert.Equal(DecodeStatus.Skipped, decoder.Apply(header with { Type = PacketType.Hello }, payload));
        Assert.Equal(DecodeStatus.Skipped, decoder.Apply(header with { Type = (PacketType)0x3F }, payload));
        Assert.Equal(DecodeStatus.Malformed, decoder.Apply(header with { PayloadBytes = 5 }, payload));
        decoder.Reset(new(4, 4), 3);
        Assert.Equal(DecodeStatus.Ok, decoder.Apply(header, payload));
        decoder.Reset(default, 3);
        Assert.True(decoder.Picture.IsEmpty);
        Assert.Equal(DecodeStatus.Skipped, decoder.Apply(header, payload));
    }

    [Fact]
    public void Reset_ForgetsThePicture()
    {
        using TileDecoder decoder = new();
        decoder.Reset(new(4, 4), 3);
        decoder.Picture.Fill(9);
        decoder.Reset(new(4, 4), 4);
        Assert.False(decoder.Picture.ContainsAnyExcept((byte)0));
        decoder.Reset(new(5, 4), 5);
        Assert.Equal(80, decoder.Picture.Length);
    }
}
