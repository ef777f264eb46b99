using System.Text;
using Google.Protobuf.Reflection;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Http2;

/// <summary>Where a method is in the JSON interface. Every method has its place by one rule: <c>vitrine.v1.Desktop/ListDisplays</c> is
/// <c>/api/v1/desktop/displays</c>, <c>StartSharing</c> is <c>/api/v1/desktop/start-sharing</c>. The words List, Get and Watch say what
/// GET says already and are left away.</summary>
internal sealed class JsonRoute
{
    /// <summary>Where all of it begins.</summary>
    public const string Prefix = "/api/";

    private static readonly string[] s_readingVerbs = ["List", "Get", "Watch"];

    private JsonRoute(CallBinding binding, string path)
    {
        (Binding, Path) = (binding, path);
        MessageDescriptor answer = Method.Descriptor.OutputType;
        (MediaTypeField, DataField) = (answer.FindFieldByName("media_type"), answer.FindFieldByName("data"));
        HasPlainForm = MediaTypeField is { FieldType: FieldType.String, IsRepeated: false } && DataField is { FieldType: FieldType.Bytes, IsRepeated: false };
    }

    public CallBinding Binding { get; }

    public CallMethod Method => Binding.Method;

    public string Path { get; }

    /// <summary>Whether GET with the fields in the query is served beside POST: to repeat such a call changes nothing.</summary>
    public bool TakesGet => Method.IsIdempotent && Method.TakesOneRequest;

    /// <summary>Whether the answer is a file in a message, or in many: fields <c>media_type</c> and <c>data</c>. Who asks for its media type gets
    /// the data alone.</summary>
    public bool HasPlainForm { get; }

    public FieldDescriptor? MediaTypeField { get; }

    public FieldDescriptor? DataField { get; }

    /// <summary>The place of a method; null for a service that is not of a versioned package of ours (<c>vitrine.v1</c>).</summary>
    public static JsonRoute? TryMake(CallBinding binding) => PathOf(binding.Method) is { } path ? new(binding, path) : null;

    /// <summary>Address of a method; null when it has none.</summary>
    public static string? PathOf(CallMethod method)
    {
        ServiceDescriptor service = method.Descriptor.Service;
        if (service.File.Package.Split('.') is not ["vitrine", ['v', .. { Length: > 0 } digits] version] || digits.AsSpan().ContainsAnyExceptInRange('0', '9'))
        {
            return null;
        }

        string name = method.Name;
        foreach (string verb in s_readingVerbs)
        {
            if (name.StartsWith(verb, StringComparison.Ordinal) && name.Length > verb.Length && char.IsUpper(name[verb.Length]))
            {
                name = name[verb.Length..];
                break;
            }
        }

        return $"{Prefix}{version}/{WithHyphens(service.Name)}/{WithHyphens(name)}";
    }

    private static string WithHyphens(string name)
    {
        StringBuilder words = new(name.Length + 4);
        foreach (char c in name)
        {
            if (char.IsUpper(c) && words.Length > 0)
            {
                words.Append('-');
            }

            words.Append(char.ToLowerInvariant(c));
        }

        return words.ToString();
    }
}
