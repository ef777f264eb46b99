using System.Globalization;
using Google.Protobuf.Reflection;

namespace Vitrine.Events.Schemas;

/// <summary>Whether what was written with earlier schemas is understood with a new one: the rules of Confluent's schema registry
/// for Protobuf, without a registry.</summary>
/// <remarks>Pure functions of their arguments. Schemas are what Protobuf's compiler makes of a file, with type names in full;
/// what a file imports is compared by name.</remarks>
public static class ProtobufCompatibility
{
    /// <summary>All that is otherwise.</summary>
    /// <param name="original">The earlier schema.</param>
    /// <param name="update">The one after it.</param>
    /// <returns>In the order of the file: messages by name, fields by number.</returns>
    public static IReadOnlyList<SchemaDifference> Compare(FileDescriptorProto original, FileDescriptorProto update)
    {
        ArgumentNullException.ThrowIfNull(original);
        ArgumentNullException.ThrowIfNull(update);
        var comparison = new Comparison(new(original), new(update));
        if (original.Package != update.Package)
        {
            comparison.Add(SchemaChange.PackageChanged, original.Name, original.Package, update.Package);
        }

        comparison.CompareTypes("", original.MessageType, update.MessageType, original.EnumType, update.EnumType);
        return comparison.Differences;
    }

    /// <summary>Why a new schema may not follow earlier ones (<c>BACKWARD_TRANSITIVE</c>): with it, what was written with any of
    /// them has to be understood.</summary>
    /// <param name="earlier">All earlier schemas, the first first.</param>
    /// <param name="update">The new one.</param>
    /// <returns>The incompatible differences from the newest schema that has any; none when it may.</returns>
    public static IReadOnlyList<SchemaDifference> FindIncompatible(IReadOnlyList<FileDescriptorProto> earlier, FileDescriptorProto update)
    {
        ArgumentNullException.ThrowIfNull(earlier);
        foreach (FileDescriptorProto original in earlier.Reverse())
        {
            SchemaDifference[] incompatible = [.. Compare(original, update).Where(difference => !difference.IsCompatible)];
            if (incompatible.Length > 0)
            {
                return incompatible;
            }
        }

        return [];
    }

    /// <summary>How a field is written, as far as a reader with another type cannot tell.</summary>
    private enum Encoding
    {
        Varint,
        ZigZag,
        Text,
        Fixed32,
        Fixed64,
        Float,
        Double,
        Message,
        Map,
    }

    private sealed class SchemaFile
    {
        private readonly string _prefix;
        private readonly Dictionary<string, DescriptorProto> _maps = [];

        public SchemaFile(FileDescriptorProto file)
        {
            _prefix = file.Package.Length > 0 ? $".{file.Package}." : ".";
            Collect(_prefix, file.MessageType);
        }

        /// <summary>The entry of the map that the field is; null when it is none.</summary>
        public DescriptorProto? MapEntryOf(FieldDescriptorProto field) =>
            field.Type == FieldDescriptorProto.Types.Type.Message ? _maps.GetValueOrDefault(field.TypeName) : null;

        /// <summary>Without the file's own package, which is compared once.</summary>
        public string LocalNameOf(string typeName) => typeName.StartsWith(_prefix, StringComparison.Ordinal) ? typeName[_prefix.Length..] : typeName;

        private void Collect(string prefix, IEnumerable<DescriptorProto> messages)
        {
            foreach (DescriptorProto message in messages)
            {
                if (IsMapEntry(message))
                {
                    _maps[prefix + message.Name] = message;
                }

                Collect($"{prefix}{message.Name}.", message.NestedType);
            }
        }
    }

    private sealed class Comparison(SchemaFile original, SchemaFile update)
    {
        private readonly List<SchemaDifference> _differences = [];

        public IReadOnlyList<SchemaDifference> Differences => _differences;

        public void Add(SchemaChange change, string path, string was = "", string now = "") => _differences.Add(new(change, path, was, now));

        public void CompareTypes(
            string path, IList<DescriptorProto> was, IList<DescriptorProto> now, IList<EnumDescriptorProto> enumsWere, IList<EnumDescriptorProto> enumsAre)
        {
            foreach ((string name, (int Index, DescriptorProto Message)? before, (int Index, DescriptorProto Message)? after) in Pairs(Messages(was), Messages(now)))
            {
                string at = path + name;
                if (after is null)
                {
                    Add(SchemaChange.MessageRemoved, at);
                }
                else if (before is null)
                {
                    Add(SchemaChange.MessageAdded, at);
                }
                else
                {
                    if (before.Value.Index != after.Value.Index)
                    {
                        Add(SchemaChange.MessageMoved, at);
                    }

                    CompareMessages(at, before.Value.Message, after.Value.Message);
                }
            }

            foreach ((string name, EnumDescriptorProto? before, EnumDescriptorProto? after) in
                Pairs(enumsWere.ToDictionary(type => type.Name), enumsAre.ToDictionary(type => type.Name)))
            {
                string at = path + name;
                if (before is null || after is null)
                {
                    Add(before is null ? SchemaChange.EnumAdded : SchemaChange.EnumRemoved, at);
                }
                else
                {
                    CompareEnums(at, before, after);
                }
            }

            static Dictionary<string, (int Index, DescriptorProto Message)?> Messages(IEnumerable<DescriptorProto> messages) =>
                messages.Where(message => !IsMapEntry(message)).Select((message, index) => (message, index))
                    .ToDictionary(one => one.message.Name, one => ((int, DescriptorProto)?)(one.index, one.message));
        }

        private void CompareMessages(string path, DescriptorProto was, DescriptorProto now)
        {
            Dictionary<int, FieldDescriptorProto> fieldsWere = was.Field.ToDictionary(field => field.Number);
            Dictionary<int, FieldDescriptorProto> fieldsAre = now.Field.ToDictionary(field => field.Number);
            CompareOneofs(path, was, now, fieldsWere, fieldsAre);
            foreach ((int number, FieldDescriptorProto? before, FieldDescriptorProto? after) in Pairs(fieldsWere, fieldsAre))
            {
                string at = string.Create(CultureInfo.InvariantCulture, $"{path}/{number} {(after ?? before)!.Name}");
                if (after is null)
                {
                    if (OneofOf(was, before!) is null)
                    {
                        Add(before!.Label == FieldDescriptorProto.Types.Label.Required ? SchemaChange.RequiredFieldRemoved : SchemaChange.FieldRemoved, at);
                    }
                }
                else if (before is null)
                {
                    if (OneofOf(now, after) is null)
                    {
                        Add(after.Label == FieldDescriptorProto.Types.Label.Required ? SchemaChange.RequiredFieldAdded : SchemaChange.FieldAdded, at);
                    }
                }
                else
                {
                    CompareFields(at, before, after);
                }
            }

            CompareTypes(path + ".", was.NestedType, now.NestedType, was.EnumType, now.EnumType);
        }

        private void CompareOneofs(
            string path, DescriptorProto was, DescriptorProto now, Dictionary<int, FieldDescriptorProto> fieldsWere, Dictionary<int, FieldDescriptorProto> fieldsAre)
        {
            ILookup<string?, FieldDescriptorProto> before = was.Field.ToLookup(field => OneofOf(was, field)), after = now.Field.ToLookup(field => OneofOf(now, field));
            foreach (IGrouping<string?, FieldDescriptorProto> oneof in after.Where(group => group.Key is not null))
            {
                string at = $"{path}/{oneof.Key}";
                FieldDescriptorProto[] known = [.. oneof.Select(field => fieldsWere.GetValueOrDefault(field.Number)).OfType<FieldDescriptorProto>()];
                int moved = known.Count(field => OneofOf(was, field) is null);
                if (moved > 1)
                {
                    Add(SchemaChange.SeveralFieldsMovedToOneof, at);
                }
                else if (moved == 1 && known.Length > 1)
                {
                    Add(SchemaChange.FieldMovedToExistingOneof, at);
                }

                if (!before.Contains(oneof.Key))
                {
                    Add(SchemaChange.OneofAdded, at);
                    continue;
                }

                foreach (FieldDescriptorProto field in oneof.Where(field => !fieldsWere.ContainsKey(field.Number)))
                {
                    Add(SchemaChange.OneofFieldAdded, at, now: field.Name);
                }

                foreach (FieldDescriptorProto field in before[oneof.Key].Where(field => !fieldsAre.ContainsKey(field.Number)))
                {
                    Add(SchemaChange.OneofFieldRemoved, at, field.Name);
                }
            }

            foreach (IGrouping<string?, FieldDescriptorProto> oneof in before.Where(group => group.Key is not null && !after.Contains(group.Key)))
            {
                Add(SchemaChange.OneofRemoved, $"{path}/{oneof.Key}");
            }
        }

        private void CompareFields(string path, FieldDescriptorProto was, FieldDescriptorProto now)
        {
            if (was.Name != now.Name)
            {
                Add(SchemaChange.FieldRenamed, path, was.Name, now.Name);
            }

            DescriptorProto? mapWas = original.MapEntryOf(was), mapIs = update.MapEntryOf(now);
            Encoding before = mapWas is not null ? Encoding.Map : EncodingOf(was), after = mapIs is not null ? Encoding.Map : EncodingOf(now);
            if (before != after)
            {
                bool isKind = before >= Encoding.Message || after >= Encoding.Message;
                Add(isKind ? SchemaChange.FieldKindChanged : SchemaChange.FieldTypeChanged, path, TypeNameOf(was, mapWas, original), TypeNameOf(now, mapIs, update));
                return;
            }

            if (before == Encoding.Map)
            {
                // An entry is a message of two fields: 1 the key, 2 the value.
                foreach ((FieldDescriptorProto part, FieldDescriptorProto partIs) in mapWas!.Field.Zip(mapIs!.Field))
                {
                    CompareFields($"{path}.{part.Name}", part, partIs);
                }

                return;
            }

            if (before == Encoding.Message && original.LocalNameOf(was.TypeName) != update.LocalNameOf(now.TypeName))
            {
                Add(SchemaChange.FieldMessageChanged, path, original.LocalNameOf(was.TypeName), update.LocalNameOf(now.TypeName));
            }

            bool wasList = was.Label == FieldDescriptorProto.Types.Label.Repeated, isList = now.Label == FieldDescriptorProto.Types.Label.Repeated;
            if (wasList != isList)
            {
                Add(
                    before is Encoding.Text or Encoding.Message ? SchemaChange.LengthDelimitedLabelChanged : SchemaChange.NumberLabelChanged,
                    path, wasList ? "a list" : "one", isList ? "a list" : "one");
            }
        }

        private void CompareEnums(string path, EnumDescriptorProto was, EnumDescriptorProto now)
        {
            // Aliases share a number: the first name stands for it.
            foreach ((int number, EnumValueDescriptorProto? before, EnumValueDescriptorProto? after) in Pairs(Values(was), Values(now)))
            {
                string at = string.Create(CultureInfo.InvariantCulture, $"{path}/{number}");
                if (before is null || after is null)
                {
                    Add(before is null ? SchemaChange.EnumValueAdded : SchemaChange.EnumValueRemoved, at, before?.Name ?? "", after?.Name ?? "");
                }
                else if (before.Name != after.Name)
                {
                    Add(SchemaChange.EnumValueRenamed, at, before.Name, after.Name);
                }
            }

            static Dictionary<int, EnumValueDescriptorProto> Values(EnumDescriptorProto type) =>
                type.Value.DistinctBy(value => value.Number).ToDictionary(value => value.Number);
        }
    }

    private static bool IsMapEntry(DescriptorProto message) => message.Options is { MapEntry: true };

    // A field that is «optional» in proto3 is alone in a oneof that nobody wrote.
    private static string? OneofOf(DescriptorProto message, FieldDescriptorProto field) =>
        field.HasOneofIndex && !field.Proto3Optional ? message.OneofDecl[field.OneofIndex].Name : null;

    // https://protobuf.dev/programming-guides/proto3/#updating
    private static Encoding EncodingOf(FieldDescriptorProto field) => field.Type switch
    {
        FieldDescriptorProto.Types.Type.Int32 or FieldDescriptorProto.Types.Type.Int64 or FieldDescriptorProto.Types.Type.Uint32
            or FieldDescriptorProto.Types.Type.Uint64 or FieldDescriptorProto.Types.Type.Bool or FieldDescriptorProto.Types.Type.Enum => Encoding.Varint,
        FieldDescriptorProto.Types.Type.Sint32 or FieldDescriptorProto.Types.Type.Sint64 => Encoding.ZigZag,
        FieldDescriptorProto.Types.Type.String or FieldDescriptorProto.Types.Type.Bytes => Encoding.Text,
        FieldDescriptorProto.Types.Type.Fixed32 or FieldDescriptorProto.Types.Type.Sfixed32 => Encoding.Fixed32,
        FieldDescriptorProto.Types.Type.Fixed64 or FieldDescriptorProto.Types.Type.Sfixed64 => Encoding.Fixed64,
        FieldDescriptorProto.Types.Type.Float => Encoding.Float,
        FieldDescriptorProto.Types.Type.Double => Encoding.Double,
        _ => Encoding.Message,
    };

    private static string TypeNameOf(FieldDescriptorProto field, DescriptorProto? map, SchemaFile file) =>
        map is not null ? "map"
        : field.TypeName.Length > 0 ? file.LocalNameOf(field.TypeName)
        : field.Type.ToString().ToLowerInvariant();

    private static IEnumerable<(TKey Key, TValue? Was, TValue? Is)> Pairs<TKey, TValue>(Dictionary<TKey, TValue> was, Dictionary<TKey, TValue> now)
        where TKey : notnull =>
        was.Keys.Union(now.Keys).Order().Select(key => (key, was.GetValueOrDefault(key), now.GetValueOrDefault(key)));
}
