using System.Text;

namespace Vitrine.Transports.Tests;

/// <summary>A text in a file that this user alone can read.</summary>
internal sealed class TemporaryFile : IDisposable
{
    public TemporaryFile(string text) => File.WriteAllText(Path, text, Encoding.ASCII);

    public string Path { get; } = System.IO.Path.GetTempFileName(); // 0600

    public void Dispose() => File.Delete(Path);
}
