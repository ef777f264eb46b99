using System.Globalization;
using Vitrine.Events.Hosts;
using Vitrine.Events.Schemas;
using static System.FormattableString;

namespace Vitrine.Events.Embedded;

/// <summary>Looks at the log in a folder as <see cref="Kafka.Doctor.KafkaDoctor"/> looks at Kafka: whether it can be kept, and whether it reads.</summary>
public static class EmbeddedDoctor
{
    // A file of the log, and as much again: less is full before anybody has looked.
    private const long FreeBytesLeast = 2 * (64L << 20);

    private const int LockedCode = 11; // EWOULDBLOCK

    /// <summary>Looks at a folder. Leaves nothing there; makes it when it is missing.</summary>
    public static async Task<Examination> ExamineAsync(string folder, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        Examiner examiner = new(TimeProvider.System);
        await examiner.LookAsync("folder", () => Task.FromResult(Folder(folder)));
        await examiner.LookAsync("owner", () => Task.FromResult(Owner(folder)));
        await examiner.LookAsync("disk", () => Task.FromResult(Disk(folder)));
        await examiner.LookAsync("schemas", () => Task.FromResult(Schemas(folder)));
        await examiner.LookAsync("events", () => Task.Run(() => ReadAsync(folder, cancellationToken), cancellationToken));
        return examiner.Seen;
    }

    private static Look Folder(string folder)
    {
        string probe = Path.Combine(folder, Invariant($"doctor-{Environment.ProcessId}.tmp"));
        try
        {
            bool isNew = !Directory.Exists(folder);
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(folder);
            }
            else
            {
                Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }

            using (FileStream file = new(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0, FileOptions.DeleteOnClose))
            {
                file.WriteByte(0);
                file.Flush(flushToDisk: true);
            }

            return isNew ? $"{folder}, made just now" : folder;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            bool isFull = exception.HResult == 28; // ENOSPC
            throw new FindingException(isFull
                ? Full(folder, 0)
                : new("folder-unusable", $"Events cannot be written to {folder}.", "Make it this user's, or name another folder in vitrine.yaml.", "events-folder: FOLDER", exception.Message));
        }
    }

    private static Look Owner(string folder)
    {
        string path = Path.Combine(folder, "lock");
        if (!File.Exists(path))
        {
            return "nobody yet";
        }

        try
        {
            using FileStream held = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
            return "nobody now";
        }
        catch (IOException exception) when (exception.HResult is LockedCode or unchecked((int)0x80070020))
        {
            return "a host that runs";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new FindingException(new("owner-other", $"{path} is another user's: a host of this user cannot have the folder.", "Make it this user's, or name another folder in vitrine.yaml.", "events-folder: FOLDER", exception.Message));
        }
    }

    private static Look Disk(string folder)
    {
        long free = new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace;
        return free < FreeBytesLeast ? throw new FindingException(Full(folder, free)) : Invariant($"{free / (double)(1L << 30):0.#} GiB free");
    }

    private static Look Schemas(string folder)
    {
        string path = Path.Combine(folder, HostEvents.SchemasName);
        if (!File.Exists(path))
        {
            return "none yet";
        }

        try
        {
            using LocalSchemaStore schemas = LocalSchemaStore.OpenToRead(path);
            return path;
        }
        catch (SchemaStoreException exception)
        {
            throw new FindingException(new("schemas-damaged", $"The schemas in {path} do not read, and without them no event does.", "Bring the file back from a copy; or begin anew in another folder.", "events-folder: FOLDER", exception.Message));
        }
    }

    private static async Task<Look> ReadAsync(string folder, CancellationToken cancellationToken)
    {
        if (LogSegment.List(folder).Count == 0)
        {
            return "none yet";
        }

        try
        {
            using EmbeddedReader reader = EmbeddedReader.Open(folder, EventStart.Oldest);
            long events = 0;
            DateTimeOffset last = default;
            // Twice: what does not read may be an event that a host is writing.
            for (int looks = 0; looks < 2; looks++)
            {
                while (reader.TryRead(out EventRecord record))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    (events, last) = (events + 1, record.Time);
                }

                await reader.WaitAsync(cancellationToken);
            }

            return reader.Damage is [var damage, ..]
                ? throw new FindingException(new(
                    "log-damaged", Invariant($"{damage.Path} does not read from byte {damage.From} to {damage.Until}: its events there are lost, the others are not."),
                    "Look at the disk and its cables. The file goes with its age; to be rid of it at once, remove it while no host runs.", $"rm {damage.Path}"))
                : Invariant($"{events}, the last one of {last.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)} (UTC)");
        }
        catch (EventLogException exception)
        {
            throw new FindingException(new("log-unreadable", exception.Message, "Make the files this user's.", $"chown -R $USER {folder}"));
        }
    }

    private static ExaminationFinding Full(string folder, long free) => new(
        "disk-full", Invariant($"The disk with {folder} has {free >> 20} MiB left, and events take up to 1 GiB."), "Make room, or name a folder on another disk in vitrine.yaml.", "events-folder: FOLDER");
}
