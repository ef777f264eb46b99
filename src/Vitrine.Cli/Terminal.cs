namespace Vitrine.Cli;

/// <summary>What the program says: results on standard output, everything else on standard error.</summary>
/// <remarks>Any thread; one message is one write.</remarks>
internal sealed class Terminal(TextWriter output, TextWriter error, bool outputIsTerminal, bool errorIsTerminal, bool noColour)
{
    public TextWriter Output { get; } = output;

    public TextWriter Error { get; } = error;

    /// <summary>Whether a person reads standard output: tables and colours only then.</summary>
    public bool OutputIsTerminal { get; } = outputIsTerminal;

    /// <summary>Whether a person reads standard error: progress is written over itself only then.</summary>
    public bool ErrorIsTerminal { get; } = errorIsTerminal;

    /// <summary>Whether standard error may carry colours (https://no-color.org).</summary>
    public bool ErrorHasColour { get; } = errorIsTerminal && !noColour;

    /// <summary>Whether standard output may carry colours.</summary>
    public bool OutputHasColour { get; } = outputIsTerminal && !noColour;

    public static Terminal OfProcess()
    {
        bool noColour = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
            || Environment.GetEnvironmentVariable("TERM") is "dumb";
        return new(Console.Out, Console.Error, !Console.IsOutputRedirected, !Console.IsErrorRedirected, noColour);
    }

    /// <summary>Prints an error in at most three lines: what happened, why as far as known, what mends it.</summary>
    /// <returns><paramref name="exitCode"/>, so that a verb can end with it.</returns>
    public int Fail(int exitCode, string what, string? why = null, string? mend = null)
    {
        Tell("\e[31m", what, why, mend);
        return exitCode;
    }

    /// <summary>Prints what a person should know while the program goes on, as <see cref="Fail"/> prints errors.</summary>
    public void Warn(string what, string? why = null, string? mend = null) => Tell("\e[33m", what, why, mend);

    private void Tell(string colour, string what, string? why, string? mend)
    {
        string prefix = ErrorHasColour ? $"{colour}vitrine:\e[0m " : "vitrine: ";
        string text = prefix + OneLine(what);
        foreach (string? line in (string?[])[why, mend])
        {
            text += string.IsNullOrWhiteSpace(line) ? "" : "\n  " + OneLine(line);
        }

        Error.WriteLine(text);
    }

    /// <summary>Bold where there are colours.</summary>
    public string Strong(string text) => OutputHasColour ? $"\e[1m{text}\e[0m" : text;

    /// <summary>Subdued where there are colours.</summary>
    public string Muted(string text) => OutputHasColour ? $"\e[2m{text}\e[0m" : text;

    /// <summary>A text that stays in its line: messages of the system may hold line ends, and names from outside may hold escape sequences.</summary>
    public static string OneLine(string text) =>
        string.Create(text.Length, text, static (span, source) =>
        {
            for (int i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(source[i]) ? ' ' : source[i];
            }
        });
}
