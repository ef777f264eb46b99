using System.Globalization;
using Vitrine.Measurement;

namespace Vitrine.Lab.Soak;

/// <summary>What a sharing process and its clients hold on the X server.</summary>
/// <param name="Descriptors">Open files, without the program's own.</param>
/// <param name="Threads">Of the sharing process.</param>
/// <param name="MappedPictures">Mappings of pictures.</param>
/// <param name="ServerDescriptors">Open files of the X server.</param>
/// <param name="Resources">Of all clients on the X server; -1 when it cannot say.</param>
/// <param name="ResidentBytes">Memory resident.</param>
/// <param name="AnonymousBytes">Memory resident that is no file's and not shared: heaps, managed and native.</param>
internal readonly record struct Holdings(
    int Descriptors, int Threads, int MappedPictures, int ServerDescriptors, long Resources, long ResidentBytes, long AnonymousBytes)
{
    /// <summary>What is held now.</summary>
    /// <exception cref="LaboratoryException">One of the processes has ended.</exception>
    public static Holdings Read(PrivateDisplay display, ShareProcess share)
    {
        if (!ProcessProbe.TryRead(share.ProcessId, out ProcessSample host) || !ProcessProbe.TryRead(display.Server.ProcessId, out ProcessSample server))
        {
            throw new LaboratoryException("The sharing process or its X server has ended.");
        }

        int pictures = File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{share.ProcessId}/maps")).Count(line => line.Contains("/memfd:vitrine", StringComparison.Ordinal));
        return new Holdings(
            CountDescriptors(share.ProcessId), host.Threads, pictures, server.Descriptors, display.CountResources(), host.ResidentBytes, ReadAnonymousBytes(share.ProcessId));
    }

    /// <summary>What is held with nobody watching for a while: connections are closed, the source is let go, idle pool threads have left.</summary>
    /// <param name="display">The display shared.</param>
    /// <param name="share">Who shares it.</param>
    /// <param name="goal">What was held before: no longer wait than until it is again.</param>
    /// <param name="options">How long to wait.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<Holdings> SettleAsync(PrivateDisplay display, ShareProcess share, Holdings? goal, LabOptions options, CancellationToken cancellationToken)
    {
        long started = options.Time.GetTimestamp();
        TimeSpan least = TimeSpan.FromSeconds(options.Quick ? 6 : 45), most = TimeSpan.FromSeconds(options.Quick ? 10 : 120);
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(500), options.Time);
        while (true)
        {
            await poll.WaitForNextTickAsync(cancellationToken);
            Holdings now = Holdings.Read(display, share);
            TimeSpan waited = options.Time.GetElapsedTime(started);
            if (waited >= most || (waited >= least && (goal is not { } before || (now.Threads <= before.Threads && now.Descriptors <= before.Descriptors))))
            {
                return now;
            }
        }
    }

    /// <summary>Open files of a process, without the program's own: the runtime keeps two descriptors of every assembly from its first use on,
    /// and some are first used when hot code is compiled again, thousands of frames later.</summary>
    public static int CountDescriptors(int processId)
    {
        string folder = string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/fd");
        return Directory.EnumerateFileSystemEntries(folder)
            .Count(entry => new FileInfo(entry).LinkTarget is { } target
                && !target.EndsWith(".dll", StringComparison.Ordinal) && !target.EndsWith(".dll (deleted)", StringComparison.Ordinal)); // one that was built anew
    }

    /// <summary>Memory of a process that is resident, no file's and not shared; 0 when the kernel does not say.</summary>
    public static long ReadAnonymousBytes(int processId)
    {
        const string Key = "RssAnon:";
        string? line = File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/status")).FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line.AsSpan(Key.Length).Trim()[..^2].Trim(), NumberStyles.None, CultureInfo.InvariantCulture) * 1024; // kB
    }
}
