namespace Vitrine.Cli.Sharing;

/// <summary>The X displays that listen on this machine.</summary>
internal static class LocalDisplays
{
    private const string SocketFolder = "/tmp/.X11-unix";

    /// <summary>Their names, such as <c>:0</c>.</summary>
    public static IReadOnlyList<string> Find() =>
        Directory.Exists(SocketFolder)
            ? [.. Directory.EnumerateFileSystemEntries(SocketFolder, "X*").Select(path => ":" + Path.GetFileName(path)[1..]).Order(StringComparer.Ordinal).Take(8)]
            : [];

    /// <summary>A sentence that says which display to take instead.</summary>
    public static string Describe() => Find() switch
    {
        [] => "No X display listens on this machine; ./vitrine up starts a private one.",
        var found => $"Displays that listen on this machine: {string.Join(", ", found)}. Take one with --display.",
    };
}
