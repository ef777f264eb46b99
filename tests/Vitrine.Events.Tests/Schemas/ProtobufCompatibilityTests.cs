using Google.Protobuf.Reflection;
using Vitrine.Events.Schemas;
using static Vitrine.Events.Schemas.SchemaChange;

namespace Vitrine.Events.Tests.Schemas;

public sealed class ProtobufCompatibilityTests
{
    private const string Head = "syntax = \"proto3\"; package a;";

    // Judged by the rules that Confluent publishes; the last column is what must be found, and the names say whether it is compatible.
    public static TheoryData<string, string, string, SchemaChange[]> Pairs => new()
    {
        { "field added", "message M { int32 x = 1; }", "message M { int32 x = 1; string y = 2; }", [FieldAdded] },
        { "field removed", "message M { int32 x = 1; string y = 2; }", "message M { int32 x = 1; }", [FieldRemoved] },
        { "field renamed", "message M { int32 x = 1; }", "message M { int32 z = 1; }", [FieldRenamed] },
        { "wider number", "message M { int32 x = 1; bool b = 2; }", "message M { uint64 x = 1; int32 b = 2; }", [] },
        { "zigzag", "message M { int32 x = 1; }", "message M { sint32 x = 1; }", [FieldTypeChanged] },
        { "text and bytes", "message M { string x = 1; }", "message M { bytes x = 1; }", [] },
        { "signed fixed", "message M { fixed32 x = 1; }", "message M { sfixed32 x = 1; }", [] },
        { "float and double", "message M { float x = 1; }", "message M { double x = 1; }", [FieldTypeChanged] },
        { "number and text", "message M { int32 x = 1; }", "message M { string x = 1; }", [FieldTypeChanged] },
        { "number and enumeration", "message M { int32 x = 1; }", "enum E { NONE = 0; } message M { E x = 1; }", [EnumAdded] },
        { "enumeration values", "enum E { NONE = 0; A = 1; B = 2; }", "enum E { NONE = 0; AA = 1; C = 3; }", [EnumValueRenamed, EnumValueRemoved, EnumValueAdded] },
        { "text and message", "message N { } message M { string x = 1; }", "message N { } message M { N x = 1; }", [FieldKindChanged] },
        { "other message", "message N { } message O { } message M { N x = 1; }", "message N { } message O { } message M { O x = 1; }", [FieldMessageChanged] },
        { "message removed", "message N { } message M { }", "message N { }", [MessageRemoved] },
        { "nested message removed", "message M { message N { } }", "message M { }", [MessageRemoved] },
        { "message added and moved", "message M { }", "message N { } message M { }", [MessageMoved, MessageAdded] },
        { "one field into a new oneof", "message M { int32 x = 1; }", "message M { oneof o { int32 x = 1; string y = 2; } }", [OneofAdded] },
        { "two fields into a new oneof", "message M { int32 x = 1; string y = 2; }", "message M { oneof o { int32 x = 1; string y = 2; } }", [SeveralFieldsMovedToOneof, OneofAdded] },
        { "a field into a oneof that is there", "message M { int32 x = 1; oneof o { string y = 2; } }", "message M { oneof o { string y = 2; int32 x = 1; } }", [FieldMovedToExistingOneof] },
        { "a new field in a oneof", "message M { oneof o { string y = 2; } }", "message M { oneof o { string y = 2; int32 x = 1; } }", [OneofFieldAdded] },
        { "a field of a oneof removed", "message M { oneof o { string y = 2; int32 x = 1; } }", "message M { oneof o { string y = 2; } }", [OneofFieldRemoved] },
        { "oneof dissolved", "message M { oneof o { string y = 2; int32 x = 1; } }", "message M { string y = 2; int32 x = 1; }", [OneofRemoved] },
        { "a field of a renamed oneof changes", "message M { oneof o { string y = 2; } }", "message M { oneof p { int32 y = 2; } }", [OneofAdded, OneofRemoved, FieldTypeChanged] },
        { "presence", "message M { int32 x = 1; }", "message M { optional int32 x = 1; }", [] },
        { "numbers and a list of them", "message M { int32 x = 1; }", "message M { repeated int32 x = 1; }", [NumberLabelChanged] },
        { "text and a list of it", "message M { string x = 1; }", "message M { repeated string x = 1; }", [LengthDelimitedLabelChanged] },
        { "values of a map", "message M { map<string, int32> x = 1; }", "message M { map<string, string> x = 1; }", [FieldTypeChanged] },
        { "a map and a list of messages", "message N { } message M { map<string, int32> x = 1; }", "message N { } message M { repeated N x = 1; }", [FieldKindChanged] },
        { "a map added", "message M { }", "message M { map<string, int32> x = 1; }", [FieldAdded] },
        { "an import", "import \"google/protobuf/timestamp.proto\"; message M { google.protobuf.Timestamp x = 1; }", "import \"google/protobuf/duration.proto\"; message M { google.protobuf.Duration x = 1; }", [FieldMessageChanged] },
    };

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Pairs_AsThePublishedRulesSay(string name, string before, string after, SchemaChange[] expected)
    {
        Assert.NotEmpty(name);
        IReadOnlyList<SchemaDifference> differences = ProtobufCompatibility.Compare(ProtoCompiler.CompileProto(Head + before), ProtoCompiler.CompileProto(Head + after));
        Assert.Equal(expected.Order(), differences.Select(difference => difference.Change).Order());
    }

    [Fact]
    public void Package_AnotherOneIsIncompatible()
    {
        SchemaDifference difference = Assert.Single(ProtobufCompatibility.Compare(
            ProtoCompiler.CompileProto("syntax = \"proto3\"; package a; message N { } message M { N x = 1; }"),
            ProtoCompiler.CompileProto("syntax = \"proto3\"; package b; message N { } message M { N x = 1; }")));
        Assert.Equal(PackageChanged, difference.Change);
        Assert.False(difference.IsCompatible);
    }

    [Fact]
    public void Required_NeitherAddedNorRemoved()
    {
        const string Proto2 = "syntax = \"proto2\"; package a;";
        FileDescriptorProto with = ProtoCompiler.CompileProto(Proto2 + "message M { required int32 x = 1; }"), without = ProtoCompiler.CompileProto(Proto2 + "message M { }");
        Assert.Equal(RequiredFieldAdded, Assert.Single(ProtobufCompatibility.Compare(without, with)).Change);
        Assert.Equal(RequiredFieldRemoved, Assert.Single(ProtobufCompatibility.Compare(with, without)).Change);
    }

    [Fact]
    public void Judgement_AsPublished() => Assert.Equal(
        [MessageAdded, MessageMoved, EnumAdded, EnumRemoved, EnumValueAdded, EnumValueRenamed, EnumValueRemoved, FieldAdded, FieldRemoved, FieldRenamed, LengthDelimitedLabelChanged, OneofAdded, OneofRemoved, OneofFieldAdded],
        Enum.GetValues<SchemaChange>().Where(change => new SchemaDifference(change, "", "", "").IsCompatible));

    [Fact]
    public void Transitive_AnyEarlierOneCounts()
    {
        FileDescriptorProto first = ProtoCompiler.CompileProto(Head + "message M { int32 x = 1; }"), second = ProtoCompiler.CompileProto(Head + "message M { }");
        FileDescriptorProto third = ProtoCompiler.CompileProto(Head + "message M { string x = 1; }");
        Assert.Empty(ProtobufCompatibility.FindIncompatible([second], third));
        SchemaDifference difference = Assert.Single(ProtobufCompatibility.FindIncompatible([first, second], third));
        Assert.Equal(("M/1 x", "int32", "string"), (difference.Path, difference.Was, difference.Is));
        Assert.Equal("M/1 x: FieldTypeChanged, int32 became string", difference.ToString());
    }

    [Fact]
    public void Itself_NoDifference()
    {
        FileDescriptorProto self = ProtoCompiler.CompileProto(
            Head + "import \"google/protobuf/any.proto\"; enum E { A = 0; } message M { map<string, N> m = 1; oneof o { E e = 2; google.protobuf.Any any = 3; } optional int32 x = 4; message N { repeated M deep = 1; } }");
        Assert.Empty(ProtobufCompatibility.Compare(self, self));
    }
}
