using System.Buffers.Binary;
using System.Text;

namespace Vitrine.Events;

/// <summary>Events that become durable together or not at all.</summary>
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

    /// <summary>Most bytes that a group's state has: half a batch, so that outputs have room beside it.</summary>
    public const int StateBytesMax = BytesMax / 2;

    /// <summary>Of a place.</summary>
    internal const int PlaceBytes = 2 * sizeof(long);

    internal const byte EventKind = 1, PlaceKind = 2, StateKind = 3;

    private byte[] _body = new byte[1024];

    /// <summary>Events; places do not count.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes as they are written.</summary>
    public int Bytes { get; private set; }

    /// <summary>Groups and the places that are added for them.</summary>
    internal List<(string Group, EventPlace Place)> Places { get; } = [];

    /// <summary>Groups and what they know.</summary>
    internal List<(string Group, byte[] State)> States { get; } = [];

    internal ReadOnlySpan<byte> Body => _body.AsSpan(0, Bytes);

    internal ReadOnlyMemory<byte> BodyMemory => _body.AsMemory(0, Bytes);

    /// <summary>Adds an event.</summary>
    /// <param name="topic">What it belongs to.</param>
    /// <param name="key">Events of one key keep their order wherever they are kept; empty: none.</param>
    /// <param name="value">The event.</param>
    /// <exception cref="ArgumentException">The name, the key or the whole is too long.</exception>
    public void Add(string topic, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) => value.CopyTo(Reserve(topic, key, value.Length));

    /// <summary>Adds an event that is written afterwards.</summary>
    /// <param name="topic">What it belongs to.</param>
    /// <param name="key">Events of one key keep their order wherever they are kept; empty: none.</param>
    /// <param name="valueBytes">Of the event.</param>
    /// <returns>What takes it; to be filled before anything else is done with the batch.</returns>
    /// <exception cref="ArgumentException">The name, the key or the whole is too long.</exception>
    public Span<byte> Reserve(string topic, ReadOnlySpan<byte> key, int valueBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(valueBytes);
        Span<byte> value = Write(EventKind, topic, key, valueBytes);
        Count++;
        return value;
    }

    /// <summary>Adds how far a group has come; of the embedded log, which has one order of events.</summary>
    /// <param name="group">Its name.</param>
    /// <param name="place">How far.</param>
    /// <exception cref="ArgumentException">The name or the whole is too long.</exception>
    internal void AddPlace(string group, EventPlace place)
    {
        Span<byte> value = Write(PlaceKind, group, default, PlaceBytes);
        BinaryPrimitives.WriteInt64LittleEndian(value, place.From);
        BinaryPrimitives.WriteInt64LittleEndian(value[sizeof(long)..], place.Done);
        Places.Add((group, place));
    }

    /// <summary>Adds what a group knows at its place.</summary>
    /// <param name="group">Its name.</param>
    /// <param name="state">Is kept: not to be changed.</param>
    /// <exception cref="ArgumentException">The name or the whole is too long.</exception>
    internal void AddState(string group, byte[] state)
    {
        state.CopyTo(Write(StateKind, group, default, state.Length));
        States.Add((group, state));
    }

    /// <summary>Reads what <see cref="AddPlace"/> wrote.</summary>
    internal static EventPlace ReadPlace(ReadOnlySpan<byte> value) =>
        new(BinaryPrimitives.ReadInt64LittleEndian(value), BinaryPrimitives.ReadInt64LittleEndian(value[sizeof(long)..]));

    /// <summary>What is in it now.</summary>
    internal Mark Now => new(Count, Bytes, Places.Count, States.Count);

    /// <summary>Takes out what was added since.</summary>
    internal void Rewind(in Mark mark)
    {
        (Count, Bytes) = (mark.Count, mark.Bytes);
        Places.RemoveRange(mark.Places, Places.Count - mark.Places);
        States.RemoveRange(mark.States, States.Count - mark.States);
    }

    /// <summary>Makes it empty.</summary>
    public void Clear()
    {
        (Count, Bytes) = (0, 0);
        Places.Clear();
        States.Clear();
    }

    private Span<byte> Write(byte kind, string name, ReadOnlySpan<byte> key, int valueBytes)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        int nameBytes = Encoding.UTF8.GetByteCount(name);
        long bytes = EntryHeadBytes + nameBytes + key.Length + (long)valueBytes;
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
        BinaryPrimitives.WriteInt32LittleEndian(entry[4..], valueBytes);
        Encoding.UTF8.GetBytes(name, entry[EntryHeadBytes..]);
        key.CopyTo(entry[(EntryHeadBytes + nameBytes)..]);
        Bytes += (int)bytes;
        return entry[(EntryHeadBytes + nameBytes + key.Length)..];
    }

    /// <summary>What was in a batch at a time.</summary>
    internal readonly record struct Mark(int Count, int Bytes, int Places, int States);
}
