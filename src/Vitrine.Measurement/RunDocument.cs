using System.Text.Json;
using System.Text.Json.Serialization;

namespace Vitrine.Measurement;

/// <summary>One run of a laboratory, as written by <c>--json</c>. Names in it stay the same for ever, so that runs can be compared.</summary>
public sealed record RunDocument
{
    /// <summary>Version of this document's form.</summary>
    public const int SchemaNow = 1;

    /// <summary>Largest file that <see cref="LoadAsync"/> reads, in bytes.</summary>
    public const long FileBytesMax = 64 << 20;

    /// <summary>Form of the document; <see cref="SchemaNow"/>.</summary>
    public int Schema { get; init; } = SchemaNow;

    /// <summary>Name of the laboratory.</summary>
    public required string Lab { get; init; }

    /// <summary>When the run began.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>How long it took, in seconds.</summary>
    public double DurationSeconds { get; init; }

    /// <summary>Commit that the program was built from; «unknown» outside a repository.</summary>
    public required string Commit { get; init; }

    /// <summary>Command line that repeats the run.</summary>
    public required string Command { get; init; }

    /// <summary>Where it ran.</summary>
    public required MachineRecord Machine { get; init; }

    /// <summary>What was measured.</summary>
    public IReadOnlyList<CaseRecord> Cases { get; init; } = [];

    /// <summary>How it compares with peers and goals.</summary>
    public IReadOnlyList<RatioRecord> Ratios { get; init; } = [];

    /// <summary>What this run did not measure, and why.</summary>
    public IReadOnlyList<string> NotMeasured { get; init; } = [];

    /// <summary>What follows from the figures for people, a sentence each; empty when the laboratory gives no advice.</summary>
    public IReadOnlyList<string> Advice { get; init; } = [];

    /// <summary>The case with that name, or null.</summary>
    public CaseRecord? FindCase(string name) => Cases.FirstOrDefault(item => item.Name == name);

    /// <summary>Writes the document, replacing the file in one step.</summary>
    /// <exception cref="IOException">The file cannot be written; no half file is left.</exception>
    public async Task SaveAsync(string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        string temporary = full + ".part";
        try
        {
            await File.WriteAllTextAsync(temporary, ToJson(), cancellationToken);
            File.Move(temporary, full, overwrite: true);
        }
        finally
        {
            File.Delete(temporary); // nothing when it was moved
        }
    }

    /// <summary>The document as indented JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, RunDocumentJson.Default.RunDocument) + "\n";

    /// <summary>Reads a document.</summary>
    /// <exception cref="InvalidDataException">The file is no run document, or of another schema; the message says which.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static async Task<RunDocument> LoadAsync(string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = new FileInfo(path);
        if (file.Exists && file.Length > FileBytesMax)
        {
            throw new InvalidDataException($"{path} has more than {FileBytesMax >> 20} MB and is no run of the laboratory.");
        }

        RunDocument? document;
        try
        {
            await using FileStream stream = file.OpenRead();
            document = await JsonSerializer.DeserializeAsync(stream, RunDocumentJson.Default.RunDocument, cancellationToken);
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path} is no run of the laboratory: {exception.Message}", exception);
        }

        return document switch
        {
            null => throw new InvalidDataException($"{path} is empty."),
            { Schema: not SchemaNow } => throw new InvalidDataException($"{path} has schema {document.Schema}; this program reads {SchemaNow}."),
            _ => document,
        };
    }
}

/// <summary>Where a run took place.</summary>
/// <param name="Cpu">Model of the processor.</param>
/// <param name="Cores">Logical processors that the process may use.</param>
/// <param name="MemoryBytes">Memory of the machine.</param>
/// <param name="Os">Distribution and kernel.</param>
/// <param name="Display">Display server and size.</param>
/// <param name="Gpu">Graphics processor, or «none».</param>
public sealed record MachineRecord(string Cpu, int Cores, long MemoryBytes, string Os, string Display, string Gpu);

/// <summary>One measured case.</summary>
public sealed record CaseRecord
{
    /// <summary><c>what/parameters</c>.</summary>
    public required string Name { get; init; }

    /// <summary>What was set for it.</summary>
    public IReadOnlyDictionary<string, string> Parameters { get; init; } = new Dictionary<string, string>();

    /// <summary>Figures by name; the unit is the end of the name.</summary>
    public required IReadOnlyDictionary<string, double> Metrics { get; init; }

    /// <summary>The distribution behind the figures, in milliseconds; empty when there is none.</summary>
    public IReadOnlyList<PercentilePoint> Distribution { get; init; } = [];

    /// <summary>Median of each round in milliseconds, in order: their spread is what the machine adds.</summary>
    public IReadOnlyList<double> RoundMediansMs { get; init; } = [];

    /// <summary>Everything recorded, of which the distribution has some points; null when there is none, as in a document that was
    /// read. Not part of the document: reports write it beside.</summary>
    [JsonIgnore]
    public LatencyHistogram? Histogram { get; init; }

    /// <summary>What was noted of every single frame; null when nothing was, as in a document that was read. Not part of the document: it is
    /// written beside it.</summary>
    [JsonIgnore]
    public FrameTable? Frames { get; init; }
}

/// <summary>What was noted of every single frame.</summary>
/// <param name="Columns">Names; the unit is the end of a name.</param>
/// <param name="Rows">As many figures each as there are columns; NaN where there is none.</param>
public sealed record FrameTable(IReadOnlyList<string> Columns, IReadOnlyList<double[]> Rows);

/// <summary>One point of a distribution.</summary>
/// <param name="Percent">Share of the values, 0 to 100.</param>
/// <param name="ValueMs">The value that this share does not exceed, in milliseconds.</param>
public readonly record struct PercentilePoint(double Percent, double ValueMs);

/// <summary>A figure held against a peer or a goal.</summary>
/// <param name="Name"><c>case vs peer</c>, or <c>case metric vs goal</c>.</param>
/// <param name="Value">The ratio; for an absolute goal the figure itself.</param>
/// <param name="Goal">What it should reach; null when none was set.</param>
/// <param name="LowerIsBetter">Whether <paramref name="Value"/> should be at most, or at least, the goal.</param>
/// <param name="Met">Whether it is; null without a goal.</param>
public sealed record RatioRecord(string Name, double Value, double? Goal, bool LowerIsBetter, bool? Met)
{
    /// <summary>The same ratio in each round, in order; empty when it was not measured by rounds.</summary>
    public IReadOnlyList<double> Rounds { get; init; } = [];

    /// <summary>Makes a ratio and judges it.</summary>
    public static RatioRecord Of(string name, double value, double? goal, bool lowerIsBetter = true) =>
        new(name, value, goal, lowerIsBetter, goal is null ? null : lowerIsBetter ? value <= goal : value >= goal);
}

/// <summary>Serialisation of <see cref="RunDocument"/>, generated at build time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    WriteIndented = true)]
[JsonSerializable(typeof(RunDocument))]
public sealed partial class RunDocumentJson : JsonSerializerContext;
