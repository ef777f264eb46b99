using System.Text;
using Vitrine.Events.Embedded;

namespace Vitrine.Events.Tests.Embedded;

public sealed class LogFrameTests
{
    [Fact]
    public void Written_IsReadAgain()
    {
        EventBatch batch = new();
        batch.Add("viewers", "key"u8, "value"u8);
        batch.AddPlace("group", EventPlace.At(41));
        LogFrame frame = new(7, 8, batch.Count, batch.Bytes);
        byte[] bytes = new byte[frame.Bytes + 3];
        frame.Write(bytes, batch.Body);
        Assert.Equal(FrameState.Whole, LogFrame.TryRead(bytes, out LogFrame read));
        Assert.Equal(frame, read);
        Assert.Equal(8, read.NextOffset);
        ReadOnlyMemory<byte> body = bytes.AsMemory(LogFrame.HeadBytes, read.BodyBytes);
        Assert.True(LogFrame.TryTake(ref body, out LogEntry entry));
        Assert.Equal("viewers key value", $"{Text(entry.Name)} {Text(entry.Key)} {Text(entry.Value)}");
        Assert.True(LogFrame.TryTake(ref body, out entry));
        Assert.Equal("group", Text(entry.Name));
        Assert.False(LogFrame.TryTake(ref body, out _));
    }

    // What the bytes are is what old files have: they stay.
    [Fact]
    public void Bytes_AreThoseOfOldFiles()
    {
        EventBatch batch = new();
        batch.Add("t", "k"u8, "v"u8);
        byte[] bytes = new byte[LogFrame.HeadBytes + batch.Bytes];
        new LogFrame(1, 2, 1, batch.Bytes).Write(bytes, batch.Body);
        string hex = Convert.ToHexStringLower(bytes);
        Assert.StartsWith("56454631" + "0b000000", hex, StringComparison.Ordinal);
        Assert.EndsWith("0100000000000000" + "0200000000000000" + "01000000" + "00000000" + "0101010001000000" + "746b76", hex, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryBitThatIsAnother_IsSeen()
    {
        EventBatch batch = new();
        batch.Add("topic", default, new byte[20]);
        byte[] bytes = new byte[LogFrame.HeadBytes + batch.Bytes];
        new LogFrame(1, 2, 1, batch.Bytes).Write(bytes, batch.Body);
        for (int bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotEqual(FrameState.Whole, LogFrame.TryRead(bytes, out _));
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.Equal(FrameState.Incomplete, LogFrame.TryRead(bytes.AsSpan(0, length), out _));
        }
    }

    [Fact]
    public void TooLong_IsRefusedAndLeavesTheBatchAsItWas()
    {
        EventBatch batch = new();
        batch.Add("t", default, "v"u8);
        int bytes = batch.Bytes;
        Assert.Throws<ArgumentException>(() => batch.Add(new string('n', EventBatch.NameBytesMax + 1), default, default));
        Assert.Throws<ArgumentException>(() => batch.Add("t", new byte[EventBatch.KeyBytesMax + 1], default));
        Assert.Throws<ArgumentException>(() => batch.Add("t", default, new byte[EventBatch.BytesMax]));
        Assert.Throws<ArgumentException>(() => batch.Add("", default, default));
        Assert.Equal((1, bytes), (batch.Count, batch.Bytes));
        batch.Add("t", new byte[EventBatch.KeyBytesMax], default);
        Assert.Equal(2, batch.Count);
    }

    private static string Text(ReadOnlyMemory<byte> utf8) => Encoding.UTF8.GetString(utf8.Span);
}
