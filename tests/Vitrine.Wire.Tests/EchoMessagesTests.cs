using Google.Protobuf;
using Google.Protobuf.Reflection;
using Vitrine.Wire.V1;

namespace Vitrine.Wire.Tests;

public sealed class EchoMessagesTests
{
    [Fact]
    public void Cleared_EqualsANewOne()
    {
        AssertClears(new EchoRequest(), new EchoRequest());
        AssertClears(new EchoReply(), new EchoReply());
    }

    [Fact]
    public void UnknownFieldsOfManyReads_DoNotPileUp()
    {
        byte[] unknown = [0xA2, 0x06, 0x01, 0x2A]; // field 100, one byte
        EchoRequest message = new();
        for (int i = 0; i < 10; i++)
        {
            message.Clear();
            message.MergeFrom(unknown);
            Assert.Equal(unknown.Length, message.CalculateSize());
        }
    }

    // Every field of the declaration: one that is added later is not forgotten.
    private static void AssertClears(IReusableMessage message, IMessage fresh)
    {
        foreach (FieldDescriptor field in message.Descriptor.Fields.InDeclarationOrder())
        {
            field.Accessor.SetValue(message, field.FieldType switch
            {
                FieldType.Bytes => ByteString.CopyFromUtf8("x"),
                FieldType.UInt32 => 1u,
                FieldType.UInt64 => 1ul,
                FieldType.Message => field.MessageType.Parser.ParseFrom([]),
                _ => throw new NotSupportedException($"{field.FullName} is of a kind that this test does not set."),
            });
        }

        Assert.NotEqual(fresh, message);
        message.Clear();
        Assert.Equal(fresh, message);
    }
}
