using System.Buffers.Binary;
using System.Text;

namespace Vitrine.Events;

/// <summary>Events, and places of groups, that become durable together or not at all.</summary>
/// <remarks>Not thread-safe; must not be changed while it is being appended. Made to be used again: <see cref="Clear"/>.</remarks>
public sealed class EventBatch
{
    /// <summary>Most bytes of a topic's or a group's name, in UTF-8: as of Kafka.</summary>
    public const int NameBytesMax = 249;

    /// <summary>Most bytes of a key.</summary>
    public const int KeyBytesMax = ushort.MaxValue;

    /// <summary>Most bytes of a batch: events, keys, names, and 8 bytes for each.</summary>
    public const int BytesMax = 4 << 20;

    /// <summary>Kind (1), bytes of the name (1), of the key (2) and of the value (4), little-endian.</summary>
    internal const int EntryHeadBytes = 8;

    internal const byte EventKind = 1, PlaceKind = 2;

    private byte[] _body = new byte[1024];

    /// <summary>Events; places do not count.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes as they are written.</summary>
    public int Bytes { get; private set; }

    /// <summary>Groups and the places that are added for them.</summary>
    internal List<(string Group, long Offset)> Places { get; } = [];

    internal ReadOnlySpan<byte> Body => _body.AsSpan(0, Bytes);

    /// <summary>Adds an event.</summary>
    /// <param name="topic">What it belongs to.</param>
    /// <param name="key">Events of one key keep their order wherever they are kept; empty: none.</param>
    /// <param name="value">The event.</param>
    /// <exception cref="ArgumentException">The name, the key or the whole is too long.</exception>
    public void Add(string topic, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        Write(EventKind, topic, key, value);
        Count++;
    }

    /// <summary>Adds the place up to which a group has done its work.</summary>
    /// <param name="group">Its name.</param>
    /// <param name="offset">Of the first event that it has not done yet.</param>
    /// <exception cref="ArgumentException">The name or the whole is too long.</exception>
    public void AddPlace(string group, long offset)
    {
        Span<byte> value = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(value, offset);
        Write(PlaceKind, group, default, value);
        Places.Add((group, offset));
    }

    /// <summary>Makes it empty.</summary>
    public void Clear()
    {
        (Count, Bytes) = (0, 0);
        Places.Clear();
    }

    private void Write(byte kind, string name, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        int nameBytes = Encoding.UTF8.GetByteCount(name);
        long bytes = EntryHeadBytes + nameBytes + key.Length + (long)value.Length;
        if (nameBytes > NameBytesMax || key.Length > KeyBytesMax || Bytes + bytes > BytesMax)
        {
            throw new ArgumentException($"A name has at most {NameBytesMax} bytes, a key {KeyBytesMax}, all events of a batch {BytesMax}: here {nameBytes}, {key.Length} and {Bytes + bytes}.");
        }

        if (_body.Length < Bytes + bytes)
        {
            Array.Resize(ref _body, (int)Math.Min(BytesMax, Math.Max(2L * _body.Length, Bytes + bytes)));
        }

        Span<byte> entry = _body.AsSpan(Bytes, (int)bytes);
        entry[0] = kind;
        entry[1] = (byte)nameBytes;
        BinaryPrimitives.WriteUInt16LittleEndian(entry[2..], (ushort)key.Length);
        BinaryPrimitives.WriteInt32LittleEndian(entry[4..], value.Length);
        Encoding.UTF8.GetBytes(name, entry[EntryHeadBytes..]);
        key.CopyTo(entry[(EntryHeadBytes + nameBytes)..]);
        value.CopyTo(entry[(EntryHeadBytes + nameBytes + key.Length)..]);
        Bytes += (int)bytes;
    }
}
