using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Text;

namespace Vitrine.Cli;

/// <summary>Prints help: what it does, examples, then every flag, all taken from the commands that are parsed.</summary>
internal sealed class HelpText(Terminal terminal) : SynchronousCommandLineAction
{
    private const int WidthMax = 100;

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        terminal.Output.Write(For(parseResult.CommandResult.Command));
        return ExitCode.Done;
    }

    public string For(Command command)
    {
        StringBuilder text = new();
        string path = PathOf(command);
        text.AppendLine(command.Description).AppendLine();
        string arguments = string.Concat(command.Arguments.Select(argument =>
            argument.Arity.MinimumNumberOfValues > 0 ? $" {argument.HelpName}" : $" [{argument.HelpName}]"));
        text.AppendLine($"{terminal.Strong("Usage")}  {path}{(command.Subcommands.Count > 0 ? " VERB" : "")}{arguments} [flags]").AppendLine();

        if (command is Verb { Examples.Count: > 0 } verb)
        {
            text.AppendLine(terminal.Strong("Examples"));
            foreach ((string line, string meaning) in verb.Examples)
            {
                text.AppendLine($"  {line}").AppendLine($"      {terminal.Muted(meaning)}");
            }

            text.AppendLine();
        }

        Table(text, "Verbs", command.Subcommands.Where(sub => !sub.Hidden).Select(sub => (sub.Name, sub.Description ?? "")));
        Table(text, "Arguments", command.Arguments.Select(argument => (argument.HelpName ?? argument.Name, argument.Description ?? "")));
        Table(text, "Flags", Options(command).Select(option =>
            (option.Name + (option.HelpName is { } value ? " " + value : ""), option.Description ?? "")));
        foreach ((string title, IEnumerable<(string, string)> rows) in (command as Verb)?.Tables ?? [])
        {
            Table(text, title, rows);
        }

        if (command is Verb { LastLine: { } last })
        {
            text.AppendLine(last);
        }

        if (command is RootCommand)
        {
            Table(text, "Exit codes", ExitCode.All.Select(entry => (entry.Code.ToString(), entry.Meaning)));
            text.AppendLine($"{path} VERB --help shows examples and all flags of a verb.");
        }

        return text.ToString();
    }

    private static IEnumerable<Option> Options(Command command)
    {
        IEnumerable<Option> inherited = command.Parents.OfType<Command>().SelectMany(parent => parent.Options).Where(option => option.Recursive);
        return command.Options.Concat(inherited).DistinctBy(option => option.Name).Where(option => !option.Hidden)
            .OrderBy(option => option.Recursive || option is HelpOption or VersionOption); // what every verb has comes last
    }

    /// <summary>The words that call it.</summary>
    public static string PathOf(Command command) =>
        command is RootCommand ? CommandTree.ProgramName : $"{PathOf(command.Parents.OfType<Command>().First())} {command.Name}";

    private void Table(StringBuilder text, string title, IEnumerable<(string Name, string Meaning)> rows)
    {
        (string Name, string Meaning)[] all = [.. rows];
        if (all.Length == 0)
        {
            return;
        }

        text.AppendLine(terminal.Strong(title));
        int indent = Math.Min(all.Max(row => row.Name.Length), 24) + 4;
        foreach ((string name, string meaning) in all)
        {
            text.Append("  ").Append(name);
            int column = name.Length + 2;
            if (column > indent - 2)
            {
                text.AppendLine();
                column = 0;
            }

            text.Append(' ', indent - column);
            column = indent;
            string gap = "";
            foreach (string word in meaning.Split(' '))
            {
                if (column + gap.Length + word.Length > WidthMax && gap.Length > 0)
                {
                    text.AppendLine().Append(' ', indent);
                    (column, gap) = (indent, "");
                }

                text.Append(gap).Append(word);
                column += gap.Length + word.Length;
                gap = " ";
            }

            text.AppendLine();
        }

        text.AppendLine();
    }
}
