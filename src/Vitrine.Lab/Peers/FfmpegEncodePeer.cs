using System.Buffers.Binary;
using System.Globalization;
using System.IO.Pipes;
using Microsoft.Win32.SafeHandles;
using Vitrine.Codecs.H264;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Imaging.Colour;
using Vitrine.Interop;
using Vitrine.Viewer;
using Vitrine.Wire;

namespace Vitrine.Lab.Peers;

/// <summary>ffmpeg that grabs the whole screen at a steady rate and codes it with x264 at its fastest and without delay, as a sharer
/// of screens would; what it writes is counted, and decoded here as a viewer's receiver does it.</summary>
/// <remarks>Decodes on a thread of its own. Members may be used from any thread.</remarks>
internal sealed class FfmpegEncodePeer : IAsyncDisposable
{
    public const string Package = "ffmpeg";

    /// <summary>Of the pipe: about what a connection holds, so that ffmpeg goes on while a picture is decoded.</summary>
    private const int PipeBytes = 1 << 20;

    private const int HeadBytesMax = 1 << 16;
    private readonly ChildProcess _child;
    private readonly TimeProvider _time;
    private readonly DeviceSize _size;
    private readonly Action<Action<PictureReader>, long> _pictureDecoded;
    private readonly Action<PictureReader> _readPicture;
    private readonly Lock _pictureLock = new();
    private readonly byte[] _picture;
    private readonly Task _reading;
    private volatile bool _isEnding;
    private long _bytes;
    private long _frames;

    private FfmpegEncodePeer(ChildProcess child, DeviceSize size, TimeProvider time, Action<Action<PictureReader>, long> pictureDecoded)
    {
        (_child, _size, _time, _pictureDecoded, _readPicture) = (child, size, time, pictureDecoded, ReadPicture);
        _picture = new byte[size.Area * FrameFormat.BytesPerPixel];
        _reading = Task.Factory.StartNew(Read, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public int ProcessId => _child.Id;

    /// <summary>Bytes of H.264 received so far.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Pictures decoded so far.</summary>
    public long Frames => Interlocked.Read(ref _frames);

    /// <summary>What it said of an error.</summary>
    public string Errors => _child.Errors;

    /// <summary>Whether it writes no more, for whatever reason: <see cref="DisposeAsync"/> says which.</summary>
    public bool HasEnded => _reading.IsCompleted;

    /// <summary>Starts it.</summary>
    /// <param name="display">Of the X server.</param>
    /// <param name="screen">Its size, even in both directions.</param>
    /// <param name="framesPerSecond">As often it grabs.</param>
    /// <param name="time">Clock.</param>
    /// <param name="pictureDecoded">Called on the decoding thread after every picture: what reads it, and when it was decoded.</param>
    /// <returns>Null when ffmpeg is not installed.</returns>
    public static FfmpegEncodePeer? TryStart(
        string display, DeviceSize screen, double framesPerSecond, TimeProvider time, Action<Action<PictureReader>, long> pictureDecoded) =>
        ChildProcess.Find("ffmpeg") is not string program ? null : new FfmpegEncodePeer(
            ChildProcess.Start(program,
            [
                "-hide_banner", "-loglevel", "error", "-nostdin", "-f", "x11grab", "-draw_mouse", "0",
                "-framerate", framesPerSecond.ToString(CultureInfo.InvariantCulture), "-video_size", screen.ToString(), "-i", display,
                "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p",
                // AVI says how long an access unit is before it comes: a bare stream says where one ended when the next one begins.
                "-f", "avi", "-flush_packets", "1", "pipe:1",
            ]),
            screen, time, pictureDecoded);

    /// <summary>Lets <paramref name="read"/> look at the newest picture; none is decoded into it meanwhile.</summary>
    public void ReadPicture(PictureReader read)
    {
        lock (_pictureLock)
        {
            read(_picture, _size);
        }
    }

    /// <exception cref="LaboratoryException">What it wrote could not be read.</exception>
    public async ValueTask DisposeAsync()
    {
        _isEnding = true;
        await _child.DisposeAsync();
        await _reading;
    }

    private void Read()
    {
        Stream output = _child.Output.BaseStream;
        if (output is PipeStream { SafePipeHandle: { } pipe })
        {
            using var descriptor = new SafeFileHandle(pipe.DangerousGetHandle(), ownsHandle: false);
            _ = LibC.fcntl(descriptor, LibC.FSetPipeSize, PipeBytes); // where that is refused it stays at 64 KB
        }

        using H264Decoder decoder = H264Decoder.TryCreate(out string reason) ?? throw new LaboratoryException(reason);
        try
        {
            using var stream = new BufferedStream(output, 64 << 10);
            SkipHead(stream);
            byte[] unit = new byte[VideoPacket.DataBytesMax];
            while (TryReadAccessUnit(stream, unit, out int bytes))
            {
                Interlocked.Add(ref _bytes, bytes);
                Decode(decoder, unit.AsSpan(0, bytes));
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or NotSupportedException)
        {
            // The way this ends, when it was to end. (Not supported: that is how a buffer speaks of a closed stream under it.)
            if (!_isEnding)
            {
                throw new LaboratoryException($"ffmpeg's stream cannot be read: {exception.Message} {Errors}");
            }
        }
    }

    private void Decode(H264Decoder decoder, ReadOnlySpan<byte> accessUnit)
    {
        switch (decoder.Decode(accessUnit, out YuvPicture picture))
        {
            case DecodeStatus.Decoded when picture.Size == _size:
                lock (_pictureLock)
                {
                    // What ffmpeg makes of a screen's pixels when nothing else is asked for.
                    ColourConverter.ToBgra(picture, _picture, _size.Width * FrameFormat.BytesPerPixel, ColourMatrix.Bt601, ColourRange.Limited);
                }

                Interlocked.Increment(ref _frames);
                _pictureDecoded(_readPicture, _time.GetMonotonicNanoseconds());
                break;
            case DecodeStatus.NeedsMore:
                break;
            case DecodeStatus status:
                throw new LaboratoryException($"ffmpeg's stream cannot be decoded: {status}, {picture.Size}.");
        }
    }

    /// <summary>Reads up to the first chunk of an AVI file's <c>movi</c> list (OpenDML AVI 1.02; every number is little-endian).</summary>
    /// <exception cref="IOException">It is no AVI file, or ends here.</exception>
    internal static void SkipHead(Stream stream)
    {
        Span<byte> head = stackalloc byte[12];
        stream.ReadExactly(head);
        if (!head.StartsWith("RIFF"u8) || !head.EndsWith("AVI "u8))
        {
            throw new IOException("It is no AVI file.");
        }

        while (true)
        {
            stream.ReadExactly(head[..8]);
            uint bytes = BinaryPrimitives.ReadUInt32LittleEndian(head[4..]);
            bool isList = head.StartsWith("LIST"u8);
            if (isList)
            {
                stream.ReadExactly(head[8..]);
                if (head.EndsWith("movi"u8))
                {
                    return;
                }

                bytes -= Math.Min(bytes, 4);
            }

            Skip(stream, bytes, HeadBytesMax);
        }
    }

    /// <summary>Reads the next chunk of pictures (<c>00dc</c>), and leaves out all others.</summary>
    /// <param name="stream">Behind <see cref="SkipHead"/>, or behind a chunk.</param>
    /// <param name="unit">Room for it.</param>
    /// <param name="bytes">How long it is, from 1.</param>
    /// <returns>False at the end.</returns>
    /// <exception cref="IOException">It ends within a chunk, or one is longer than there is room.</exception>
    internal static bool TryReadAccessUnit(Stream stream, Span<byte> unit, out int bytes)
    {
        Span<byte> head = stackalloc byte[8];
        while (stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) == head.Length)
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(head[4..]);
            if (length == 0 || !head.StartsWith("00dc"u8))
            {
                Skip(stream, length, uint.MaxValue);
                continue;
            }

            if (length > unit.Length)
            {
                throw new IOException($"An access unit of {length} bytes.");
            }

            bytes = (int)length;
            stream.ReadExactly(unit[..bytes]);
            if ((length & 1) != 0)
            {
                stream.ReadExactly(head[..1]); // chunks begin at even places
            }

            return true;
        }

        bytes = 0;
        return false;
    }

    private static void Skip(Stream stream, uint bytes, uint most)
    {
        if (bytes > most)
        {
            throw new IOException($"A chunk of {bytes} bytes.");
        }

        Span<byte> scratch = stackalloc byte[512];
        for (long left = bytes + (bytes & 1L); left > 0;)
        {
            int part = (int)Math.Min(left, scratch.Length);
            stream.ReadExactly(scratch[..part]);
            left -= part;
        }
    }
}
