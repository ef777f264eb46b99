using System.Collections.Concurrent;
using System.Text;
using System.Text.RegularExpressions;

namespace Vitrine.Events.Tests.Kafka.Doctor;

/// <summary>The table of faults in <c>docs/KAFKA.md</c>: what is said of each is what is expected. <c>VITRINE_UPDATE_DOCUMENTS=1</c> writes it anew, to be read
/// before it is kept.</summary>
public sealed partial class FaultTable : IDisposable
{
    private const string Begin = "<!-- faults -->", End = "<!-- end of faults -->";

    private readonly string _path = Path.Combine(Repository(), "docs", "KAFKA.md");
    private readonly bool _writes = Environment.GetEnvironmentVariable("VITRINE_UPDATE_DOCUMENTS") == "1";
    private readonly ConcurrentDictionary<string, string> _said = [];
    private readonly string[] _text;
    private readonly Dictionary<string, string> _rows = [];

    public FaultTable()
    {
        _text = File.ReadAllText(_path).Split([Begin, End], StringSplitOptions.None);
        foreach (string line in _text[1].Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Skip(1))
        {
            _rows.Add(line.Split('|')[1].Trim(), line);
        }
    }

    public IEnumerable<string> Names => _rows.Keys;

    public static string Repository()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Vitrine.slnx")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("This is not the repository.");
    }

    public void Check(string name, ExaminationFinding finding)
    {
        string row = $"| {name} | `{finding.Code}` | {Cell(finding.Sentence)} | {Cell(finding.Mend)}{(finding.Line.Length > 0 ? $" `{finding.Line}`" : "")} |";
        row = OurFolder().Replace(RegistryPort().Replace(row, "http://registry:8081"), "/etc/vitrine/");
        if (_writes)
        {
            _said[name] = row;
        }
        else
        {
            Assert.Equal(_rows.GetValueOrDefault(name), row);
        }
    }

    public void Dispose()
    {
        if (_writes)
        {
            StringBuilder table = new StringBuilder(_text[0]).Append(Begin).Append("\n| fault | code | what doctor says | the mend |\n|---|---|---|---|\n");
            foreach (SeededFault fault in SeededFaults.All.Where(fault => _said.ContainsKey(fault.Name)))
            {
                table.Append(_said[fault.Name]).Append('\n');
            }

            File.WriteAllText(_path, table.Append(End).Append(_text[2]).ToString());
        }
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);

    [GeneratedRegex(@"[^ ]*/vitrine-authority-\w+/")]
    private static partial Regex OurFolder();

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+")]
    private static partial Regex RegistryPort();
}
