namespace Vitrine.Events.Schemas;

/// <summary>What a schema does otherwise than the one before it. Names and judgement are those of Confluent's schema registry
/// for Protobuf (https://docs.confluent.io/platform/current/schema-registry/fundamentals/schema-evolution.html).</summary>
public enum SchemaChange
{
    /// <summary>A message is new.</summary>
    MessageAdded,

    /// <summary>A message stands at another place of the file; what was written says the place in its own schema.</summary>
    MessageMoved,

    /// <summary>An enumeration is new.</summary>
    EnumAdded,

    /// <summary>An enumeration is gone; its numbers stay numbers.</summary>
    EnumRemoved,

    /// <summary>A value of an enumeration is new.</summary>
    EnumValueAdded,

    /// <summary>A value of an enumeration has another name.</summary>
    EnumValueRenamed,

    /// <summary>A value of an enumeration is gone.</summary>
    EnumValueRemoved,

    /// <summary>A field is new: what was written before has its default.</summary>
    FieldAdded,

    /// <summary>A field is gone: what was written before has it as an unknown one.</summary>
    FieldRemoved,

    /// <summary>A field has another name; only its number is written.</summary>
    FieldRenamed,

    /// <summary>Text, bytes or a message became a list of them, or the other way: the last one counts.</summary>
    LengthDelimitedLabelChanged,

    /// <summary>A oneof is new.</summary>
    OneofAdded,

    /// <summary>A oneof is gone, its fields may be there.</summary>
    OneofRemoved,

    /// <summary>A field of a oneof is new.</summary>
    OneofFieldAdded,

    /// <summary>The file has another package: every message in it is another one.</summary>
    PackageChanged,

    /// <summary>A message is gone.</summary>
    MessageRemoved,

    /// <summary>A field that was a number, a message or a map is another of these.</summary>
    FieldKindChanged,

    /// <summary>A field has a type that is written otherwise.</summary>
    FieldTypeChanged,

    /// <summary>A field holds another message.</summary>
    FieldMessageChanged,

    /// <summary>A number became a list of numbers, which are packed, or the other way.</summary>
    NumberLabelChanged,

    /// <summary>A field is new that must be there, and in what was written is not.</summary>
    RequiredFieldAdded,

    /// <summary>A field is gone that others take to be there.</summary>
    RequiredFieldRemoved,

    /// <summary>A field of a oneof is gone: what was written with it has none.</summary>
    OneofFieldRemoved,

    /// <summary>Fields that could be there together cannot any more.</summary>
    SeveralFieldsMovedToOneof,

    /// <summary>A field moved into a oneof that others were in: what was written may have both.</summary>
    FieldMovedToExistingOneof,
}

/// <summary>One difference between two schemas.</summary>
/// <param name="Change">What.</param>
/// <param name="Path">Where: messages by name, fields by number and, after it, name (<c>Viewer/3 name</c>).</param>
/// <param name="Was">As it was; empty where there was nothing.</param>
/// <param name="Is">As it is; empty where there is nothing.</param>
public sealed record SchemaDifference(SchemaChange Change, string Path, string Was, string Is)
{
    /// <summary>Whether a reader with the new schema still understands what was written with the old one.</summary>
    public bool IsCompatible => Change < SchemaChange.PackageChanged;

    /// <summary>As a sentence for people.</summary>
    public override string ToString() => (Was, Is) switch
    {
        ("", "") => $"{Path}: {Change}",
        ("", _) => $"{Path}: {Change}, {Is}",
        (_, "") => $"{Path}: {Change}, {Was}",
        _ => $"{Path}: {Change}, {Was} became {Is}",
    };
}
