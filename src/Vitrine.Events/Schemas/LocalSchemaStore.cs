using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Google.Protobuf.Reflection;

namespace Vitrine.Events.Schemas;

/// <summary>Keeps schemas in a file, for when there is no registry: a JSON line for each that a subject got, appended and on the
/// disk before its number is given out. Readers may look at the file at any time.</summary>
/// <remarks>One process at a time may write: whoever owns the folder. A last line that was torn by an end of the process is left
/// out, as its number was never given out.</remarks>
public sealed partial class LocalSchemaStore : ISchemaStore
{
    // Some hundred schemas; what is larger is another file.
    private const long FileBytesMax = 16 * 1024 * 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<int, FileDescriptorProto> _schemas = [];
    private readonly Dictionary<string, List<int>> _subjects = [];
    private readonly FileStream _file;

    private LocalSchemaStore(FileStream file) => _file = file;

    /// <summary>Opens the file, or makes it.</summary>
    /// <param name="path">Where.</param>
    /// <exception cref="SchemaStoreException">It cannot be opened or made, or it is damaged elsewhere than at its end.</exception>
    public static LocalSchemaStore Open(string path)
    {
        try
        {
            return Open(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new SchemaStoreException(SchemaStoreFailure.Failed, $"The schemas in {path} cannot be opened: {exception.Message}", exception);
        }
    }

    /// <summary>Opens the file of another process to look schemas up: it is read again when one is asked for that it did not have.</summary>
    /// <param name="path">Where.</param>
    /// <exception cref="SchemaStoreException">It cannot be opened, or is damaged elsewhere than at its end.</exception>
    public static LocalSchemaStore OpenToRead(string path)
    {
        try
        {
            return Open(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new SchemaStoreException(SchemaStoreFailure.Failed, $"The schemas in {path} cannot be opened: {exception.Message}", exception);
        }
    }

    /// <summary>Takes over an open file.</summary>
    internal static LocalSchemaStore Open(FileStream file)
    {
        var store = new LocalSchemaStore(file);
        bool isLoaded = false;
        try
        {
            store.Load();
            isLoaded = true;
            return store;
        }
        finally
        {
            if (!isLoaded)
            {
                file.Dispose();
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask<int> RegisterAsync(string subject, FileDescriptor schema, CancellationToken cancellationToken = default)
    {
        SchemaSubject.Check(subject, schema);
        if (!_file.CanWrite)
        {
            throw new InvalidOperationException($"{_file.Name} was opened to be read.");
        }

        cancellationToken.ThrowIfCancellationRequested();
        FileDescriptorProto parsed = FileDescriptorProto.Parser.ParseFrom(schema.SerializedData);
        lock (_lock)
        {
            List<int> versions = _subjects.GetValueOrDefault(subject) ?? [];
            foreach (int version in versions)
            {
                if (_schemas[version].Equals(parsed))
                {
                    return ValueTask.FromResult(version);
                }
            }

            SchemaSubject.CheckMayFollow(subject, [.. versions.Select(version => _schemas[version])], parsed);
            int known = _schemas.FirstOrDefault(pair => pair.Value.Equals(parsed)).Key;
            int id = known > 0 ? known : _schemas.Count + 1;
            Append(new(id, subject, schema.SerializedData.ToBase64(), SumOf(schema.SerializedData.Span)));
            Add(id, subject, parsed);
            return ValueTask.FromResult(id);
        }
    }

    /// <inheritdoc/>
    public ValueTask<FileDescriptorProto?> FindAsync(int id, CancellationToken cancellationToken = default)
    {
        lock (_lock)
        {
            if (!_schemas.ContainsKey(id) && !_file.CanWrite)
            {
                _subjects.Clear();
                _file.Position = 0;
                Load();
            }

            return ValueTask.FromResult(_schemas.GetValueOrDefault(id));
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private void Load()
    {
        if (_file.Length > FileBytesMax)
        {
            throw new SchemaStoreException(SchemaStoreFailure.Damaged, $"{_file.Name} has {_file.Length} bytes: no file of schemas.");
        }

        byte[] bytes = new byte[_file.Length];
        _file.ReadExactly(bytes);
        int at = 0;
        for (int line = 1; at < bytes.Length; line++)
        {
            int length = bytes.AsSpan(at).IndexOf((byte)'\n');
            if (length < 0)
            {
                break;
            }

            Entry? entry = TryRead(bytes.AsSpan(at, length));
            byte[] schema = new byte[entry?.Schema?.Length ?? 0];
            if (entry is not { Id: > 0, Subject.Length: > 0, Schema: not null }
                || !Convert.TryFromBase64String(entry.Schema, schema, out int schemaBytes)
                || SumOf(schema.AsSpan(0, schemaBytes)) != entry.Sha256
                || SchemaSubject.TryParse(schema[..schemaBytes]) is not { } parsed
                || entry.Id > _schemas.Count + 1
                || (_schemas.TryGetValue(entry.Id, out FileDescriptorProto? known) && !known.Equals(parsed)))
            {
                throw new SchemaStoreException(SchemaStoreFailure.Damaged, $"{_file.Name}, line {line} is damaged. Bring it back from a copy; messages that were written with its schema cannot be read without it.");
            }

            Add(entry.Id, entry.Subject, parsed);
            at += length + 1;
        }

        if (at < bytes.Length && _file.CanWrite)
        {
            _file.SetLength(at);
            _file.Position = at;
        }
    }

    private static string SumOf(ReadOnlySpan<byte> schema) => Convert.ToHexStringLower(SHA256.HashData(schema));

    private static Entry? TryRead(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, LocalSchemaJson.Default.Entry);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private void Append(Entry entry)
    {
        long before = _file.Position;
        try
        {
            _file.Write([.. JsonSerializer.SerializeToUtf8Bytes(entry, LocalSchemaJson.Default.Entry), (byte)'\n']);
            _file.Flush(flushToDisk: true);
        }
        catch (IOException exception)
        {
            // A full disk: what was written of the line goes, so that the next one stands by itself.
            _file.SetLength(before);
            _file.Position = before;
            throw new SchemaStoreException(SchemaStoreFailure.Failed, $"The schema cannot be kept in {_file.Name}: {exception.Message}", exception);
        }
    }

    private void Add(int id, string subject, FileDescriptorProto schema)
    {
        _schemas[id] = schema;
        if (!_subjects.TryGetValue(subject, out List<int>? versions))
        {
            _subjects[subject] = versions = [];
        }

        versions.Add(id);
    }

    /// <summary>A line of the file.</summary>
    internal sealed record Entry(int Id, string Subject, string Schema, string Sha256);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(Entry))]
    private sealed partial class LocalSchemaJson : JsonSerializerContext;
}
