using System.Buffers.Binary;
using System.Security.Authentication;
using System.Text;

namespace Vitrine.Events.Kafka.Doctor;

/// <summary>A connection over which one question after the other is asked.</summary>
internal sealed class KafkaLink(Stream stream, string clientId, TimeSpan patience) : IAsyncDisposable
{
    // Asked for are a few topics, one record, some settings; what is longer is no answer to that.
    private const int AnswerBytesMax = 4 << 20;

    private const int PieceBytes = 16 << 10;
    private const int GreetingBytes = 64;

    private static readonly TimeSpan s_greeting = TimeSpan.FromMilliseconds(200);

    private int _asked;

    /// <summary>Which versions of which requests the broker takes; empty until <see cref="AskVersionsAsync"/>.</summary>
    public IReadOnlyDictionary<KafkaApi, (short Least, short Most)> Offered { get; private set; } = new Dictionary<KafkaApi, (short, short)>();

    /// <summary>Whether there is a version of a request, of those known here, that the broker takes.</summary>
    public bool Offers(KafkaApi api, short least, short most) => Offered.TryGetValue(api, out (short Least, short Most) range) && range.Least <= most && range.Most >= least;

    /// <summary>The newest version that both sides know.</summary>
    /// <exception cref="KafkaLinkException">There is none.</exception>
    public short Choose(KafkaApi api, short least, short most) =>
        Offers(api, least, most) ? Math.Min(most, Offered[api].Most)
        : throw new KafkaLinkException(
            KafkaLinkFailure.Versions,
            Offered.TryGetValue(api, out (short Least, short Most) range) ? $"{api} is offered in version {range.Least} to {range.Most}, and known here in {least} to {most}" : $"{api} is not offered");

    /// <summary>What the broker takes. Version 0, which brokers from 0.10 on answer before anybody has signed in.</summary>
    public async Task AskVersionsAsync(CancellationToken cancellationToken)
    {
        Offered = await AskAsync(KafkaApi.ApiVersions, 0, new(), Read, cancellationToken);

        static Dictionary<KafkaApi, (short, short)> Read(ref KafkaReader reader)
        {
            if (reader.Error() is not KafkaError.None and var error)
            {
                throw new KafkaProtocolException($"it is {Text(error)}");
            }

            Dictionary<KafkaApi, (short, short)> offered = [];
            for (int count = reader.Count(6); count > 0; count--)
            {
                offered[(KafkaApi)reader.Int16()] = (reader.Int16(), reader.Int16());
            }

            return offered;
        }
    }

    /// <summary>Asks, and waits for the answer.</summary>
    /// <param name="api">What.</param>
    /// <param name="version">Of it.</param>
    /// <param name="body">Behind the header.</param>
    /// <param name="read">Reads the answer behind its header.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="isFlexible">Whether that version has tagged fields.</param>
    /// <exception cref="KafkaLinkException">No answer, or none of Kafka's.</exception>
    public async Task<T> AskAsync<T>(KafkaApi api, short version, KafkaWriter body, KafkaRead<T> read, CancellationToken cancellationToken, bool isFlexible = false)
    {
        int number = ++_asked;
        KafkaWriter request = new KafkaWriter().Int16((short)api).Int16(version).Int32(number).String(clientId);
        if (isFlexible)
        {
            request.UnsignedVarint(0);
        }

        request.Raw(body.Written);
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        late.CancelAfter(patience);
        try
        {
            byte[] bytes = new KafkaWriter().Bytes(request.Written).Written.ToArray();
            await stream.WriteAsync(bytes, late.Token);
            await stream.FlushAsync(late.Token);
            return Read(await ReadAsync(late.Token), number, isFlexible, read);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new KafkaLinkException(KafkaLinkFailure.Silent, $"no answer to {api} within {patience.TotalSeconds} s");
        }
        catch (Exception exception) when (exception is IOException or AuthenticationException)
        {
            // Who closes a connection with bytes unread in it resets it.
            throw new KafkaLinkException(KafkaLinkFailure.Closed, $"{api}: {(exception.InnerException ?? exception).Message}");
        }
        catch (KafkaProtocolException exception)
        {
            throw new KafkaLinkException(KafkaLinkFailure.Malformed, $"the answer to {api} cannot be read: {exception.Message}");
        }
    }

    public ValueTask DisposeAsync() => stream.DisposeAsync();

    /// <summary>As messages name an error.</summary>
    public static string Text(KafkaError error) => Enum.IsDefined(error) ? $"{error} ({(short)error})" : $"error {(short)error}";

    private static T Read<T>(byte[] answer, int number, bool isFlexible, KafkaRead<T> read)
    {
        KafkaReader reader = new(answer);
        if (reader.Int32() != number)
        {
            throw new KafkaProtocolException("it answers another question");
        }

        if (isFlexible)
        {
            reader.Tags();
        }

        return read(ref reader);
    }

    private async Task<byte[]> ReadAsync(CancellationToken cancellationToken)
    {
        byte[] head = new byte[GreetingBytes];
        int read = await stream.ReadAtLeastAsync(head.AsMemory(0, sizeof(int)), sizeof(int), throwOnEndOfStream: false, cancellationToken);
        if (read == 0)
        {
            throw new KafkaLinkException(KafkaLinkFailure.Closed, "closed without an answer");
        }

        int length = read < sizeof(int) ? -1 : BinaryPrimitives.ReadInt32BigEndian(head);
        if (length is < sizeof(int) or > AnswerBytesMax)
        {
            read += await ReadGreetingAsync(head.AsMemory(read));
            throw new KafkaLinkException(KafkaLinkFailure.NotKafka, Show(head.AsSpan(0, read)), head[..read]);
        }

        // Memory is taken as the bytes come.
        using MemoryStream answer = new();
        byte[] piece = new byte[Math.Min(length, PieceBytes)];
        while (answer.Length < length)
        {
            int some = await stream.ReadAsync(piece.AsMemory(0, (int)Math.Min(piece.Length, length - answer.Length)), cancellationToken);
            if (some == 0)
            {
                throw new KafkaLinkException(KafkaLinkFailure.Closed, $"closed after {answer.Length} of {length} bytes of an answer");
            }

            answer.Write(piece, 0, some);
        }

        return answer.ToArray();
    }

    // What else is said by who does not speak Kafka's protocol: it names itself, mostly.
    private async Task<int> ReadGreetingAsync(Memory<byte> room)
    {
        using CancellationTokenSource late = new(s_greeting);
        try
        {
            return await stream.ReadAtLeastAsync(room, room.Length, throwOnEndOfStream: false, late.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            return 0;
        }
    }

    private static string Show(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= 3 && !bytes[..3].ContainsAnyExceptInRange((byte)' ', (byte)'~')
            ? $"«{Encoding.ASCII.GetString(bytes).Split('\n')[0].TrimEnd()}»"
            : Convert.ToHexStringLower(bytes);
}

/// <summary>Reads an answer.</summary>
internal delegate T KafkaRead<out T>(ref KafkaReader reader);

/// <summary>Why there is no answer.</summary>
internal enum KafkaLinkFailure
{
    /// <summary>The other side closed the connection.</summary>
    Closed,

    /// <summary>It says nothing.</summary>
    Silent,

    /// <summary>It says what is no answer of Kafka's.</summary>
    NotKafka,

    /// <summary>It says what begins as an answer, and does not go on so.</summary>
    Malformed,

    /// <summary>There is no version of a request that both sides know.</summary>
    Versions,
}

/// <summary>There is no answer.</summary>
internal sealed class KafkaLinkException(KafkaLinkFailure failure, string message, byte[]? said = null) : Exception(message)
{
    public KafkaLinkFailure Failure { get; } = failure;

    /// <summary>The first bytes of what was said instead.</summary>
    public ReadOnlyMemory<byte> Said { get; } = said ?? [];
}
