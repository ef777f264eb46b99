using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using Vitrine.Cli.Verbs;

namespace Vitrine.Cli;

/// <summary>All verbs with all flags: what is parsed is what help prints.</summary>
internal static class CommandTree
{
    public const string ProgramName = "vitrine";

    /// <summary>Read by every verb: says more about what happens.</summary>
    public static readonly Option<bool> Verbose = new("--verbose")
    {
        Description = "say more: what is chosen and why, the whole of an error",
        Recursive = true,
    };

    // The bootstrap script reads it from the command line; here it is known, so that help has it.
    private static readonly Option<bool> Yes = new("--yes")
    {
        Description = "install missing packages without asking",
        Recursive = true,
    };

    public static RootCommand Build(Terminal terminal)
    {
        RootCommand root = new("Shares a desktop with any browser: sharp, live, with its latency on the screen.");
        root.Add(new UpVerb(terminal));
        root.Add(new ShareVerb(terminal));
        root.Add(new ShotVerb(terminal));
        root.Add(new DisplaysVerb(terminal));
        root.Add(new EventsVerb(terminal));
        root.Add(new DoctorVerb(terminal));
        root.Add(new LabVerb(terminal));
        root.Add(new TestVerb(terminal));
        root.Add(new EchoVerb(terminal));
        root.Options.Clear();
        root.Add(new HelpOption("--help", "-h") { Description = "show this", Action = new HelpText(terminal) });
        root.Add(new VersionOption("--version") { Description = "show the version" });
        root.Add(Verbose);
        root.Add(Yes);
        root.SetAction(_ =>
        {
            terminal.Output.Write(new HelpText(terminal).For(root));
            return ExitCode.Usage;
        });
        return root;
    }

    /// <summary>Parses and runs.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(Terminal terminal, IReadOnlyList<string> arguments)
    {
        RootCommand root = Build(terminal);

        // A token may begin with «@» and «-pv» is a slip, not two flags: neither response files nor bundles.
        ParseResult parsed = root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
        // The parser takes a mistyped flag for an argument where the verb has one.
        string? mistaken = parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens)
            .Select(token => token.Value).FirstOrDefault(value => value.StartsWith('-') && value.Length > 1);
        if ((parsed.Errors.Count > 0 || mistaken is not null) && parsed.Action is not HelpText)
        {
            return Reject(terminal, parsed, mistaken);
        }

        // Verbs end gracefully by themselves (StopSignal); errors of ours are messages, anything else is a bug and shows its trace.
        InvocationConfiguration invocation = new()
        {
            Output = terminal.Output,
            Error = terminal.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
        };
        return await parsed.InvokeAsync(invocation).ConfigureAwait(false);
    }

    private static int Reject(Terminal terminal, ParseResult parsed, string? mistaken)
    {
        Command command = parsed.CommandResult.Command;
        string help = $"{HelpText.PathOf(command)} --help lists what there is.";
        string? unmatched = mistaken ?? parsed.UnmatchedTokens.FirstOrDefault(token => token.StartsWith('-')) ?? (parsed.UnmatchedTokens.Count > 0 ? parsed.UnmatchedTokens[0] : null);
        if (unmatched is null)
        {
            return terminal.Fail(ExitCode.Usage, parsed.Errors[0].Message, null, help);
        }

        string name = unmatched.Split('=')[0];
        bool isFlag = name.StartsWith('-');
        IEnumerable<string> candidates = isFlag
            ? command.Options.Concat(command.Parents.OfType<Command>().SelectMany(parent => parent.Options).Where(option => option.Recursive)).Select(option => option.Name)
            : command.Subcommands.Select(sub => sub.Name);
        string? nearest = NearestName.Find(name, candidates);
        string what = isFlag ? $"Unknown flag {name}." : command is RootCommand ? $"Unknown verb {name}." : $"{name} is one argument too many.";
        return terminal.Fail(ExitCode.Usage, what, nearest is null ? null : $"Did you mean {nearest}?", help);
    }
}
