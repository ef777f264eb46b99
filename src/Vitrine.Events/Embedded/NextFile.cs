using Microsoft.Win32.SafeHandles;

namespace Vitrine.Events.Embedded;

/// <summary>A file full of zeros that is made while another one is written, so that nobody who appends waits until there is room.</summary>
/// <remarks>One thread makes it, another one stops, takes or discards it when the first has ended; only <see cref="Stop"/> may be called before. Owns the
/// handle until it is taken.</remarks>
/// <param name="folder">Of the log.</param>
/// <param name="bytes">How long it is to be.</param>
internal sealed class NextFile(string folder, int bytes)
{
    private const string Name = "next";

    // Written and made durable at a time: who appends meanwhile waits behind no more than that.
    private static readonly byte[] s_zeros = new byte[256 << 10];

    private readonly string _path = Path.Combine(folder, Name);
    private SafeFileHandle? _file;
    private long _room;
    private volatile bool _isStopped;

    /// <summary>What room consists of.</summary>
    public static ReadOnlySpan<byte> Zeros => s_zeros;

    /// <summary>Removes what a log's owner that was killed has left.</summary>
    /// <exception cref="IOException">It cannot be removed.</exception>
    public static void RemoveFrom(string folder) => File.Delete(Path.Combine(folder, Name));

    /// <summary>Writes zeros until it is full, or stopped; what there is can be taken. A disk that has no room for it leaves none to take.</summary>
    public void Make()
    {
        try
        {
            _file = File.OpenHandle(_path, FileMode.Create, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            while (_room < bytes && !_isStopped)
            {
                int step = (int)Math.Min(Zeros.Length, bytes - _room);
                RandomAccess.Write(_file, Zeros[..step], _room);
                RandomAccess.FlushToDisk(_file);
                _room += step;
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Discard(); // who needs it does without
        }
    }

    /// <summary>What is made by now is enough.</summary>
    public void Stop() => _isStopped = true;

    /// <summary>Gives it a name and away.</summary>
    /// <param name="path">The name; that is not durable yet.</param>
    /// <param name="room">How many zeros it has.</param>
    /// <returns>The file; null: there is none.</returns>
    /// <exception cref="IOException">It cannot have the name; it is still owned.</exception>
    public SafeFileHandle? Take(string path, out long room)
    {
        room = _room;
        if (_file is not { } file)
        {
            return null;
        }

        File.Move(_path, path);
        _file = null;
        return file;
    }

    /// <summary>Removes it, if it was not taken.</summary>
    public void Discard()
    {
        if (_file is null)
        {
            return;
        }

        _file.Dispose();
        _file = null;
        try
        {
            RemoveFrom(folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            EventLogMeter.NotRemoved.Add(1); // the next owner of the log tries again
        }
    }
}
