namespace Vitrine.Wire.Tests;

public sealed class PacketTests
{
    [Fact]
    public void Write_PutsHeaderInFrontOfPayload()
    {
        byte[] bytes = new byte[PacketHeader.SizeBytes + 24];
        int written = Packet.Write(bytes, new Presented(1, 2, 3), sentNs: 9, originNs: 8, sequence: 7);

        Assert.Equal(bytes.Length, written);
        Assert.Equal(WireStatus.Ok, PacketHeader.TryRead(bytes, out PacketHeader header, PacketHeader.PayloadBytesMaxToHost));
        Assert.Equal(new PacketHeader(PacketType.Presented, PacketFlags.None, 0, 24, 7, 8, 9), header);
        Assert.Equal(WireStatus.Ok, Presented.TryRead(bytes.AsSpan(PacketHeader.SizeBytes), out Presented presented));
        Assert.Equal(new Presented(1, 2, 3), presented);
    }

    [Theory]
    [InlineData(200, "é", 128)] // 2 bytes each: 64 of them
    [InlineData(200, "€", 126)] // 3 bytes each: 42 of them, the 43rd would be cut within
    [InlineData(100, "\U0001F5BC", 128)] // 4 bytes each, two UTF-16 units
    public void LongName_CutAtACharacter(int count, string character, int expectedBytes)
    {
        ViewerHello hello = new(0, string.Concat(Enumerable.Repeat(character, count)));
        byte[] bytes = new byte[hello.SizeBytesMax];
        int written = hello.Write(bytes);

        Assert.Equal(4 + expectedBytes, written);
        Assert.Equal(WireStatus.Ok, ViewerHello.TryRead(bytes.AsSpan(0, written), out _));
    }

    [Fact]
    public void LoneSurrogate_WrittenAsReplacementCharacter()
    {
        byte[] bytes = new byte[64 + Goodbye.TextBytesMax];
        int written = new Goodbye(GoodbyeReason.Closing, new string((char)0xD800, 1)).Write(bytes);
        Assert.Equal("00000300EFBFBD", Convert.ToHexString(bytes.AsSpan(0, written)));
    }

    [Fact]
    public void HotMessages_AllocateNothing()
    {
        byte[] bytes = new byte[256];
        Exchange(bytes);
        Assert.Equal(0, Allocation.BytesOf(() =>
        {
            for (int i = 0; i < 1_000; i++)
            {
                Exchange(bytes);
            }
        }));
    }

    [Fact]
    public void TilesWriter_RefusesWhatDoesNotFit()
    {
        byte[] bytes = new byte[FramePrefix.SizeBytes + 8 + 4 + 8 + 3];
        TilesWriter writer = new(bytes);
        Assert.True(writer.TryAdd(0, 0, TileEncoding.Solid, [1, 2, 3, 4]));
        Assert.False(writer.TryAdd(1, 0, TileEncoding.Solid, [1, 2, 3, 4]));
        Assert.Equal(FramePrefix.SizeBytes + 12, writer.Finish(1, 0, 0));
        Assert.Equal(WireStatus.Ok, TilesReader.TryRead(bytes.AsSpan(0, writer.Length), new(64, 64), out TilesReader reader));
        Assert.True(reader.TryReadNext(out _));
        Assert.False(reader.TryReadNext(out _));
        Assert.Equal(WireStatus.Ok, reader.Status);
    }

    [Fact]
    public void FrameTimes_Saturate()
    {
        Assert.Equal(0u, FramePrefix.After(10, 5));
        Assert.Equal(5u, FramePrefix.After(10, 15));
        Assert.Equal(uint.MaxValue, FramePrefix.After(0, long.MaxValue));
    }

    private static void Exchange(byte[] bytes)
    {
        _ = Packet.Write(bytes, new Presented(1, 2, 3), 4, 5, 6);
        _ = PacketHeader.TryRead(bytes, out PacketHeader header);
        _ = Presented.TryRead(bytes.AsSpan(PacketHeader.SizeBytes, header.PayloadBytes), out _);
        _ = Packet.Write(bytes, new ClockRequest(1), 4);
        _ = ClockRequest.TryRead(bytes.AsSpan(PacketHeader.SizeBytes, 8), out _);
        _ = Packet.Write(bytes, new ClockReply(1, 2, 3), 4);
        _ = Packet.Write(bytes, new CursorPositionMessage(1, 2), 4);
        _ = Packet.Write(bytes, new StatisticsMessage(1, 2, 3, 4, 5), 4);
        _ = CopyWriter.Write(bytes, 1, 0, 0, [new CopyRecord(new(0, 0, 1, 1), new(1, 1))]);
        _ = CopyReader.TryRead(bytes.AsSpan(0, CopyWriter.SizeBytes(1)), new(8, 8), out CopyReader copies);
        _ = copies.TryReadNext(out _);
    }
}
