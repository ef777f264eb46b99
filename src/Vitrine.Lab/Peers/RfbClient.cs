using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Vitrine.Frames;

namespace Vitrine.Lab.Peers;

/// <summary>A minimal viewer of VNC servers (RFC 6143, and the Tight encoding as the community's protocol description gives it):
/// asks for updates without pause, decodes all of them, and tells when one pixel changes. Security type None, this machine only.</summary>
/// <remarks>Every length that the server names is checked against the picture's size before memory is taken. <see cref="Run"/>
/// blocks one thread; <see cref="Dispose"/> from another ends it.</remarks>
internal sealed class RfbClient : IDisposable
{
    private const int EncodingTight = 7;
    private const int EncodingCopyRectangle = 1;
    private const int CompressionLevel1 = -255;
    private const int QualityLevel0 = -32;
    private const int TextBytesMax = 1 << 20;
    private readonly TcpClient _client = new();
    private readonly TimeProvider _time;
    private readonly DevicePoint[] _watched;
    private readonly uint[] _seen;
    private readonly TightStream[] _streams = [new(), new(), new(), new()];
    private volatile bool _disposed;
    private byte[] _scratch = new byte[1 << 16];
    private NetworkStream _network = null!;
    private BufferedStream _buffered = null!;

    public RfbClient(TimeProvider time, params DevicePoint[] watched) => (_time, _watched, _seen) = (time, watched, new uint[watched.Length]);

    public DeviceSize Size { get; private set; }

    /// <summary>Bytes received.</summary>
    public long ReceivedBytes { get; private set; }

    /// <summary>Framebuffer updates received.</summary>
    public long Updates { get; private set; }

    /// <summary>Quality at which pictures may come as JPEG, 0 to 9; null (the default): none may. JPEG is counted, not decoded.</summary>
    public int? JpegQuality { get; init; }

    /// <summary>Called by <see cref="Run"/> after an update that brought a watched pixel: all of them as 0xRRGGBB, in their order, and
    /// the moment at which the update was decoded.</summary>
    public Action<uint[], long>? UpdateDecoded { get; set; }

    public void Connect(int port)
    {
        _client.NoDelay = true;
        _client.Connect(IPAddress.Loopback, port);
        _network = _client.GetStream();
        _buffered = new BufferedStream(_network, 64 << 10);
        Need(12);
        _network.Write("RFB 003.008\n"u8);
        int types = Need(1)[0];
        if (types == 0)
        {
            throw new IOException($"The VNC server refuses: {Encoding.UTF8.GetString(Need(Bounded(ReadUInt32(), TextBytesMax)))}");
        }

        if (!Need(types).Contains((byte)1))
        {
            throw new IOException("The VNC server wants a password.");
        }

        _network.WriteByte(1);
        if (ReadUInt32() != 0)
        {
            throw new IOException("The VNC server refuses.");
        }

        _network.WriteByte(1); // shared
        ReadOnlySpan<byte> size = Need(4);
        Size = new DeviceSize(BinaryPrimitives.ReadUInt16BigEndian(size), BinaryPrimitives.ReadUInt16BigEndian(size[2..]));
        Need(16);
        Need(Bounded(ReadUInt32(), TextBytesMax));
        // 32 bits a pixel, depth 24, little-endian true colour, 8 bits a channel, blue first: the display's own form.
        _network.Write([0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);
        // Tight at level 1, then CopyRect, then raw: what TigerVNC's own viewer asks for on a fast network.
        // With JPEG, its quality is one encoding more.
        int count = JpegQuality is null ? 4 : 5;
        Span<byte> encodings = stackalloc byte[4 + (5 * 4)];
        encodings = encodings[..(4 + (count * 4))];
        encodings.Clear();
        encodings[0] = 2;
        BinaryPrimitives.WriteUInt16BigEndian(encodings[2..], (ushort)count);
        int at = 4;
        foreach (int encoding in ((ReadOnlySpan<int>)[EncodingTight, EncodingCopyRectangle, 0, CompressionLevel1, QualityLevel0 + (JpegQuality ?? 0)])[..count])
        {
            BinaryPrimitives.WriteInt32BigEndian(encodings[at..], encoding);
            at += 4;
        }

        _network.Write(encodings);
        Ask(incremental: false);
    }

    /// <summary>Reads until disposed or until the server leaves.</summary>
    /// <param name="onPixel">The first watched pixel as 0xRRGGBB and the moment at which it was decoded, whenever its rectangle came.</param>
    public void Run(Action<uint, long>? onPixel = null)
    {
        try
        {
            while (true)
            {
                switch (Need(1)[0])
                {
                    case 0:
                        Update(onPixel);
                        break;
                    case 1: // colour map
                        Need(Bounded((uint)BinaryPrimitives.ReadUInt16BigEndian(Need(5)[3..]) * 6, TextBytesMax));
                        break;
                    case 2: // bell
                        break;
                    case 3: // clipboard
                        Need(3);
                        Need(Bounded(ReadUInt32(), TextBytesMax));
                        break;
                    default:
                        throw new IOException("The VNC server sent an unknown message.");
                }
            }
        }
        catch (Exception exception) when (_disposed && exception is (IOException or ObjectDisposedException or NotSupportedException))
        {
            // The way this ends. (Not supported: that is how a buffer speaks of a closed stream under it.)
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException)
        {
            throw new LaboratoryException($"The VNC client cannot go on: {exception.Message}");
        }
        finally
        {
            // Here and not in Dispose: this thread may be in the middle of one.
            foreach (TightStream stream in _streams)
            {
                stream.Dispose();
            }
        }
    }

    public void Dispose()
    {
        _disposed = true;
        _client.Dispose();
    }

    private void Update(Action<uint, long>? onPixel)
    {
        bool hasSeen = false;
        Need(1);
        int rectangles = BinaryPrimitives.ReadUInt16BigEndian(Need(2));
        Ask(incremental: true);
        for (int i = 0; i < rectangles; i++)
        {
            ReadOnlySpan<byte> head = Need(12);
            var area = new DeviceRectangle(
                BinaryPrimitives.ReadUInt16BigEndian(head), BinaryPrimitives.ReadUInt16BigEndian(head[2..]),
                BinaryPrimitives.ReadUInt16BigEndian(head[4..]), BinaryPrimitives.ReadUInt16BigEndian(head[6..]));
            int encoding = BinaryPrimitives.ReadInt32BigEndian(head[8..]);
            if (!DeviceRectangle.Of(Size).Contains(area))
            {
                throw new IOException("The VNC server sent a rectangle outside its screen.");
            }

            switch (encoding)
            {
                case 0:
                    Raw(area);
                    break;
                case EncodingCopyRectangle:
                    Need(4); // where from; what is watched is never copied
                    break;
                case EncodingTight:
                    Tight(area);
                    break;
                default:
                    throw new IOException($"The VNC server sent encoding {encoding}.");
            }

            if (encoding != EncodingCopyRectangle && _watched.Length > 0)
            {
                hasSeen |= Array.Exists(_watched, area.Contains);
                if (onPixel is not null && area.Contains(_watched[0]))
                {
                    onPixel(_seen[0], _time.GetMonotonicNanoseconds());
                }
            }
        }

        Updates++;
        if (hasSeen)
        {
            UpdateDecoded?.Invoke(_seen, _time.GetMonotonicNanoseconds());
        }
    }

    private void Raw(DeviceRectangle area)
    {
        ReadOnlySpan<byte> pixels = Need(area.Width * area.Height * 4);
        for (int i = 0; i < _watched.Length; i++)
        {
            if (area.Contains(_watched[i]))
            {
                _seen[i] = BinaryPrimitives.ReadUInt32LittleEndian(pixels[(Offset(area, _watched[i]) * 4)..]) & 0xFFFFFF;
            }
        }
    }

    private void Tight(DeviceRectangle area)
    {
        int control = Need(1)[0];
        for (int i = 0; i < 4; i++)
        {
            if (((control >> i) & 1) != 0)
            {
                _streams[i].Reset();
            }
        }

        control >>= 4;
        if (control == 8)
        {
            uint colour = Rgb(Need(3));
            for (int i = 0; i < _watched.Length; i++)
            {
                _seen[i] = area.Contains(_watched[i]) ? colour : _seen[i];
            }

            return;
        }

        if (control == 9 && JpegQuality is not null)
        {
            // At most three bytes of length: 4 MB.
            Need(CompactLength());
            return;
        }

        if (control > 7)
        {
            throw new IOException("The VNC server sent a lossy or unknown Tight rectangle.");
        }

        int filter = (control & 4) != 0 ? Need(1)[0] : 0;
        byte[] palette = [];
        int rowBytes = area.Width * 3, colours = 0;
        if (filter == 1)
        {
            colours = Need(1)[0] + 1;
            palette = Need(colours * 3).ToArray();
            rowBytes = colours == 2 ? (area.Width + 7) / 8 : area.Width;
        }

        int size = rowBytes * area.Height;
        ReadOnlySpan<byte> data;
        if (size < 12)
        {
            data = Need(size);
        }
        else
        {
            int compressed = CompactLength();
            if (compressed > size + 1024)
            {
                throw new IOException("The VNC server sent more compressed bytes than pixels.");
            }

            data = _streams[control & 3].Decode(Need(compressed), size);
        }

        for (int i = 0; i < _watched.Length; i++)
        {
            if (!area.Contains(_watched[i]))
            {
                continue;
            }

            int x = _watched[i].X - area.X, y = _watched[i].Y - area.Y;
            if (filter == 1)
            {
                int index = colours == 2 ? (data[(y * rowBytes) + (x / 8)] >> (7 - (x % 8))) & 1 : data[(y * rowBytes) + x];
                _seen[i] = Rgb(palette.AsSpan(index * 3));
            }
            else if (filter == 0)
            {
                _seen[i] = Rgb(data[(Offset(area, _watched[i]) * 3)..]);
            } // the gradient filter is for photographs, and x0vncserver does not use it
        }
    }

    private static uint Rgb(ReadOnlySpan<byte> bytes) => ((uint)bytes[0] << 16) | ((uint)bytes[1] << 8) | bytes[2];

    private static int Offset(DeviceRectangle area, DevicePoint point) => ((point.Y - area.Y) * area.Width) + (point.X - area.X);

    private int CompactLength()
    {
        int first = Need(1)[0], length = first & 127;
        if ((first & 128) != 0)
        {
            int second = Need(1)[0];
            length |= (second & 127) << 7;
            if ((second & 128) != 0)
            {
                length |= Need(1)[0] << 14;
            }
        }

        return length;
    }

    private void Ask(bool incremental)
    {
        Span<byte> request = stackalloc byte[10];
        request.Clear();
        request[0] = 3;
        request[1] = incremental ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt16BigEndian(request[6..], (ushort)Size.Width);
        BinaryPrimitives.WriteUInt16BigEndian(request[8..], (ushort)Size.Height);
        _network.Write(request);
    }

    private uint ReadUInt32() => BinaryPrimitives.ReadUInt32BigEndian(Need(4));

    private static int Bounded(uint length, int most) =>
        length <= most ? (int)length : throw new IOException($"The VNC server sent a length of {length}.");

    // Valid until the next call. At most one raw rectangle of the screen, whose size is 16 bit by 16 bit.
    private ReadOnlySpan<byte> Need(int count)
    {
        if (_scratch.Length < count)
        {
            _scratch = new byte[count];
        }

        _buffered.ReadExactly(_scratch, 0, count);
        ReceivedBytes += count;
        return _scratch.AsSpan(0, count);
    }

    /// <summary>One of Tight's four zlib streams: it goes on from rectangle to rectangle, flushed at the end of each.</summary>
    private sealed class TightStream : IDisposable
    {
        private MemoryStream _compressed = new();
        private ZLibStream? _inflater;
        private byte[] _plain = [];

        public void Reset()
        {
            _inflater?.Dispose();
            _inflater = null;
            _compressed = new MemoryStream();
        }

        public ReadOnlySpan<byte> Decode(ReadOnlySpan<byte> compressed, int size)
        {
            // What is left of the last rectangle (the end of its flush) stays in front.
            byte[] left = _compressed.ToArray()[(int)_compressed.Position..];
            _compressed.SetLength(0);
            _compressed.Write(left);
            _compressed.Write(compressed);
            _compressed.Position = 0;
            _inflater ??= new ZLibStream(_compressed, CompressionMode.Decompress, leaveOpen: true);
            if (_plain.Length < size)
            {
                _plain = new byte[size];
            }

            _inflater.ReadExactly(_plain, 0, size);
            return _plain.AsSpan(0, size);
        }

        public void Dispose() => _inflater?.Dispose();
    }
}
