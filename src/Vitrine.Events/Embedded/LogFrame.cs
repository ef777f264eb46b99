using System.Buffers.Binary;
using System.IO.Hashing;

namespace Vitrine.Events.Embedded;

/// <summary>The unit that is durable as a whole or not at all: a batch with its head, little-endian.</summary>
/// <remarks>
/// <code>
///  0  4  "VEF1"
///  4  4  bytes of the body
///  8  8  XXH3 (64 bits) of all that follows, with the body's length for its seed
/// 16  8  offset of the first event; of the next one where there is none
/// 24  8  when it was taken, microseconds since 1970
/// 32  4  events
/// 36  4  0
/// 40     entries (<see cref="EventBatch"/>)
/// </code>
/// The sum has the offset in it: a frame that stands where it does not belong is found by its neighbours.
/// </remarks>
/// <param name="FirstOffset">Of its first event; of the next one where there is none.</param>
/// <param name="TimeMicros">When it was taken, since 1970.</param>
/// <param name="Events">So many.</param>
/// <param name="BodyBytes">Of its entries.</param>
internal readonly record struct LogFrame(long FirstOffset, long TimeMicros, int Events, int BodyBytes)
{
    public const int HeadBytes = 40;

    /// <summary>Most bytes of a frame.</summary>
    public const int BytesMax = HeadBytes + EventBatch.BytesMax;

    private const int SumAt = 8, SummedFrom = 16;

    // The year 9999.
    private const long TimeMicrosMax = 253_402_300_799_999_999;

    /// <summary>What each begins with.</summary>
    public static ReadOnlySpan<byte> Mark => "VEF1"u8;

    /// <summary>Of the first event after it.</summary>
    public long NextOffset => FirstOffset + Events;

    public int Bytes => HeadBytes + BodyBytes;

    /// <summary>When it was taken.</summary>
    public DateTimeOffset Time => DateTimeOffset.UnixEpoch.AddTicks(TimeMicros * TimeSpan.TicksPerMicrosecond);

    /// <summary>Of a frame that begins here, unchecked.</summary>
    public static long FirstOffsetOf(ReadOnlySpan<byte> head) => BinaryPrimitives.ReadInt64LittleEndian(head[16..]);

    /// <summary>Of a frame that begins here, unchecked.</summary>
    public static long TimeMicrosOf(ReadOnlySpan<byte> head) => BinaryPrimitives.ReadInt64LittleEndian(head[24..]);

    /// <summary>Writes a frame.</summary>
    /// <param name="into">At least <see cref="Bytes"/> long.</param>
    /// <param name="body">Its entries.</param>
    public void Write(Span<byte> into, ReadOnlySpan<byte> body)
    {
        into = into[..Bytes];
        Mark.CopyTo(into);
        BinaryPrimitives.WriteInt32LittleEndian(into[4..], BodyBytes);
        BinaryPrimitives.WriteInt64LittleEndian(into[16..], FirstOffset);
        BinaryPrimitives.WriteInt64LittleEndian(into[24..], TimeMicros);
        BinaryPrimitives.WriteInt32LittleEndian(into[32..], Events);
        BinaryPrimitives.WriteInt32LittleEndian(into[36..], 0);
        body.CopyTo(into[HeadBytes..]);
        BinaryPrimitives.WriteUInt64LittleEndian(into[SumAt..], XxHash3.HashToUInt64(into[SummedFrom..], BodyBytes));
    }

    /// <summary>Reads the head of a frame and checks the whole.</summary>
    /// <param name="bytes">What stands there.</param>
    /// <param name="frame">What it says.</param>
    /// <returns>How it is; <see cref="FrameState.Incomplete"/> while <paramref name="bytes"/> may be the beginning of one.</returns>
    public static FrameState TryRead(ReadOnlySpan<byte> bytes, out LogFrame frame)
    {
        frame = default;
        if (!bytes[..Math.Min(bytes.Length, Mark.Length)].SequenceEqual(Mark[..Math.Min(bytes.Length, Mark.Length)]))
        {
            return FrameState.Broken;
        }

        if (bytes.Length < HeadBytes)
        {
            return FrameState.Incomplete;
        }

        int bodyBytes = BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]);
        LogFrame read = new(FirstOffsetOf(bytes), TimeMicrosOf(bytes), BinaryPrimitives.ReadInt32LittleEndian(bytes[32..]), bodyBytes);
        if (bodyBytes is < 0 or > EventBatch.BytesMax || read.Events < 0 || read.FirstOffset < 0 || read.TimeMicros is < 0 or > TimeMicrosMax || read.Events > bodyBytes / EventBatch.EntryHeadBytes)
        {
            return FrameState.Broken;
        }

        if (bytes.Length < read.Bytes)
        {
            return FrameState.Incomplete;
        }

        if (XxHash3.HashToUInt64(bytes[SummedFrom..read.Bytes], bodyBytes) != BinaryPrimitives.ReadUInt64LittleEndian(bytes[SumAt..]))
        {
            return FrameState.Broken;
        }

        frame = read;
        return FrameState.Whole;
    }

    /// <summary>Takes the next entry of a body whose sum was right.</summary>
    /// <param name="body">What is left of it; afterwards without this entry.</param>
    /// <param name="entry">The entry.</param>
    /// <returns>False: there is none left.</returns>
    public static bool TryTake(ref ReadOnlyMemory<byte> body, out LogEntry entry)
    {
        entry = default;
        if (body.IsEmpty)
        {
            return false;
        }

        ReadOnlySpan<byte> head = body.Span;
        (int name, int key, int value) = (head[1], BinaryPrimitives.ReadUInt16LittleEndian(head[2..]), BinaryPrimitives.ReadInt32LittleEndian(head[4..]));
        entry = new(
            head[0], body.Slice(EventBatch.EntryHeadBytes, name), body.Slice(EventBatch.EntryHeadBytes + name, key),
            body.Slice(EventBatch.EntryHeadBytes + name + key, value));
        body = body[(EventBatch.EntryHeadBytes + name + key + value)..];
        return true;
    }
}

/// <summary>How what stands at a place of a file is.</summary>
internal enum FrameState
{
    Whole,
    Incomplete,
    Broken,
}

/// <summary>An event, or a place of a group.</summary>
internal readonly record struct LogEntry(byte Kind, ReadOnlyMemory<byte> Name, ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte> Value);
