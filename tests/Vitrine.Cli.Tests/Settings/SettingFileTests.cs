using System.Diagnostics;
using System.Globalization;
using System.Text;
using Vitrine.Cli.Settings;

namespace Vitrine.Cli.Tests.Settings;

public sealed class SettingFileTests : IDisposable
{
    private const string Pieces = "\t\n\r :,-?[]{}&*!|>'\"%@`#.~<=\\/0e\0é\u2028\ufeff";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vitrine-settings-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("flat.yaml", "events: on\nevents.kafka.bootstrap: a:1\nevents.kafka.topic-prefix: ''\nport: 7\n")]
    [InlineData("nested.yaml", "events:\n  kafka:\n    bootstrap: a:1\n    topic-prefix: ''\nport: 7\n")]
    [InlineData("mixed.yaml", "events: on\nevents.kafka: { bootstrap: a:1 }\nevents.kafka.topic-prefix: \"\"\nport: 7\n")]
    [InlineData("flat.json", "{\"events\":\"on\",\"events.kafka.bootstrap\":\"a:1\",\"events.kafka.topic-prefix\":\"\",\"port\":7}")]
    [InlineData("nested.json", "{\n\t\"events\": {\n\t\t\"kafka\": {\n\t\t\t\"bootstrap\": \"a:1\",\n\t\t\t\"topic-prefix\": \"\"\n\t\t}\n\t},\n\t\"port\": 7\n}\n")]
    [InlineData("marked.yaml", "\ufeff---\r\nevents:\r\n  kafka:\r\n    bootstrap: a:1\r\n    topic-prefix: ''\r\nport: 7\r\n...\r\n")]
    public void FlatAndNestedYamlAndJson_AreTheSame(string name, string text)
    {
        ShareSettings settings = Read(name, text).Settings!;
        Assert.Equal(("on", "a:1", "", 7), (settings.Events, settings.EventsKafka.Bootstrap, settings.EventsKafka.TopicPrefix, settings.Port));
    }

    [Fact]
    public void SectionWithEverythingCommentedOut_IsNothing()
    {
        ShareSettings settings = Read("a.yaml", "events:\n  kafka:\n    # bootstrap: kafka-1:9092\nport: 7\n").Settings!;
        Assert.Equal((null, 7), (settings.EventsKafka.Bootstrap, settings.Port));
    }

    [Theory]
    [InlineData("events.kafka.bootstrap: a:1\nevents.kafka.sasl-user: \"\\ud800\\u0041\"\n")]
    [InlineData("events.kafka.bootstrap: a:1\nevents.kafka.sasl-user: \"\\Uffffffff\"\n")]
    public void CharacterThatIsNone_IsToldWithItsLine(string yaml) => Assert.Contains("line 2, at events.kafka.sasl-user, is not YAML", Read("a.yaml", yaml).Error!.What, StringComparison.Ordinal);

    [Fact]
    public void BinaryFile_IsNoText() => Assert.Contains("no text", Read("a.yaml", "port: 7\0\n").Error!.Origin, StringComparison.Ordinal);

    [Fact]
    public void FileWithoutName_IsAnError() => Assert.Contains("cannot be read", GivenSettings.Read("", [], []).Error!.What, StringComparison.Ordinal);

    [Theory]
    [InlineData("[")]
    [InlineData("{")]
    [InlineData("- ")]
    [InlineData("? ")]
    [InlineData("events: {a: &a [*a, ")]
    [InlineData("events.kafka: {events: ")]
    public void DeepFile_IsAnErrorSoon(string piece)
    {
        Stopwatch watch = Stopwatch.StartNew();
        Assert.NotNull(Read("a.yaml", string.Concat(Enumerable.Repeat(piece, 65_536 / piece.Length))).Error);
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public void ReferencesOfReferences_AreNotFollowed()
    {
        StringBuilder yaml = new("events.kafka.client-id: &a0 x\n");
        for (int i = 1; i < 30; i++)
        {
            yaml.Append(CultureInfo.InvariantCulture, $"events.kafka.sasl-user: &a{i} [*a{i - 1}, *a{i - 1}]\n");
        }

        Assert.Contains("has a list for a value", Read("a.yaml", yaml.ToString()).Error!.What, StringComparison.Ordinal);
    }

    /// <summary>VITRINE_FUZZ_SECONDS makes it longer (3 otherwise), VITRINE_FUZZ_SEED makes it another run.</summary>
    [Fact]
    public void ChangedFiles_AreSettingsOrAnError()
    {
        string[] corpus = [.. BrokenFilesTests.Names.Select(name => File.ReadAllText(Path.Combine(BrokenFilesTests.Folder, name)))];
        int seed = Variable("VITRINE_FUZZ_SEED", 1);
        Random random = new(seed);
        string path = Path.Combine(_folder.FullName, "a.yaml");
        IReadOnlyList<Setting> known = Setting.All();
        TimeSpan duration = TimeSpan.FromSeconds(Variable("VITRINE_FUZZ_SECONDS", 3));
        Stopwatch watch = Stopwatch.StartNew();
        for (int input = 0; watch.Elapsed < duration; input++)
        {
            StringBuilder text = new(corpus[random.Next(corpus.Length)]);
            for (int change = random.Next(1, 6); change > 0; change--)
            {
                int at = random.Next(text.Length + 1);
                string other = corpus[random.Next(corpus.Length)];
                _ = random.Next(4) switch
                {
                    0 => text.Insert(at, Pieces[random.Next(Pieces.Length)]),
                    1 => text.Insert(at, other.AsSpan(random.Next(other.Length))),
                    2 => text.Remove(at, random.Next(text.Length - at + 1)),
                    _ => text.Append(text.ToString(at, text.Length - at)),
                };
            }

            File.WriteAllBytes(path, Encoding.UTF8.GetBytes(text.ToString()));
            TimeSpan before = watch.Elapsed;
            try
            {
                SettingError? error = SettingFile.TryRead(known, path, new SettingLayer());
                Assert.All([error?.What, error?.Origin, error?.Mend], line => Assert.True(line is null || line.Length < 2_000));
            }
            catch (Exception exception)
            {
                Assert.Fail($"seed {seed}, input {input}: {exception}\n{text}");
            }

            Assert.True(watch.Elapsed - before < TimeSpan.FromSeconds(2), $"seed {seed}, input {input} takes long:\n{text}");
        }
    }

    private static int Variable(string name, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int value) ? value : otherwise;

    private (ShareSettings? Settings, SettingError? Error) Read(string name, string text)
    {
        string path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, text);
        return GivenSettings.Read(path, [], []);
    }
}
