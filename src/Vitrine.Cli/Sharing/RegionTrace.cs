using System.Text.Encodings.Web;
using System.Text.Json;
using Vitrine.Codecs.Regions;
using Vitrine.Server;

namespace Vitrine.Cli.Sharing;

/// <summary>Writes the decisions of the region coder, and which quality viewers get, one JSON object a line.</summary>
/// <remarks>Called by the session's thread. When the file cannot be written any more (a full disk) tracing ends and sharing goes on.</remarks>
internal sealed class RegionTrace : IDisposable
{
    // «832x640+192+64» stays readable.
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly StreamWriter _writer;
    private readonly Action<string> _onFailure;
    private bool _hasFailed;

    /// <summary>Begins a new file.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    public RegionTrace(string path, Action<string> onFailure) => (_writer, _onFailure) = (new StreamWriter(path, append: false) { AutoFlush = true }, onFailure);

    public void Write(RegionDecision decision) => Write(decision.AtNs, decision.Step.ToString(), decision, static (json, decision) =>
    {
        json.WriteNumber("region", decision.Region);
        json.WriteString("bounds", decision.Bounds.ToString());
        if (decision.Area.Rate > 0)
        {
            // A second, both ways: what the decision weighed.
            json.WriteNumber("changesPerSecond", Math.Round(decision.Area.Rate, 1));
            json.WriteNumber("tilesMbits", Math.Round(decision.Area.TileBytes * 8e-6, 2));
            json.WriteNumber("videoMbits", Math.Round(decision.Area.VideoBytes * 8e-6, 2));
            json.WriteNumber("tilesCores", Math.Round(decision.Area.TileNs * 1e-9, 4));
            json.WriteNumber("videoCores", Math.Round(decision.Area.VideoNs * 1e-9, 4));
        }

        if (decision.Detail.Length > 0)
        {
            json.WriteString("detail", decision.Detail);
        }
    });

    public void Write(QualityDecision decision) => Write(decision.AtNs, decision.Quality == 0 ? "RaisesQuality" : "LowersQuality", decision, static (json, decision) =>
    {
        json.WriteNumber("viewer", decision.Viewer);
        json.WriteNumber("carriesMbits", Math.Round(decision.BitsPerSecond * 1e-6, 2));
        json.WriteNumber("firstMbits", Math.Round(decision.FirstBitsPerSecond * 1e-6, 2));
        if (decision.Quality != 0)
        {
            json.WriteNumber("pauseMs", decision.PauseNs / 1_000_000);
        }
    });

    private void Write<T>(long atNs, string step, T decision, Action<Utf8JsonWriter, T> describe)
    {
        if (_hasFailed)
        {
            return;
        }

        using MemoryStream line = new();
        using (Utf8JsonWriter json = new(line, s_options))
        {
            json.WriteStartObject();
            json.WriteNumber("atMs", Math.Round(atNs / 1e6, 3));
            json.WriteString("step", JsonNamingPolicy.CamelCase.ConvertName(step));
            describe(json, decision);
            json.WriteEndObject();
        }

        try
        {
            _writer.WriteLine(System.Text.Encoding.UTF8.GetString(line.ToArray()));
        }
        catch (IOException failure)
        {
            _hasFailed = true;
            _onFailure(failure.Message);
        }
    }

    public void Dispose()
    {
        if (!_hasFailed)
        {
            _writer.Dispose();
        }
    }
}
