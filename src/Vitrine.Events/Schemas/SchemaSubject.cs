using System.Buffers;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Vitrine.Wire;

namespace Vitrine.Events.Schemas;

/// <summary>What all stores check before they take a schema in.</summary>
internal static class SchemaSubject
{
    private const int LengthMax = 255;

    public static void Check(string subject, FileDescriptor schema)
    {
        ArgumentException.ThrowIfNullOrEmpty(subject);
        ArgumentNullException.ThrowIfNull(schema);
        if (subject.Length > LengthMax || !subject.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
        {
            throw new ArgumentException($"«{subject}» is no subject: 1 to {LengthMax} letters, digits, «.», «_» and «-».", nameof(subject));
        }

        if (schema.Dependencies.FirstOrDefault(dependency => !dependency.Name.StartsWith("google/protobuf/", StringComparison.Ordinal)) is { } foreign)
        {
            throw new ArgumentException($"{schema.Name} imports {foreign.Name}; a schema has to be one file, but for Protobuf's own.", nameof(schema));
        }
    }

    /// <summary>Throws when the schema may not follow the earlier ones.</summary>
    public static void CheckMayFollow(string subject, IReadOnlyList<FileDescriptorProto> earlier, FileDescriptorProto schema)
    {
        IReadOnlyList<SchemaDifference> incompatible = ProtobufCompatibility.FindIncompatible(earlier, schema);
        if (incompatible.Count > 0)
        {
            throw new IncompatibleSchemaException(subject, incompatible);
        }
    }

    /// <summary>Null when the bytes are no schema.</summary>
    public static FileDescriptorProto? TryParse(byte[] bytes)
    {
        try
        {
            return MessageLengths.Fit(new ReadOnlySequence<byte>(bytes), FileDescriptorProto.Descriptor) ? FileDescriptorProto.Parser.ParseFrom(bytes) : null;
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }
}
