using System.Buffers.Binary;
using Vitrine.Events.Embedded;

namespace Vitrine.Events.Tests.Embedded;

/// <summary>Events that are numbers.</summary>
internal static class Numbers
{
    public static EventBatch Batch(long first, int count)
    {
        EventBatch batch = new();
        Add(batch, first, count);
        return batch;
    }

    public static void Add(EventBatch batch, long first, int count)
    {
        Span<byte> number = stackalloc byte[sizeof(long)];
        for (long i = first; i < first + count; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(number, i);
            batch.Add("numbers", number, number);
        }
    }

    public static long Of(EventRecord record) => BinaryPrimitives.ReadInt64LittleEndian(record.Value.Span);

    /// <summary>All that are there now.</summary>
    public static List<long> Read(EmbeddedLog log, long from = 0)
    {
        using EmbeddedReader reader = EmbeddedReader.Open(log, EventStart.At(EventPosition.Embedded(from)));
        return Read(reader);
    }

    public static List<long> Read(EmbeddedReader reader)
    {
        List<long> numbers = [];
        while (reader.TryRead(out EventRecord record))
        {
            numbers.Add(Of(record));
        }

        return numbers;
    }
}
