using System.Globalization;
using Vitrine.Events.Embedded;

namespace Vitrine.Events.Tests.Embedded;

/// <summary>Appends to a log until it is killed, and writes a line for each batch that is acknowledged: its offset, its first number and
/// how many there are. With each batch goes the place of a group: the number after its last.</summary>
internal static class Appender
{
    private const int Lanes = 8;

    /// <summary>Arguments: the folder, and the first number; a third one: <see cref="Processing.ProcessingHost"/>. Or
    /// <see cref="Kafka.TestCluster.Role"/>.</summary>
    public static async Task<int> Main(string[] arguments)
    {
        if (arguments is [Kafka.TestCluster.Role])
        {
            await Vitrine.Events.Kafka.MockKafkaCluster.ServeAsync(Console.In, Console.Out, CancellationToken.None);
            return 0;
        }

        if (arguments is [_, _, _])
        {
            await Processing.ProcessingHost.RunAsync(arguments[0], long.Parse(arguments[1], CultureInfo.InvariantCulture));
        }

        await using EmbeddedLog log = EmbeddedLog.Open(new() { Folder = arguments[0], SegmentBytes = 64 << 10 });
        long next = long.Parse(arguments[1], CultureInfo.InvariantCulture);
        Lock gate = new();
        await Task.WhenAll(Enumerable.Range(0, Lanes).Select(lane => Task.Run(async () =>
        {
            Random random = new(lane);
            EventBatch batch = new();
            while (true)
            {
                int count = random.Next(1, 6);
                long first = Interlocked.Add(ref next, count) - count;
                batch.Clear();
                Numbers.Add(batch, first, count);
                batch.AddPlace($"lane {lane}", EventPlace.At(first + count));
                long offset = (await log.AppendAsync(batch)).Offset;
                lock (gate)
                {
                    Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{offset} {first} {count} {lane}"));
                    Console.Out.Flush();
                }
            }
        })));
        return 0;
    }
}
