using System.Buffers;
using System.Collections;

namespace Vitrine.Transports.Calls;

/// <summary>One entry of <see cref="CallMetadata"/>.</summary>
/// <param name="Name">Lower case.</param>
/// <param name="Text">The value when the name does not end with <c>-bin</c>, else empty.</param>
/// <param name="Bytes">The value when the name ends with <c>-bin</c>, else empty.</param>
public readonly record struct CallMetadataEntry(string Name, string Text, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>Whether the value is bytes.</summary>
    public bool IsBinary => CallMetadata.IsBinaryName(Name);
}

/// <summary>What accompanies the messages of a call: names with values, in order; names may repeat. gRPC's rules hold for every
/// transport (<c>doc/PROTOCOL-HTTP2.md</c> of gRPC, «Custom-Metadata»): texts of one name may arrive joined by a comma.</summary>
/// <remarks>Not thread-safe. Bounded: <see cref="EntriesMax"/> entries and <see cref="BytesMax"/> bytes.</remarks>
public sealed class CallMetadata : IReadOnlyList<CallMetadataEntry>
{
    /// <summary>Most entries.</summary>
    public const int EntriesMax = 64;

    /// <summary>Most bytes: names and values, 32 more for each entry (as RFC 9113 section 6.5.2 counts).</summary>
    public const int BytesMax = 16 * 1024;

    private const int EntryOverheadBytes = 32;

    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789_-.");

    private readonly List<CallMetadataEntry> _entries = [];
    private int _bytes;

    /// <inheritdoc/>
    public int Count => _entries.Count;

    /// <inheritdoc/>
    public CallMetadataEntry this[int index] => _entries[index];

    /// <summary>Whether a name may be used: 1 to 128 of <c>a-z 0-9 _ - .</c>, and not reserved (<c>grpc-</c> is).</summary>
    public static bool IsName(ReadOnlySpan<char> name) =>
        name.Length is > 0 and <= 128 && !name.ContainsAnyExcept(NameCharacters) && !name.StartsWith("grpc-", StringComparison.Ordinal);

    /// <summary>Whether a text may be a value: printable ASCII, no blanks at its ends.</summary>
    public static bool IsText(ReadOnlySpan<char> text) =>
        !text.ContainsAnyExceptInRange(' ', '~') && (text.IsEmpty || (text[0] != ' ' && text[^1] != ' '));

    /// <summary>Whether a name's values are bytes.</summary>
    public static bool IsBinaryName(ReadOnlySpan<char> name) => name.EndsWith("-bin", StringComparison.Ordinal);

    /// <summary>Adds a text.</summary>
    /// <exception cref="ArgumentException">The name or the value may not be used, or a bound is reached.</exception>
    public void Add(string name, string text)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(text);
        if (!IsName(name) || IsBinaryName(name) || !IsText(text))
        {
            throw new ArgumentException($"'{name}' with this value is no metadata: names are a-z 0-9 _ - . without grpc- in front, values printable ASCII; bytes go under names that end with -bin.", nameof(name));
        }

        Add(new(name, text, default), text.Length);
    }

    /// <summary>Adds bytes.</summary>
    /// <param name="name">Ends with <c>-bin</c>.</param>
    /// <param name="bytes">Kept, not copied.</param>
    /// <exception cref="ArgumentException">The name may not be used, or a bound is reached.</exception>
    public void Add(string name, ReadOnlyMemory<byte> bytes)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!IsName(name) || !IsBinaryName(name))
        {
            throw new ArgumentException($"'{name}' is no name for bytes: a-z 0-9 _ - . without grpc- in front, and -bin at the end.", nameof(name));
        }

        Add(new(name, "", bytes), bytes.Length);
    }

    /// <summary>The first text under a name.</summary>
    /// <returns>Null when there is none.</returns>
    public string? Text(string name)
    {
        foreach (CallMetadataEntry entry in _entries)
        {
            if (!entry.IsBinary && entry.Name.Equals(name, StringComparison.Ordinal))
            {
                return entry.Text;
            }
        }

        return null;
    }

    /// <summary>The first bytes under a name.</summary>
    /// <returns>Null when there are none.</returns>
    public ReadOnlyMemory<byte>? Bytes(string name)
    {
        foreach (CallMetadataEntry entry in _entries)
        {
            if (entry.IsBinary && entry.Name.Equals(name, StringComparison.Ordinal))
            {
                return entry.Bytes;
            }
        }

        return null;
    }

    /// <summary>Removes everything; memory is kept.</summary>
    public void Clear()
    {
        _entries.Clear();
        _bytes = 0;
    }

    /// <inheritdoc/>
    public IEnumerator<CallMetadataEntry> GetEnumerator() => _entries.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => _entries.GetEnumerator();

    private void Add(CallMetadataEntry entry, int valueBytes)
    {
        int bytes = entry.Name.Length + valueBytes + EntryOverheadBytes;
        if (_entries.Count >= EntriesMax || bytes > BytesMax - _bytes)
        {
            throw new ArgumentException($"Metadata holds at most {EntriesMax} entries and {BytesMax} bytes.", nameof(entry));
        }

        _bytes += bytes;
        _entries.Add(entry);
    }
}
