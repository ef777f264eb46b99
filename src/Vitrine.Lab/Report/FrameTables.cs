using System.Globalization;
using Vitrine.Measurement;

namespace Vitrine.Lab.Report;

/// <summary>Writes what was noted of every single frame as comma-separated values.</summary>
public static class FrameTables
{
    /// <summary>Writes <c>LAB.CASE.frames.csv</c> for each case with frames, replacing each in one step.</summary>
    /// <param name="document">The run.</param>
    /// <param name="directory">Created when missing.</param>
    /// <param name="cancellationToken">Ends it; no half file is left.</param>
    /// <returns>Paths of the files.</returns>
    public static async Task<IReadOnlyList<string>> WriteAsync(RunDocument document, string directory, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(document);
        List<string> paths = [];
        foreach (CaseRecord item in document.Cases.Where(item => item.Frames is not null))
        {
            Directory.CreateDirectory(directory);
            string path = Path.Combine(directory, HistogramLogs.Plain($"{document.Lab}.{item.Name}", '-') + ".frames.csv"), temporary = path + ".part";
            try
            {
                await File.WriteAllLinesAsync(temporary, Lines(item.Frames!), cancellationToken);
                File.Move(temporary, path, overwrite: true);
            }
            finally
            {
                File.Delete(temporary); // nothing when it was moved
            }

            paths.Add(path);
        }

        return paths;
    }

    /// <summary>The table: a line with the names, a line for each frame; nothing where there is no figure.</summary>
    internal static IEnumerable<string> Lines(FrameTable table) =>
        table.Rows.Select(row => string.Join(',', row.Select(value => double.IsNaN(value) ? "" : value.ToString("0.###", CultureInfo.InvariantCulture))))
            .Prepend(string.Join(',', table.Columns));
}
