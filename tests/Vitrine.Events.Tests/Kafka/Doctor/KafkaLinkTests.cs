using System.Buffers.Binary;
using System.Net;
using FsCheck;
using FsCheck.Fluent;
using Vitrine.Events.Kafka;
using Vitrine.Events.Kafka.Doctor;

namespace Vitrine.Events.Tests.Kafka.Doctor;

/// <summary>Answers of all kinds: read, or refused as what they are, with no more memory than they have bytes for.</summary>
public class KafkaLinkTests
{
    private const int Rounds = 300;

    // A text has twice the bytes of its UTF-8, lists grow by doubling, and an answer is copied on its way.
    private const int BytesForEachByte = 100, BytesAnyway = 100_000;

    [Fact]
    public async Task TrueAnswersCutOffAndChanged_AreReadOrRefused()
    {
        (string Question, byte[] Answer)[] answers = await RecordAsync();
        Assert.Equal(s_questions.Keys.Order(), answers.Select(each => each.Question).Distinct().Order());
        Random random = new(7);
        int refused = 0;
        foreach ((string question, byte[] answer) in answers.DistinctBy(each => (each.Question, each.Answer.Length)))
        {
            Assert.True(await IsReadAsync(question, answer), $"{question}: {Convert.ToHexStringLower(answer)}");
            for (int i = 0; i < Rounds; i++)
            {
                byte[] changed = answer[..random.Next(answer.Length + 1)];
                for (int change = i % 4; change > 0 && changed.Length > 0; change--)
                {
                    changed[random.Next(changed.Length)] = (byte)(random.Next(2) == 0 ? 0xFF : random.Next(256));
                }

                refused += await IsReadAsync(question, changed) ? 0 : 1;
            }
        }

        Assert.True(refused > Rounds);
    }

    [Fact]
    public void RandomBytes_AreReadOrRefused() =>
        Prop.ForAll(
            (from question in Gen.Elements(s_questions.Keys.ToArray())
             from length in Gen.Choose(0, 200)
             from seed in Gen.Choose(0, int.MaxValue - 1)
             select (question, length, seed)).ToArbitrary(),
            each =>
            {
                byte[] answer = new byte[each.length];
                new Random(each.seed).NextBytes(answer);
                IsReadAsync(each.question, answer).GetAwaiter().GetResult();
            }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("7fffffff")]
    [InlineData("ffffffff")]
    [InlineData("00400001")] // one more than 4 MiB
    [InlineData("00000000")]
    [InlineData("00")]
    public async Task LengthThatNoAnswerHas_IsNoAnswerOfKafka(string bytes)
    {
        await using KafkaLink link = new(new Answers(Convert.FromHexString(bytes)), "test", TimeSpan.FromSeconds(5));
        long before = GC.GetAllocatedBytesForCurrentThread();
        KafkaLinkException exception = await Assert.ThrowsAsync<KafkaLinkException>(() => link.AskVersionsAsync(CancellationToken.None));
        Assert.Equal(KafkaLinkFailure.NotKafka, exception.Failure);
        Assert.Equal(bytes, exception.Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, BytesAnyway);
    }

    [Fact]
    public async Task AnswerThatIsAnnouncedAndDoesNotCome_TakesNoMemory()
    {
        await using KafkaLink link = new(new Answers([0x00, 0x3F, 0xFF, 0xFF, 0, 0, 0, 1]), "test", TimeSpan.FromSeconds(5));
        long before = GC.GetAllocatedBytesForCurrentThread();
        KafkaLinkException exception = await Assert.ThrowsAsync<KafkaLinkException>(() => link.AskVersionsAsync(CancellationToken.None));
        Assert.Equal((KafkaLinkFailure.Closed, "closed after 4 of 4194303 bytes of an answer"), (exception.Failure, exception.Message));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, BytesAnyway);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(-1)]
    [InlineData(63)]
    [InlineData(-64)]
    [InlineData(64)]
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    public void Varint_ThereAndBack(int value)
    {
        KafkaReader reader = new(new KafkaWriter().Varint(value).Written);
        uint read = reader.UnsignedVarint();
        Assert.Equal(value, (int)(read >> 1) ^ -(int)(read & 1));
        Assert.Equal(0, reader.Left);
    }

    [Fact]
    public void VarintThatDoesNotEnd_IsRefused()
    {
        foreach (string bytes in (string[])["ffffffffff", "ffffffff1f", "ffffffffffff", "80"])
        {
            Assert.Throws<KafkaProtocolException>(() => new KafkaReader(Convert.FromHexString(bytes)).UnsignedVarint());
        }
    }

    [Fact]
    public void BatchOfARecord_IsFoundUnlessAByteIsOther()
    {
        byte[] value = "a value of its own"u8.ToArray();
        byte[] batch = KafkaQuestions.Batch("key"u8, value, DateTimeOffset.UnixEpoch, (7, 0));
        Assert.True(KafkaQuestions.Has(batch, 0, value));
        Assert.False(KafkaQuestions.Has(batch, 1, value));
        Assert.False(KafkaQuestions.Has(batch, 0, "another"u8));
        for (int length = 0; length < batch.Length; length++)
        {
            Assert.False(KafkaQuestions.Has(batch.AsSpan(0, length), 0, value));
        }

        batch[^3] ^= 1;
        Assert.False(KafkaQuestions.Has(batch, 0, value));
    }

    private static readonly Dictionary<string, Func<KafkaLink, Task>> s_questions = new()
    {
        ["Metadata"] = link => link.MetadataAsync([], default),
        ["SaslHandshake"] = link => link.HandshakeAsync("PLAIN", default),
        ["SaslAuthenticate"] = link => link.AuthenticateAsync([], default),
        ["CreateTopics"] = link => link.CreateTopicsAsync(["t"], 1, 1, [], TimeSpan.Zero, true, default),
        ["DeleteTopics"] = link => link.DeleteTopicAsync("t", TimeSpan.Zero, default),
        ["DescribeConfigs"] = link => link.DescribeConfigsAsync(true, "t", [], default),
        ["InitProducerId"] = link => link.InitProducerIdAsync(null, TimeSpan.Zero, default),
        ["Produce"] = link => link.ProduceAsync("t", [], TimeSpan.Zero, default),
        ["Fetch"] = link => link.FetchAsync("t", 0, TimeSpan.Zero, default),
        ["FindCoordinator"] = link => link.FindCoordinatorAsync("g", false, default),
        ["JoinGroup"] = link => link.JoinGroupAsync("g", TimeSpan.Zero, default),
        ["LeaveGroup"] = link => link.LeaveGroupAsync("g", "m", default),
        ["AddPartitionsToTxn"] = link => link.AddToTransactionAsync("x", (1, 0), "t", default),
        ["EndTxn"] = link => link.AbortAsync("x", (1, 0), default),
        ["DescribeLogDirs"] = link => link.DescribeLogDirsAsync(default),
    };

    // Whether an answer to a question is read; nothing else than a refusal may come of it.
    private static async Task<bool> IsReadAsync(string question, byte[] answer)
    {
        KafkaWriter versions = new KafkaWriter().Int32(1).Int16(0).Each(SeededBroker.AllOffered, static (writer, pair) => writer.Int16((short)pair.Key).Int16(pair.Value.Least).Int16(pair.Value.Most));
        KafkaWriter said = new KafkaWriter().Bytes(versions.Written).Bytes(new KafkaWriter().Int32(2).Raw(answer).Written);
        await using KafkaLink link = new(new Answers(said.Written.ToArray()), "test", TimeSpan.FromSeconds(5));
        await link.AskVersionsAsync(CancellationToken.None);
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool isRead = true;
        try
        {
            await s_questions[question](link);
        }
        catch (KafkaLinkException exception)
        {
            Assert.Equal(KafkaLinkFailure.Malformed, exception.Failure);
            isRead = false;
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, BytesAnyway + (BytesForEachByte * answer.Length));
        return isRead;
    }

    /// <summary>What a healthy broker answers, without lengths and numbers.</summary>
    private static async Task<(string Question, byte[] Answer)[]> RecordAsync()
    {
        await using SeededSetup setup = new();
        setup.SignIn(KafkaSaslMechanism.ScramSha256, "SCRAM-SHA-256");
        Tap tap = new(setup.Network);
        Assert.Null((await KafkaDoctor.ExamineAsync(setup.Options, null, tap, new(), new SetClock(), CancellationToken.None)).Finding);
        List<(string, byte[])> answers = [];
        foreach (string asked in setup.Broker.Asked)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(tap.Heard.AsSpan(0, 4));
            answers.Add((asked.Split(' ')[0], tap.Heard[8..(4 + length)]));
            tap.Heard = tap.Heard[(4 + length)..];
        }

        Assert.Empty(tap.Heard);
        return [.. answers.Where(each => each.Item1 != "ApiVersions")];
    }

    /// <summary>Keeps what comes.</summary>
    private sealed class Tap(KafkaNetwork network) : KafkaNetwork
    {
        public byte[] Heard { get; set; } = [];

        public override Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken) => network.ResolveAsync(host, cancellationToken);

        public override async Task<Stream> ConnectAsync(IPAddress address, int port, CancellationToken cancellationToken) =>
            new Answers(await network.ConnectAsync(address, port, cancellationToken), heard => Heard = [.. Heard, .. heard]);
    }

    /// <summary>Says what it is to say, whatever is asked.</summary>
    private sealed class Answers(Stream inner, Action<byte[]> hear) : Stream
    {
        public Answers(byte[] answers)
            : this(new MemoryStream(answers, writable: false), _ => { })
        {
        }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int read = await inner.ReadAsync(buffer, cancellationToken);
            hear(buffer[..read].ToArray());
            return read;
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => inner.CanWrite ? inner.WriteAsync(buffer, cancellationToken) : default;

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
