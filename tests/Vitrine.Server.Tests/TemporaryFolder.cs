namespace Vitrine.Server.Tests;

internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("vitrine-test-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
