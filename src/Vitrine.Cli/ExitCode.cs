namespace Vitrine.Cli;

/// <summary>What the program's end says to scripts; the same for every verb, printed by <c>vitrine --help</c>.</summary>
internal static class ExitCode
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int Missing = 3;
    public const int Refused = 4;

    public static readonly (int Code, string Meaning)[] All =
    [
        (Done, "done"),
        (Failed, "failed: the message says why"),
        (Usage, "wrong usage: an unknown flag, a value out of range"),
        (Missing, "something is missing on this machine: a display, a window, a library, a tool"),
        (Refused, "refused: by the display's access control or by a file's permissions"),
    ];
}
