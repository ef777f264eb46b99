using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Vitrine.Events.Embedded;

/// <summary>A file of a log: frames, one after the other. Its name is the offset of its first event.</summary>
/// <param name="FirstOffset">As its name says.</param>
/// <param name="Path">Of the file.</param>
internal sealed record LogSegment(long FirstOffset, string Path)
{
    private const string Ending = ".events";
    private const int FirstFrameBytes = 4 << 10; // as a rule: what groups have read

    /// <summary>The files of a folder, the oldest first.</summary>
    public static List<LogSegment> List(string folder) =>
    [
        .. Directory.EnumerateFiles(folder, $"*{Ending}")
            .Select(path => (Path: path, IsNumber: long.TryParse(System.IO.Path.GetFileNameWithoutExtension(path), NumberStyles.None, CultureInfo.InvariantCulture, out long offset), Offset: offset))
            .Where(each => each.IsNumber)
            .Select(each => new LogSegment(each.Offset, each.Path))
            .OrderBy(segment => segment.FirstOffset),
    ];

    /// <summary>The one that begins with an offset.</summary>
    public static LogSegment At(string folder, long firstOffset) => new(firstOffset, System.IO.Path.Combine(folder, $"{firstOffset.ToString("D20", CultureInfo.InvariantCulture)}{Ending}"));

    /// <summary>When its first frame was taken. One that does not read is taken for very old: it goes with those before it.</summary>
    public DateTimeOffset ReadTime()
    {
        using FrameScanner scanner = new(OpenToRead(), FirstFrameBytes);
        return scanner.TryRead(out LogFrame frame, out _) == FrameState.Whole ? frame.Time : DateTimeOffset.UnixEpoch;
    }

    /// <summary>Opens it for those who read, while another one may write or remove it.</summary>
    public SafeFileHandle OpenToRead() => File.OpenHandle(Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
}
