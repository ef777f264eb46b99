using System.Buffers;
using Google.Protobuf;
using Vitrine.Wire.V1;

namespace Vitrine.Wire.Tests;

public class MessageLengthsTests
{
    [Fact]
    public void WholeMessages_Fit_InOnePieceAndInMany()
    {
        for (int size = 0; size < 300; size += 7)
        {
            byte[] bytes = Sample(size).ToByteArray();
            Assert.True(Fit(new(bytes)));
            Assert.True(Fit(Pieces(bytes, 3)));
        }
    }

    /// <summary>Nothing that Protobuf reads is refused.</summary>
    [Fact]
    public void ChangedMessages_WhatIsReadFits()
    {
        Mutator mutator = new();
        byte[] whole = Sample(40).ToByteArray(), other = Sample(0).ToByteArray();
        int read = 0, refused = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = mutator.Mutate(whole, other);
            bool fits = Fit(new(bytes));
            if (fits)
            {
                try
                {
                    EchoRequest.Parser.ParseFrom(bytes);
                    read++;
                }
                catch (InvalidProtocolBufferException)
                {
                    // Such as text that is no UTF-8.
                }
            }
            else
            {
                refused++;
                Assert.ThrowsAny<Exception>(() => EchoRequest.Parser.ParseFrom(bytes));
            }
        }

        Assert.True(read > 100 && refused > 100, $"{read} read, {refused} refused");
    }

    [Theory]
    [InlineData("0A")] // a length is missing
    [InlineData("0A05")] // longer than the whole
    [InlineData("2AFFFFFFFF07")] // 2^31 - 1, a message
    [InlineData("2A040A050000")] // longer than the message that it is in
    [InlineData("FFFFFFFFFFFFFFFFFFFFFF")] // no number ends
    [InlineData("0D000000")] // four bytes are wanted
    [InlineData("0F")] // no such kind
    public void OtherLengths_DoNot(string hex) => Assert.False(Fit(new(Convert.FromHexString(hex))));

    [Fact]
    public void NestedTooDeep_DoesNot()
    {
        Google.Protobuf.WellKnownTypes.Value value = new() { NumberValue = 1 };
        for (int i = 0; i < 60; i++)
        {
            value = Google.Protobuf.WellKnownTypes.Value.ForList(value);
        }

        Assert.False(MessageLengths.Fit(new(value.ToByteArray()), Google.Protobuf.WellKnownTypes.Value.Descriptor)); // two messages a list
    }

    private static bool Fit(ReadOnlySequence<byte> bytes) => MessageLengths.Fit(bytes, EchoRequest.Descriptor);

    private static EchoRequest Sample(int payloadBytes) => new()
    {
        Payload = ByteString.CopyFrom(new byte[payloadBytes]), ReplyCount = 3, Failure = new() { Code = 3, Message = new string('g', payloadBytes) },
    };

    private static ReadOnlySequence<byte> Pieces(byte[] bytes, int size)
    {
        Piece first = new(bytes.AsMemory(0, Math.Min(size, bytes.Length)), 0), last = first;
        for (int at = size; at < bytes.Length; at += size)
        {
            last = last.Append(bytes.AsMemory(at, Math.Min(size, bytes.Length - at)));
        }

        return new(first, 0, last, last.Memory.Length);
    }

    private sealed class Piece : ReadOnlySequenceSegment<byte>
    {
        public Piece(ReadOnlyMemory<byte> memory, long at) => (Memory, RunningIndex) = (memory, at);

        public Piece Append(ReadOnlyMemory<byte> memory)
        {
            Piece next = new(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
