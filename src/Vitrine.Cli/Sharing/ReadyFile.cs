using System.Text.Json;
using System.Text.Json.Serialization;

namespace Vitrine.Cli.Sharing;

/// <summary>The file that tells scripts and service managers that viewers can come. It holds the token, so that only its owner reads it.</summary>
internal sealed partial class ReadyFile : IDisposable
{
    private readonly string _path;

    private ReadyFile(string path) => _path = path;

    /// <summary>Writes the file: beside it first, then renamed, so that nobody reads half of it.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not write there.</exception>
    public static ReadyFile Write(string path, Uri url, string token, string? administerToken)
    {
        string temporary = $"{path}.{Environment.ProcessId}.part";
        try
        {
            FileStreamOptions ownerOnly = new() { Mode = FileMode.Create, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                ownerOnly.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            using (FileStream stream = new(temporary, ownerOnly))
            {
                JsonSerializer.Serialize(stream, new Content(url.AbsoluteUri, token, Environment.ProcessId, administerToken), ContentJson.Default.Content);
            }

            File.Move(temporary, path, overwrite: true);
            return new ReadyFile(path);
        }
        catch (IOException)
        {
            File.Delete(temporary); // does nothing when it was not made
            throw;
        }
    }

    /// <summary>Removes it: who finds it may connect.</summary>
    public void Dispose() => File.Delete(_path);

    internal sealed record Content(string Url, string Token, int Pid, string? AdministerToken);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
    [JsonSerializable(typeof(Content))]
    internal sealed partial class ContentJson : JsonSerializerContext;
}
