using System.Globalization;
using Vitrine.Frames;

namespace Vitrine.Lab.Peers;

/// <summary>ffmpeg that grabs the whole screen at a steady rate and codes it with x264 at its fastest and without delay, as a sharer
/// of screens would; what it writes is counted and dropped.</summary>
/// <remarks>Properties may be read from any thread.</remarks>
internal sealed class FfmpegEncodePeer : IAsyncDisposable
{
    public const string Package = "ffmpeg";
    private readonly ChildProcess _child;
    private readonly Task _reading;
    private long _bytes;
    private long _frames;

    private FfmpegEncodePeer(ChildProcess child)
    {
        _child = child;
        _reading = Task.Factory.StartNew(Read, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public int ProcessId => _child.Id;

    /// <summary>Bytes of H.264 written so far.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Frames written so far.</summary>
    public long Frames => Interlocked.Read(ref _frames);

    /// <summary>What it said of an error.</summary>
    public string Errors => _child.Errors;

    public bool HasExited => _child.HasExited;

    /// <summary>Starts it; null when ffmpeg is not installed.</summary>
    public static FfmpegEncodePeer? TryStart(string display, DeviceSize screen, double framesPerSecond) =>
        ChildProcess.Find("ffmpeg") is not string program ? null : new FfmpegEncodePeer(ChildProcess.Start(program,
        [
            "-hide_banner", "-loglevel", "error", "-nostdin", "-f", "x11grab", "-draw_mouse", "0",
            "-framerate", framesPerSecond.ToString(CultureInfo.InvariantCulture), "-video_size", screen.ToString(), "-i", display,
            "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-f", "h264", "pipe:1",
        ]));

    public async ValueTask DisposeAsync()
    {
        await _child.DisposeAsync();
        await _reading;
    }

    private void Read()
    {
        // The end of what was read stays in front: a start code may lie across two reads.
        byte[] buffer = new byte[256 << 10];
        int kept = 0;
        Stream output = _child.Output.BaseStream;
        try
        {
            while (output.Read(buffer, kept, buffer.Length - kept) is int read and > 0)
            {
                Span<byte> stream = buffer.AsSpan(0, kept + read);
                Interlocked.Add(ref _bytes, read);
                Interlocked.Add(ref _frames, CountFrames(stream, out kept));
                stream[^kept..].CopyTo(buffer);
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // The way this ends.
        }
    }

    /// <summary>Counts the slices with which a picture begins: ITU-T H.264, 7.3.1 and 7.3.3; <c>first_mb_in_slice</c> is 0 when its
    /// first bit is 1.</summary>
    /// <param name="stream">A part of a byte stream (annex B).</param>
    /// <param name="unread">Bytes at its end that belong before the next part.</param>
    internal static int CountFrames(ReadOnlySpan<byte> stream, out int unread)
    {
        int frames = 0;
        ReadOnlySpan<byte> rest = stream;
        while (rest.IndexOf("\0\0\x01"u8) is int at and >= 0 && at + 5 <= rest.Length)
        {
            int type = rest[at + 3] & 31;
            frames += type is 1 or 5 && (rest[at + 4] & 0x80) != 0 ? 1 : 0;
            rest = rest[(at + 3)..];
        }

        unread = Math.Min(rest.Length, 4);
        return frames;
    }
}
