namespace Vitrine.Lab.Transport;

/// <summary>Starts programs so that they have a processor at once whenever they want it, where this user may.</summary>
/// <remarks>An ordinary thread that wakes beside others that never sleep waits for the kernel to look, some milliseconds, even if those run at the
/// priority of what is idle. Where the question is what one client costs another, that wait would be most of the answer.</remarks>
internal static class RealTimeStart
{
    /// <summary>What this user lacks.</summary>
    public const string Needs = "that takes root, or CAP_SYS_NICE.";

    private static readonly string[] s_first = ["--rr", "1"];

    /// <returns>What starts a program so; null: this user may not (<see cref="Needs"/>), and programs run as ordinary ones do.</returns>
    /// <exception cref="MissingRequirementException">There is no chrt.</exception>
    public static async Task<Func<string, IEnumerable<string>, ChildProcess>?> FindAsync(CancellationToken cancellationToken)
    {
        string chrt = ChildProcess.Find("chrt") ?? throw new MissingRequirementException("chrt", "util-linux");
        (int refused, _, _) = await ChildProcess.RunAsync(chrt, [.. s_first, "true"], null, cancellationToken);
        return refused != 0 ? null : (program, arguments) => ChildProcess.Start(chrt, [.. s_first, program, .. arguments]);
    }
}
