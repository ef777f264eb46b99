using System.Runtime.InteropServices;

namespace Vitrine.Lab;

/// <summary>Signals to child processes: .NET has SIGKILL only.</summary>
internal static partial class Signals
{
    private const int SigTerm = 15;
    private const int SigStop = 19;
    private const int SigCont = 18;

    public static void Terminate(int processId) => _ = kill(processId, SigTerm); // fails only when it is gone already

    public static void Pause(int processId) => _ = kill(processId, SigStop);

    public static void Resume(int processId) => _ = kill(processId, SigCont);

    [LibraryImport("libc")]
    private static partial int kill(int processId, int signal);
}
