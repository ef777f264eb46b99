using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Imaging.Colour;
using Vitrine.Interop;
using Vitrine.Viewer;

namespace Vitrine.Lab.Peers;

/// <summary>A minimal viewer of VNC servers (RFC 6143, and the Tight encoding as the community's protocol description gives it):
/// asks for updates without pause and decodes all of them into a picture. Security type None, this machine only.</summary>
/// <remarks>Every length that the server names is checked against the picture's size before memory is taken. <see cref="Run"/>
/// blocks one thread; <see cref="Dispose"/> from another ends it. All other members are for any thread.</remarks>
internal sealed class RfbClient : IDisposable
{
    private const int EncodingTight = 7;
    private const int EncodingCopyRectangle = 1;
    private const int EncodingCursor = -239;
    private const int CompressionLevel1 = -255;
    private const int QualityLevel0 = -32;
    private const int TextBytesMax = 1 << 20;
    private const int PixelsMax = 1 << 25;
    private readonly TcpClient _client = new();
    private readonly TimeProvider _time;
    private readonly DevicePoint _watched;
    private readonly Lock _pictureLock = new();
    private readonly TightStream[] _streams = [new(), new(), new(), new()];
    private readonly Action<PictureReader> _readPicture;
    private TightJpeg? _jpeg;
    private byte[] _picture = [];
    private volatile bool _disposed;
    private byte[] _scratch = new byte[1 << 16];
    private NetworkStream _network = null!;
    private BufferedStream _buffered = null!;

    /// <summary>Makes a client.</summary>
    /// <param name="time">Clock.</param>
    /// <param name="watched">The pixel that <see cref="Run"/> reports.</param>
    public RfbClient(TimeProvider time, DevicePoint watched = default) => (_time, _watched, _readPicture) = (time, watched, ReadPicture);

    /// <summary>Of the picture; 0x0 before <see cref="Connect"/>.</summary>
    public DeviceSize Size { get; private set; }

    /// <summary>Bytes received.</summary>
    public long ReceivedBytes { get; private set; }

    /// <summary>Framebuffer updates received.</summary>
    public long Updates { get; private set; }

    /// <summary>Quality at which parts of the picture may come as JPEG, 0 to 9; null (the default): none may. It takes libavcodec.</summary>
    public int? JpegQuality { get; init; }

    /// <summary>Called by <see cref="Run"/> after every update: what reads the picture, and the moment at which the update was decoded.</summary>
    public Action<Action<PictureReader>, long>? UpdateDecoded { get; init; }

    /// <summary>Connects and asks for the first picture.</summary>
    /// <exception cref="IOException">The server refuses, or is none.</exception>
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
        if (Size.Area is 0 or > PixelsMax)
        {
            throw new IOException($"The VNC server has a screen of {Size}.");
        }

        _picture = new byte[Size.Area * FrameFormat.BytesPerPixel];
        Need(16);
        Need(Bounded(ReadUInt32(), TextBytesMax));
        // 32 bits a pixel, depth 24, little-endian true colour, 8 bits a channel, blue first: the display's own form.
        _network.Write([0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);
        // Tight at level 1, then CopyRect, then raw: what TigerVNC's own viewer asks for on a fast network. Shapes of the cursor are taken
        // too, and not looked at: the server would draw it into the picture otherwise. With JPEG, its quality is one encoding more.
        int count = JpegQuality is null ? 5 : 6;
        Span<byte> encodings = stackalloc byte[4 + (6 * 4)];
        encodings = encodings[..(4 + (count * 4))];
        encodings.Clear();
        encodings[0] = 2;
        BinaryPrimitives.WriteUInt16BigEndian(encodings[2..], (ushort)count);
        int at = 4;
        foreach (int encoding in ((ReadOnlySpan<int>)[EncodingTight, EncodingCopyRectangle, 0, EncodingCursor, CompressionLevel1, QualityLevel0 + (JpegQuality ?? 0)])[..count])
        {
            BinaryPrimitives.WriteInt32BigEndian(encodings[at..], encoding);
            at += 4;
        }

        _network.Write(encodings);
        // It draws the cursor as well for a viewer whose pointer is elsewhere than the screen's, which nobody has moved from the middle.
        Span<byte> pointer = stackalloc byte[6];
        pointer[0] = 5;
        pointer[1] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(pointer[2..], (ushort)(Size.Width / 2));
        BinaryPrimitives.WriteUInt16BigEndian(pointer[4..], (ushort)(Size.Height / 2));
        _network.Write(pointer);
        Ask(incremental: false);
    }

    /// <summary>Lets <paramref name="read"/> look at the picture; nothing is decoded into it meanwhile.</summary>
    public void ReadPicture(PictureReader read)
    {
        lock (_pictureLock)
        {
            read(_picture, Size);
        }
    }

    /// <summary>Reads until disposed.</summary>
    /// <param name="onPixel">The watched pixel as 0xRRGGBB and the moment at which it was decoded, whenever its rectangle came.</param>
    /// <exception cref="LaboratoryException">The server left, or sent what no server should.</exception>
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

            _jpeg?.Dispose();
        }
    }

    public void Dispose()
    {
        _disposed = true;
        _client.Dispose();
    }

    private void Update(Action<uint, long>? onPixel)
    {
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
            if (encoding == EncodingCursor)
            {
                // Its size, pixels and mask; the place is the hot spot.
                Need(Bounded((area.Area * 4) + ((area.Width + 7) / 8 * (long)area.Height), TextBytesMax));
                continue;
            }

            if (area.IsEmpty || !DeviceRectangle.Of(Size).Contains(area))
            {
                throw new IOException("The VNC server sent a rectangle outside its screen.");
            }

            switch (encoding)
            {
                case 0:
                    Raw(area);
                    break;
                case EncodingCopyRectangle:
                    Copy(area);
                    break;
                case EncodingTight:
                    Tight(area);
                    break;
                default:
                    throw new IOException($"The VNC server sent encoding {encoding}.");
            }

            if (onPixel is not null && area.Contains(_watched))
            {
                onPixel(Row(new(_watched.X, _watched.Y, 1, 1), 0)[0] & 0xFFFFFF, _time.GetMonotonicNanoseconds());
            }
        }

        Updates++;
        UpdateDecoded?.Invoke(_readPicture, _time.GetMonotonicNanoseconds());
    }

    private Span<uint> Row(DeviceRectangle area, int row) =>
        MemoryMarshal.Cast<byte, uint>(_picture.AsSpan()).Slice(((area.Y + row) * Size.Width) + area.X, area.Width);

    private void Raw(DeviceRectangle area)
    {
        ReadOnlySpan<uint> pixels = MemoryMarshal.Cast<byte, uint>(Need((int)area.Area * FrameFormat.BytesPerPixel));
        lock (_pictureLock)
        {
            for (int y = 0; y < area.Height; y++)
            {
                pixels.Slice(y * area.Width, area.Width).CopyTo(Row(area, y));
            }
        }
    }

    private void Copy(DeviceRectangle area)
    {
        ReadOnlySpan<byte> place = Need(4);
        DeviceRectangle from = area with { X = BinaryPrimitives.ReadUInt16BigEndian(place), Y = BinaryPrimitives.ReadUInt16BigEndian(place[2..]) };
        if (!DeviceRectangle.Of(Size).Contains(from))
        {
            throw new IOException("The VNC server copies from outside its screen.");
        }

        lock (_pictureLock)
        {
            // The two may overlap: no row is written before it was read.
            for (int i = 0; i < area.Height; i++)
            {
                int y = area.Y > from.Y ? area.Height - 1 - i : i;
                Row(from, y).CopyTo(Row(area, y));
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
            lock (_pictureLock)
            {
                for (int y = 0; y < area.Height; y++)
                {
                    Row(area, y).Fill(colour);
                }
            }

            return;
        }

        if (control == 9 && JpegQuality is not null)
        {
            // At most three bytes of length: 4 MB.
            ReadOnlySpan<byte> jpeg = Need(CompactLength());
            _jpeg ??= new TightJpeg(Size);
            lock (_pictureLock)
            {
                int strideBytes = Size.Width * FrameFormat.BytesPerPixel;
                _jpeg.Decode(jpeg, area.Size, _picture.AsSpan((area.Y * strideBytes) + (area.X * FrameFormat.BytesPerPixel)), strideBytes);
            }

            return;
        }

        if (control > 7)
        {
            throw new IOException("The VNC server sent a lossy or unknown Tight rectangle.");
        }

        int filter = (control & 4) != 0 ? Need(1)[0] : 0;
        Span<uint> palette = stackalloc uint[256];
        int rowBytes = area.Width * 3, colours = 0;
        if (filter == 1)
        {
            colours = Need(1)[0] + 1;
            ReadOnlySpan<byte> entries = Need(colours * 3);
            for (int i = 0; i < colours; i++)
            {
                palette[i] = Rgb(entries[(i * 3)..]);
            }

            rowBytes = colours == 2 ? (area.Width + 7) / 8 : area.Width;
        }
        else if (filter != 0)
        {
            throw new IOException($"The VNC server sent Tight filter {filter}."); // the gradient's is for photographs, and x0vncserver does not use it
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

        lock (_pictureLock)
        {
            for (int y = 0; y < area.Height; y++)
            {
                ReadOnlySpan<byte> row = data.Slice(y * rowBytes, rowBytes);
                Span<uint> to = Row(area, y);
                for (int x = 0; x < to.Length && filter == 0; x++)
                {
                    to[x] = ((uint)row[x * 3] << 16) | ((uint)row[(x * 3) + 1] << 8) | row[(x * 3) + 2];
                }

                for (int x = 0; x < to.Length && filter == 1; x++)
                {
                    to[x] = palette[colours == 2 ? (row[x / 8] >> (7 - (x % 8))) & 1 : row[x]]; // beyond the palette is black
                }
            }
        }
    }

    private static uint Rgb(ReadOnlySpan<byte> bytes) => ((uint)bytes[0] << 16) | ((uint)bytes[1] << 8) | bytes[2];

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

    private static int Bounded(long length, int most) =>
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

    /// <summary>Decodes Tight's JPEG rectangles with libavcodec: BT.601 in full range, as JFIF 1.02 says, 4:4:4 or 4:2:0.</summary>
    /// <remarks>Takes any bytes. One thread.</remarks>
    private sealed unsafe class TightJpeg : IDisposable
    {
        private readonly AvCodecContext _context;
        private readonly AvPacket _packet;
        private readonly AvFrame _frame;

        /// <param name="most">No picture has more pixels.</param>
        /// <exception cref="LaboratoryException">There is no decoder.</exception>
        public TightJpeg(DeviceSize most)
        {
            AvLibraries libraries = AvLibraries.Load(out string reason) ?? throw new LaboratoryException(reason);
            nint codec = LibAvCodec.avcodec_find_decoder_by_name("mjpeg");
            if (codec == 0)
            {
                throw new LaboratoryException($"{libraries.VersionText} was built without a decoder for JPEG.");
            }

            (_context, _packet, _frame) = (new(codec), new(libraries.Layout), new(libraries.Layout));
            _ = LibAvUtil.av_opt_set(_context.Pointer, "threads", "1", LibAvUtil.SearchChildren); // the names are in every version that is loaded
            _ = LibAvUtil.av_opt_set(_context.Pointer, "max_pixels", most.Area.ToString(CultureInfo.InvariantCulture), LibAvUtil.SearchChildren);
            _ = LibAvUtil.av_opt_set(_context.Pointer, "err_detect", "explode", LibAvUtil.SearchChildren);
            if (LibAvCodec.avcodec_open2(_context.Pointer, codec, 0) is int status and < 0)
            {
                Dispose();
                throw new LaboratoryException($"{libraries.VersionText} cannot open its decoder for JPEG: {LibAvUtil.Describe(status)}");
            }
        }

        /// <summary>Decodes a picture.</summary>
        /// <exception cref="IOException">It is none of this size.</exception>
        public void Decode(ReadOnlySpan<byte> jpeg, DeviceSize size, Span<byte> bgra, int strideBytes)
        {
            int status = LibAvUtil.InvalidData;
            fixed (byte* bytes = jpeg)
            {
                // SAFETY: a packet without a buffer of its own is copied, with the padding that decoders read into, before this call returns.
                _packet.Data = bytes;
                _packet.Size = jpeg.Length;
                status = jpeg.IsEmpty ? status : LibAvCodec.avcodec_send_packet(_context.Pointer, _packet.Pointer);
                _packet.Data = null;
                _packet.Size = 0;
            }

            status = status < 0 ? status : LibAvCodec.avcodec_receive_frame(_context.Pointer, _frame.Pointer);
            YuvLayout? layout = _frame.Format switch
            {
                LibAvUtil.FormatI420FullRange => YuvLayout.I420,
                LibAvUtil.FormatI444FullRange => YuvLayout.I444,
                _ => null,
            };
            if (status < 0 || layout is null || _frame.DecodeErrors != 0 || _frame.Width != size.Width || _frame.Height != size.Height)
            {
                throw new IOException($"The VNC server sent a JPEG of {_frame.Width}x{_frame.Height} in format {_frame.Format} for {size}: {LibAvUtil.Describe(status)}.");
            }

            int stride = _frame.StrideBytes(0), chromaStride = _frame.StrideBytes(1);
            (int chromaWidth, int chromaHeight) = layout == YuvLayout.I444 ? (size.Width, size.Height) : ((size.Width + 1) / 2, (size.Height + 1) / 2);
            int chromaBytes = (chromaStride * (chromaHeight - 1)) + chromaWidth;
            // SAFETY: the frame owns rows of these strides for this size and format until the next call.
            var picture = new YuvPicture(
                layout.Value, size, new(_frame.Data(0), (stride * (size.Height - 1)) + size.Width), stride,
                new(_frame.Data(1), chromaBytes), new(_frame.Data(2), chromaBytes), chromaStride);
            ColourConverter.ToBgra(picture, bgra, strideBytes, ColourMatrix.Bt601, ColourRange.Full);
        }

        public void Dispose()
        {
            _frame.Dispose();
            _packet.Dispose();
            _context.Dispose();
        }
    }
}
