using System.Globalization;
using System.Runtime.InteropServices;
using Vitrine.Interop;

namespace Vitrine.Events.Kafka;

/// <summary>librdkafka's cluster for tests, in this process: brokers on loopback that speak the protocol, and fail as they are told. Nothing of it lasts,
/// and what its transactions hide, or fence, it does not show: that takes real brokers.</summary>
/// <remarks>Thread-safe.</remarks>
public sealed class MockKafkaCluster : IDisposable
{
    private const int ErrorBytes = 512;

    private readonly nint _client;
    private readonly nint _cluster;

    /// <summary>Starts it.</summary>
    /// <param name="brokers">How many; their numbers begin with 1.</param>
    /// <exception cref="EventLogException">The library is not there, or failed.</exception>
    public unsafe MockKafkaCluster(int brokers)
    {
        KafkaLibrary.Need();
        byte* error = stackalloc byte[ErrorBytes];
        _client = LibRdKafka.rd_kafka_new(LibRdKafka.Producer, 0, error, ErrorBytes);
        _cluster = _client == 0 ? 0 : LibRdKafkaMock.rd_kafka_mock_cluster_new(_client, brokers);
        if (_cluster == 0)
        {
            throw new EventLogException(EventLogFailure.Unavailable, $"librdkafka does not make a cluster for tests: {Marshal.PtrToStringUTF8((nint)error)}");
        }
    }

    /// <summary>Its brokers, as <see cref="KafkaOptions.Bootstrap"/> has them.</summary>
    public unsafe string Bootstrap => Marshal.PtrToStringUTF8((nint)LibRdKafkaMock.rd_kafka_mock_cluster_bootstraps(_cluster))!;

    /// <summary>Runs one for another process, until the input ends: says its brokers in a line, then does what each line says, and answers with one.</summary>
    /// <param name="input"><c>topic NAME PARTITIONS</c>, <c>errors API CODE COUNT</c>, <c>clear API</c>, <c>leader TOPIC PARTITION BROKER</c>, <c>down BROKER</c>,
    /// <c>up BROKER</c>, <c>delay BROKER MILLISECONDS</c>; the first line says how many brokers there are.</param>
    /// <param name="output">Takes the answers.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task ServeAsync(TextReader input, TextWriter output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        using MockKafkaCluster cluster = new(Number(await input.ReadLineAsync(cancellationToken) ?? "1"));
        for (string? answer = cluster.Bootstrap; answer is not null; answer = await input.ReadLineAsync(cancellationToken) is { } line ? cluster.Do(line.Split(' ')) : null)
        {
            await output.WriteLineAsync(answer.AsMemory(), cancellationToken);
            await output.FlushAsync(cancellationToken);
        }
    }

    /// <summary>Makes a topic.</summary>
    public void MakeTopic(string name, int partitions) => Check(LibRdKafkaMock.rd_kafka_mock_topic_create(_cluster, name, partitions, 1));

    /// <summary>The next requests of a kind fail.</summary>
    /// <param name="api">Its number in Kafka's protocol; 0: produce.</param>
    /// <param name="code">With which error of the protocol.</param>
    /// <param name="count">How many.</param>
    public unsafe void Fail(short api, int code, int count)
    {
        int[] errors = new int[count];
        errors.AsSpan().Fill(code);
        fixed (int* all = errors)
        {
            LibRdKafkaMock.rd_kafka_mock_push_request_errors_array(_cluster, api, (nuint)count, all);
        }
    }

    /// <summary>Requests of a kind do not fail any more.</summary>
    public void Mend(short api) => LibRdKafkaMock.rd_kafka_mock_clear_request_errors(_cluster, api);

    /// <summary>Gives a partition to another broker.</summary>
    public void Lead(string topic, int partition, int broker) => Check(LibRdKafkaMock.rd_kafka_mock_partition_set_leader(_cluster, topic, partition, broker));

    /// <summary>Ends a broker's connections and takes no more; -1: of all.</summary>
    public void TakeDown(int broker) => Check(LibRdKafkaMock.rd_kafka_mock_broker_set_down(_cluster, broker));

    /// <summary>Takes connections again.</summary>
    public void TakeUp(int broker) => Check(LibRdKafkaMock.rd_kafka_mock_broker_set_up(_cluster, broker));

    /// <summary>A broker's answers come later; -1: of all.</summary>
    public void Delay(int broker, int milliseconds) => Check(LibRdKafkaMock.rd_kafka_mock_broker_set_rtt(_cluster, broker, milliseconds));

    /// <summary>Ends it.</summary>
    public void Dispose()
    {
        LibRdKafkaMock.rd_kafka_mock_cluster_destroy(_cluster);
        LibRdKafka.rd_kafka_destroy(_client);
    }

    private string Do(string[] order)
    {
        switch (order)
        {
            case ["topic", string name, string partitions]:
                MakeTopic(name, Number(partitions));
                break;
            case ["errors", string failing, string code, string count]:
                Fail((short)Number(failing), Number(code), Number(count));
                break;
            case ["clear", string api]:
                Mend((short)Number(api));
                break;
            case ["leader", string topic, string partition, string broker]:
                Lead(topic, Number(partition), Number(broker));
                break;
            case ["down", string broker]:
                TakeDown(Number(broker));
                break;
            case ["up", string broker]:
                TakeUp(Number(broker));
                break;
            case ["delay", string broker, string milliseconds]:
                Delay(Number(broker), Number(milliseconds));
                break;
            default:
                throw new ArgumentException($"«{string.Join(' ', order)}» is no order.", nameof(order));
        }

        return "done";
    }

    private static int Number(string text) => int.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    private static void Check(int error)
    {
        if (error != 0)
        {
            throw new InvalidOperationException($"The cluster for tests refuses: {error}.");
        }
    }
}
