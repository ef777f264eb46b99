using System.Globalization;
using Vitrine.Measurement;

namespace Vitrine.Lab.Report;

/// <summary>Writes what the cases of a run recorded as HdrHistogram logs, so that people's own tools open it.</summary>
public static class HistogramLogs
{
    /// <summary>Writes <c>LAB.CASE.hlog</c> for each case with a histogram, replacing each in one step. The interval is that of the
    /// run, as contestants take turns in it; its tag is the name of the case.</summary>
    /// <param name="document">The run.</param>
    /// <param name="directory">Created when missing.</param>
    /// <param name="cancellationToken">Ends it; no half file is left.</param>
    /// <returns>Paths of the files.</returns>
    public static async Task<IReadOnlyList<string>> WriteAsync(RunDocument document, string directory, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(document);
        Directory.CreateDirectory(directory);
        List<string> paths = [];

        // Names that differ only in what no file name may hold go into one file, and are told by their tags.
        foreach (IGrouping<string, CaseRecord> group in document.Cases.Where(item => item.Histogram is { Count: > 0 }).GroupBy(item => Plain($"{document.Lab}.{item.Name}", '-')))
        {
            using var text = new StringWriter(CultureInfo.InvariantCulture);
            var log = new HdrHistogramLog(text, document.StartedAt);
            foreach (CaseRecord item in group)
            {
                log.Append(document.StartedAt, TimeSpan.FromSeconds(document.DurationSeconds), item.Histogram!, Plain(item.Name, '_', '/'));
            }

            string path = Path.Combine(directory, group.Key + ".hlog"), temporary = path + ".part";
            try
            {
                await File.WriteAllTextAsync(temporary, text.ToString(), cancellationToken);
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

    internal static string Plain(string name, char instead, char allowed = '-') =>
        string.Concat(name.Select(character => char.IsAsciiLetterOrDigit(character) || character == allowed || ".-@_".Contains(character, StringComparison.Ordinal) ? character : instead));
}
