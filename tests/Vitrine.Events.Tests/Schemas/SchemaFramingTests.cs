using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf.Reflection;
using Vitrine.Events.Schemas;

namespace Vitrine.Events.Tests.Schemas;

public sealed class SchemaFramingTests
{
    private static readonly FileDescriptor s_file = ProtoCompiler.Compile(
        "syntax = \"proto3\"; message A { message B { } message C { message D { } } } message E { message F { } }");

    // The documentation's own cases: the first message is one zero; otherwise the number of indexes, then each, as zigzag.
    [Theory]
    [InlineData("A", 1, "00 00000001 00")]
    [InlineData("E", 1, "00 00000001 02 02")]
    [InlineData("A.C", 0x01020304, "00 01020304 04 00 02")]
    [InlineData("A.C.D", 255, "00 000000FF 06 00 02 00")]
    [InlineData("E.F", int.MaxValue, "00 7FFFFFFF 04 02 00")]
    public void Prefix_AsDocumentedAndBack(string path, int id, string bytes)
    {
        string[] names = path.Split('.');
        MessageDescriptor message = s_file.MessageTypes.Single(type => type.Name == names[0]);
        foreach (string name in names[1..])
        {
            message = message.NestedTypes.Single(type => type.Name == name);
        }

        byte[] prefix = SchemaFraming.PrefixOf(id, message);
        Assert.Equal(bytes.Replace(" ", ""), Convert.ToHexString(prefix));
        Assert.Equal(SchemaFramingError.None, SchemaFraming.TryRead([.. prefix, 8, 1], out SchemaFrame frame));
        Assert.Equal((id, prefix.Length), (frame.SchemaId, frame.PayloadOffset));
        Assert.Same(message, SchemaFraming.FindMessage(s_file, frame.MessageIndexes.Span));
    }

    [Theory]
    [InlineData("", SchemaFramingError.TooShort)]
    [InlineData("00 000000", SchemaFramingError.TooShort)]
    [InlineData("00 00000001", SchemaFramingError.TooShort)]
    [InlineData("00 00000001 04 02", SchemaFramingError.TooShort)]
    [InlineData("00 00000001 80", SchemaFramingError.TooShort)]
    [InlineData("01", SchemaFramingError.NotFramed)]
    [InlineData("0A 00000001 00", SchemaFramingError.NotFramed)]
    [InlineData("00 00000000 00", SchemaFramingError.BadSchemaId)]
    [InlineData("00 80000000 00", SchemaFramingError.BadSchemaId)]
    [InlineData("00 00000001 01", SchemaFramingError.BadIndexes)] // -1 of them
    [InlineData("00 00000001 42", SchemaFramingError.BadIndexes)] // 33 of them
    [InlineData("00 00000001 FEFFFFFF0F", SchemaFramingError.BadIndexes)] // all there can be
    [InlineData("00 00000001 02 01", SchemaFramingError.BadIndexes)] // the one before the first
    [InlineData("00 00000001 8080808010", SchemaFramingError.BadIndexes)] // 33 bits
    [InlineData("00 00000001 808080808000", SchemaFramingError.BadIndexes)]
    public void Broken_SaysWhy(string bytes, SchemaFramingError error)
    {
        Assert.Equal(error, SchemaFraming.TryRead(Convert.FromHexString(bytes.Replace(" ", "")), out SchemaFrame frame));
        Assert.Equal(default, frame);
    }

    [Fact]
    public void NoSuchMessage_Null()
    {
        Assert.Null(SchemaFraming.FindMessage(s_file, [2]));
        Assert.Null(SchemaFraming.FindMessage(s_file, [0, 1, 0, 0]));
        Assert.Null(SchemaFraming.FindMessage(s_file, [-1]));
        Assert.Null(SchemaFraming.FindMessage(s_file, []));
    }

    [Fact]
    public void AnyBytes_NeverThrowAndStayWithin() => Prop.ForAll<byte[]>(bytes =>
    {
        byte[] framed = [0, 0, 0, 0, 1, .. bytes];
        SchemaFramingError error = SchemaFraming.TryRead(framed, out SchemaFrame frame);
        SchemaFraming.TryRead(bytes, out _);
        return error != SchemaFramingError.None
            || (frame.PayloadOffset <= framed.Length && frame.MessageIndexes.Length is >= 1 and <= SchemaFraming.DepthMax && frame.MessageIndexes.ToArray().All(index => index >= 0));
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void WithoutIndexes_TheFirstMessage()
    {
        Assert.Equal(SchemaFramingError.None, SchemaFraming.TryRead([0, 0, 0, 0, 9, 8, 1], out SchemaFrame frame, hasIndexes: false));
        Assert.Equal((9, 5), (frame.SchemaId, frame.PayloadOffset));
        Assert.Equal([0], frame.MessageIndexes.ToArray());
    }
}
