using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using Google.Protobuf;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests.Grpc;

public class MessageFrameTests
{
    private const int BytesMax = 1 << 20;

    [Theory]
    [InlineData(0, 4, 100_000, 0)] // the length has not come
    [InlineData(0, 5, 100_000, 100_000)]
    [InlineData(0, 6, BytesMax + 1, 0)] // refused anyway
    [InlineData(1, 6, BytesMax + 1, 0)]
    [InlineData(1, 6, 100, 0)] // known with its end, which may come without more room
    [InlineData(1, 6, 100_000, 100_000 + BytesMax)] // may be the largest
    [InlineData(1, 10, 5, 5)] // too short to be compressed: refused
    public void MemoryBytes_OfWhatHasCome(int flags, int come, int announced, long bytes)
    {
        byte[] frame = new byte[come];
        byte[] head = [(byte)flags, 0, 0, 0, 0];
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(1), announced);
        head.AsSpan(0, Math.Min(come, head.Length)).CopyTo(frame);
        Assert.Equal(bytes, MessageFrame.MemoryBytes(new(frame), BytesMax));
    }

    [Fact]
    public void Compressed_TakesWhatItSaysItIs_AndIsReadFromItsParts()
    {
        EchoRequest message = new() { Payload = ByteString.CopyFrom(new byte[300_000]) }, read = new();
        ArrayBufferWriter<byte> framed = new();
        MessageFrame.Write(message, CallCompression.Gzip, BytesMax, framed);
        Assert.Equal(1, framed.WrittenSpan[0]);
        ReadOnlySequence<byte> parts = Split(framed.WrittenMemory, 100);
        Assert.Equal(framed.WrittenCount - MessageFrame.HeadBytes + message.CalculateSize(), MessageFrame.MemoryBytes(parts, BytesMax));
        Assert.True(MessageFrame.TryRead(parts, BytesMax, out bool isCompressed, out ReadOnlySequence<byte> payload));
        MessageFrame.Parse(payload, isCompressed, CallCompression.Gzip, BytesMax, read);
        Assert.Equal(message, read);

        static ReadOnlySequence<byte> Split(ReadOnlyMemory<byte> bytes, int partBytes)
        {
            Part first = new(bytes[..partBytes], 0), last = first;
            for (int at = partBytes; at < bytes.Length; at += partBytes)
            {
                last = last.Append(bytes[at..Math.Min(at + partBytes, bytes.Length)]);
            }

            return new(first, 0, last, last.Memory.Length);
        }
    }

    [Fact]
    public void Bomb_IsWhatItSays_WhateverItSays()
    {
        using MemoryStream zipped = new();
        using (GZipStream gzip = new(zipped, CompressionLevel.Optimal, leaveOpen: true))
        {
            gzip.Write(new byte[4 << 20]);
        }

        byte[] bomb = [1, 0, 0, 0, 0, .. zipped.ToArray()];
        BinaryPrimitives.WriteInt32BigEndian(bomb.AsSpan(1), bomb.Length - 5);
        Assert.Equal(bomb.Length - 5, MessageFrame.MemoryBytes(new(bomb), BytesMax)); // it will be refused by what it says
        BinaryPrimitives.WriteInt32LittleEndian(bomb.AsSpan(bomb.Length - 4), 1000);
        Assert.Equal(bomb.Length - 5 + 1000, MessageFrame.MemoryBytes(new(bomb), BytesMax));
        Assert.True(MessageFrame.TryRead(new(bomb), BytesMax, out bool isCompressed, out ReadOnlySequence<byte> payload));
        CallException failure = Assert.Throws<CallException>(() => MessageFrame.Parse(payload, isCompressed, CallCompression.Gzip, BytesMax, new EchoRequest()));
        Assert.Equal(CallStatusCode.Internal, failure.Code);
    }

    private sealed class Part : ReadOnlySequenceSegment<byte>
    {
        public Part(ReadOnlyMemory<byte> memory, long at) => (Memory, RunningIndex) = (memory, at);

        public Part Append(ReadOnlyMemory<byte> memory)
        {
            Part next = new(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
