using System.Runtime.InteropServices;
using Vitrine.Interop;

namespace Vitrine.Server.Access;

/// <summary>Small files that are made on first use, for this user alone.</summary>
internal static class OwnerFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Writes a file as a whole: nobody reads half of it, however many write at once.</summary>
    /// <param name="path">Where; its folder is made when it is missing.</param>
    /// <param name="content">Of it.</param>
    /// <param name="replaces">Whether one that is there goes; else that one stays, and is to be read.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static void Write(string path, string content, bool replaces)
    {
        string folder = Path.GetDirectoryName(path)!;
        FileStreamOptions create = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder); // a profile is closed to other users there
        }
        else
        {
            Directory.CreateDirectory(folder, OwnerOnly | UnixFileMode.UserExecute);
            create.UnixCreateMode = OwnerOnly;
        }

        string temporary = $"{path}.{Guid.NewGuid():N}";
        using (StreamWriter writer = new(new FileStream(temporary, create)))
        {
            writer.Write(content);
        }

        try
        {
            if (replaces || OperatingSystem.IsWindows())
            {
                File.Move(temporary, path, overwrite: replaces);
            }
            else
            {
                Link(temporary, path); // moving looks whether one is there first, and two at once both see none
            }
        }
        catch (IOException) when (!replaces && File.Exists(path))
        {
            // Somebody else was first.
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    // link(2): fails where the new name is taken.
    private static void Link(string from, string to)
    {
        if (LibC.link(from, to) != 0)
        {
            throw new IOException($"{to}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastSystemError())}");
        }
    }
}
