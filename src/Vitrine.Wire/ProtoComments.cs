using System.Collections.Frozen;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Vitrine.Wire;

/// <summary>What the <c>.proto</c> files say about their services, messages and fields, for descriptions that are read by people.</summary>
/// <remarks>Thread-safe. Read once, when first asked.</remarks>
public static class ProtoComments
{
    private static readonly Lazy<FrozenDictionary<string, string>> s_comments = new(Read);

    /// <summary>The comment in front of a declaration, its lines joined to paragraphs; null when there is none.</summary>
    public static string? Find(IDescriptor declaration)
    {
        ArgumentNullException.ThrowIfNull(declaration);
        return s_comments.Value.GetValueOrDefault(declaration.FullName);
    }

    private static FrozenDictionary<string, string> Read()
    {
        Dictionary<string, string> comments = [];
        foreach (string resource in (string[])["desktop.pb", "echo.pb", "event_log.pb"])
        {
            using Stream file = typeof(ProtoComments).Assembly.GetManifestResourceStream(resource)!;
            FileDescriptorSet set = FileDescriptorSet.Parser.ParseFrom(file);
            foreach (FileDescriptor descriptor in FileDescriptor.BuildFromByteStrings(set.File.Select(proto => proto.ToByteString())))
            {
                foreach (ServiceDescriptor service in descriptor.Services)
                {
                    Add(service, service.Declaration, comments);
                    foreach (MethodDescriptor method in service.Methods)
                    {
                        Add(method, method.Declaration, comments);
                    }
                }

                foreach (MessageDescriptor message in descriptor.MessageTypes)
                {
                    Add(message, comments);
                }
            }
        }

        return comments.ToFrozenDictionary(StringComparer.Ordinal);
    }

    private static void Add(MessageDescriptor message, Dictionary<string, string> into)
    {
        Add(message, message.Declaration, into);
        foreach (FieldDescriptor field in message.Fields.InDeclarationOrder())
        {
            Add(field, field.Declaration, into);
        }

        foreach (MessageDescriptor nested in message.NestedTypes)
        {
            Add(nested, into);
        }
    }

    private static void Add(IDescriptor declared, DescriptorDeclaration? declaration, Dictionary<string, string> into)
    {
        if (declaration?.LeadingComments is { Length: > 0 } text)
        {
            // An empty line of a comment divides paragraphs; other line breaks are only where the line was full.
            into[declared.FullName] = string.Join("\n\n", text.Split("\n\n").Select(
                paragraph => string.Join(' ', paragraph.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))).Where(paragraph => paragraph.Length > 0));
        }
    }
}
