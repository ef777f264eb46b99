using Vitrine.Interop;

namespace Vitrine.Lab;

/// <summary>Signals to child processes: .NET has SIGKILL only.</summary>
internal static class Signals
{
    public static void Terminate(int processId) => _ = LibC.kill(processId, LibC.SignalTerminate); // fails only when it is gone already

    /// <summary>It runs no more; its connections stay.</summary>
    public static void Stop(int processId) => _ = LibC.kill(processId, LibC.SignalStop);
}
