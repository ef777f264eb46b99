using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Vitrine.Events.Schemas;

namespace Vitrine.Events.Tests.Schemas;

/// <summary>Messages with schemas, to and from a client of others: npm's <c>@kafkajs/confluent-schema-registry</c>.</summary>
/// <remarks>It writes no message indexes, and reads over one zero: so its bytes are ours without that zero.</remarks>
public sealed class StockSchemaTests
{
    private const int Samples = 100;

    private static readonly string s_root = FindRoot();

    [Fact]
    public async Task KafkaJs_SameBytesBothWays()
    {
        string text = await File.ReadAllTextAsync(Path.Combine(s_root, "tests", "Vitrine.Events.Tests", "Schemas", "sample.proto"));
        await using TestRegistry registry = await TestRegistry.StartAsync();
        registry.Texts[SampleReflection.Descriptor.SerializedData.ToBase64()] = text;
        using SchemaRegistryClient client = new(new() { Address = registry.Address });
        int id = await client.RegisterAsync("sample-value", SampleReflection.Descriptor);
        byte[] prefix = SchemaFraming.PrefixOf(id, Sample.Descriptor);

        string web = Path.Combine(s_root, "web");
        Assert.True(Directory.Exists(Path.Combine(web, "node_modules", "@kafkajs")), $"The stock client is missing. Install it: npm --prefix {web} ci");
        using Process stock = Process.Start(new ProcessStartInfo("node")
        {
            ArgumentList = { Path.Combine(s_root, "tests", "Vitrine.Events.Tests", "Schemas", "kafkajs_registry.cjs"), web, registry.Address.ToString().TrimEnd('/') },
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        Random random = new(8);
        for (int i = 0; i < Samples; i++)
        {
            Sample sample = Make(random);
            byte[] ours = [.. prefix, .. sample.ToByteArray()];

            JsonNode decoded = (await AskAsync(stock, new { bytes = Convert.ToHexString(ours) }))["value"]!;
            Assert.Equal(sample, FromJson(decoded));

            byte[] theirs = Convert.FromHexString((await AskAsync(stock, new { id, value = ToJson(sample) }))["bytes"]!.GetValue<string>());
            Assert.Equal(SchemaFramingError.None, SchemaFraming.TryRead(theirs, out SchemaFrame frame, hasIndexes: false));
            Assert.Equal(id, frame.SchemaId);
            Assert.Equal(sample, Sample.Parser.ParseFrom(theirs.AsSpan(frame.PayloadOffset)));
            Assert.Equal([.. ours[..5], .. ours[prefix.Length..]], theirs);
        }

        stock.StandardInput.Close();
        await stock.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(0, stock.ExitCode);
    }

    private static async Task<JsonNode> AskAsync(Process stock, object question)
    {
        await stock.StandardInput.WriteLineAsync(JsonSerializer.Serialize(question));
        await stock.StandardInput.FlushAsync();
        string answer = await stock.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1))
            ?? throw new InvalidOperationException("The stock client ended.");
        return JsonNode.Parse(answer)!;
    }

    // One mark at most: the order of a map's entries is nobody's promise. No default in a oneof and no -0: JSON does not carry them.
    private static Sample Make(Random random)
    {
        Sample sample = new() { Name = Word(random), Count = random.Next(-5, 1_000_000) };
        for (int i = random.Next(3); i > 0; i--)
        {
            sample.Parts.Add(new Sample.Types.Part { Weight = random.Next(1, 9) / 4.0, Exact = random.Next(2) == 0 });
        }

        if (random.Next(2) == 0)
        {
            sample.Marks.Add(Word(random), random.Next(-100, 100) * 2 + 1);
        }

        switch (random.Next(3))
        {
            case 0:
                sample.Said = Word(random);
                break;
            case 1:
                sample.Code = (uint)random.Next(1, int.MaxValue);
                break;
        }

        return sample;
    }

    private static string Word(Random random) => string.Concat(Enumerable.Range(0, random.Next(1, 20)).Select(_ => "abcäß漢 \"\\"[random.Next(9)]));

    // protobufjs writes whatever it is given, defaults too; what C# leaves out is left out here.
    private static Dictionary<string, object> ToJson(Sample sample)
    {
        Dictionary<string, object> value = new() { ["name"] = sample.Name };
        if (sample.Count != 0)
        {
            value["count"] = sample.Count;
        }

        if (sample.Parts.Count > 0)
        {
            value["parts"] = sample.Parts.Select(part => part.Exact ? new Dictionary<string, object> { ["weight"] = part.Weight, ["exact"] = true } : new() { ["weight"] = part.Weight });
        }

        if (sample.Marks.Count > 0)
        {
            value["marks"] = sample.Marks;
        }

        if (sample.HasSaid)
        {
            value["said"] = sample.Said;
        }

        if (sample.HasCode)
        {
            value["code"] = sample.Code;
        }

        return value;
    }

    private static Sample FromJson(JsonNode value)
    {
        Sample sample = new() { Name = value["name"]!.GetValue<string>(), Count = long.Parse(value["count"]?.ToString() ?? "0", CultureInfo.InvariantCulture) };
        foreach (JsonNode? part in value["parts"]?.AsArray() ?? new JsonArray())
        {
            sample.Parts.Add(new Sample.Types.Part { Weight = part!["weight"]!.GetValue<double>(), Exact = part["exact"]?.GetValue<bool>() ?? false });
        }

        foreach ((string key, JsonNode? mark) in value["marks"]?.AsObject() ?? new JsonObject())
        {
            sample.Marks.Add(key, mark!.GetValue<int>());
        }

        if (value["said"] is { } said)
        {
            sample.Said = said.GetValue<string>();
        }

        if (value["code"] is { } code)
        {
            sample.Code = code.GetValue<uint>();
        }

        return sample;
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Vitrine.slnx")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new DirectoryNotFoundException("The tests do not run from a clone of the repository.");
    }
}
