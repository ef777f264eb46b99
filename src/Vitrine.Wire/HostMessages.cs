namespace Vitrine.Wire;

/// <summary>What a viewer may do.</summary>
[Flags]
public enum ViewerGrants : byte
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>See the picture.</summary>
    View = 1,

    /// <summary>Send input.</summary>
    Control = 2,

    /// <summary>Change the host's settings.</summary>
    Administer = 4,
}

/// <summary>First packet of every connection.</summary>
/// <param name="SessionId">Random, new with every start of sharing.</param>
/// <param name="Grants">What this viewer may do.</param>
/// <param name="Name">Of the host.</param>
public readonly record struct HelloMessage(Guid SessionId, ViewerGrants Grants, string Name) : IWireMessage
{
    /// <summary>Most bytes of <see cref="Name"/>; a longer one is cut when written.</summary>
    public const int NameBytesMax = 256;

    /// <inheritdoc/>
    public static PacketType Type => PacketType.Hello;

    /// <inheritdoc/>
    public int SizeBytesMax => 16 + 1 + 3 + 2 + NameBytesMax;

    /// <summary>Reads the payload.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out HelloMessage message)
    {
        PayloadReader reader = new(payload);
        ReadOnlySpan<byte> sessionId = reader.Bytes(16);
        byte grants = reader.U8();
        reader.Bytes(3);
        string name = reader.String(NameBytesMax);
        WireStatus status = reader.End;
        message = status == WireStatus.Ok ? new(new Guid(sessionId, bigEndian: true), (ViewerGrants)(grants & 7), name) : default;
        return status;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination)
    {
        PayloadWriter writer = new(destination);
        Span<byte> sessionId = stackalloc byte[16];
        SessionId.TryWriteBytes(sessionId, bigEndian: true, out _);
        writer.Bytes(sessionId);
        writer.U8((byte)Grants);
        writer.Zeros(3);
        writer.String(Name ?? "", NameBytesMax);
        return writer.Length;
    }
}

/// <summary>The shape of the cursor. Pixels are borrowed from the payload.</summary>
public readonly ref struct CursorShapeMessage : IWireMessage
{
    /// <summary>Largest side.</summary>
    public const int SidePixelsMax = 256;

    /// <summary>Makes a shape.</summary>
    /// <param name="width">0..256 pixels; 0 together with <paramref name="height"/> when the cursor is hidden.</param>
    /// <param name="height">0..256 pixels.</param>
    /// <param name="hotspotX">Within the shape.</param>
    /// <param name="hotspotY">Within the shape.</param>
    /// <param name="pixels">width x height x 4 bytes B, G, R, A, premultiplied; borrowed.</param>
    /// <exception cref="ArgumentException">The arguments break the rules of the protocol.</exception>
    public CursorShapeMessage(int width, int height, int hotspotX, int hotspotY, ReadOnlySpan<byte> pixels)
    {
        if (!IsValid(width, height, hotspotX, hotspotY) || pixels.Length != width * height * 4)
        {
            throw new ArgumentException($"A cursor of {width}x{height} with its hot spot at {hotspotX},{hotspotY} and {pixels.Length} bytes cannot be sent.", nameof(pixels));
        }

        (Width, Height, HotspotX, HotspotY) = (width, height, hotspotX, hotspotY);
        Pixels = pixels;
    }

    /// <inheritdoc/>
    public static PacketType Type => PacketType.CursorShape;

    /// <summary>Pixels; 0 when hidden.</summary>
    public int Width { get; }

    /// <summary>Pixels; 0 when hidden.</summary>
    public int Height { get; }

    /// <summary>Column of the pixel that points.</summary>
    public int HotspotX { get; }

    /// <summary>Row of the pixel that points.</summary>
    public int HotspotY { get; }

    /// <summary>B, G, R, A, premultiplied; rows from the top, no padding. Borrowed.</summary>
    public ReadOnlySpan<byte> Pixels { get; }

    /// <inheritdoc/>
    public int SizeBytesMax => 8 + Pixels.Length;

    /// <summary>Reads the payload; <paramref name="message"/> borrows its pixels.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out CursorShapeMessage message)
    {
        PayloadReader reader = new(payload);
        int width = reader.U16(), height = reader.U16(), hotspotX = reader.U16(), hotspotY = reader.U16();
        ReadOnlySpan<byte> pixels = reader.Rest;
        if (reader.Failed || !IsValid(width, height, hotspotX, hotspotY) || pixels.Length != width * height * 4)
        {
            message = default;
            return WireStatus.Malformed;
        }

        message = new(width, height, hotspotX, hotspotY, pixels);
        return WireStatus.Ok;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination)
    {
        PayloadWriter writer = new(destination);
        writer.U16((ushort)Width);
        writer.U16((ushort)Height);
        writer.U16((ushort)HotspotX);
        writer.U16((ushort)HotspotY);
        writer.Bytes(Pixels);
        return writer.Length;
    }

    private static bool IsValid(int width, int height, int hotspotX, int hotspotY) =>
        width == 0 && height == 0
            ? hotspotX == 0 && hotspotY == 0
            : width is >= 1 and <= SidePixelsMax && height is >= 1 and <= SidePixelsMax
                && (uint)hotspotX < (uint)width && (uint)hotspotY < (uint)height;
}

/// <summary>Where the cursor's hot spot is.</summary>
/// <param name="X">Device pixels in the picture's coordinates; may lie outside the picture.</param>
/// <param name="Y">Device pixels.</param>
public readonly record struct CursorPositionMessage(int X, int Y) : IWireMessage
{
    /// <inheritdoc/>
    public static PacketType Type => PacketType.CursorPosition;

    /// <inheritdoc/>
    public int SizeBytesMax => 8;

    /// <summary>Reads the payload.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out CursorPositionMessage message)
    {
        PayloadReader reader = new(payload);
        message = new(reader.I32(), reader.I32());
        return reader.End;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination)
    {
        PayloadWriter writer = new(destination);
        writer.I32(X);
        writer.I32(Y);
        return writer.Length;
    }
}

/// <summary>Answer to <see cref="ClockRequest"/>: three of NTP's four time stamps (RFC 5905, section 8).</summary>
/// <param name="RequestSentNs">Viewer's clock, returned as it came.</param>
/// <param name="RequestReceivedNs">Host's clock.</param>
/// <param name="ReplySentNs">Host's clock.</param>
public readonly record struct ClockReply(long RequestSentNs, long RequestReceivedNs, long ReplySentNs) : IWireMessage
{
    /// <inheritdoc/>
    public static PacketType Type => PacketType.ClockReply;

    /// <inheritdoc/>
    public int SizeBytesMax => 24;

    /// <summary>Reads the payload.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out ClockReply message)
    {
        PayloadReader reader = new(payload);
        message = new(reader.I64(), reader.I64(), reader.I64());
        return reader.End;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination)
    {
        PayloadWriter writer = new(destination);
        writer.I64(RequestSentNs);
        writer.I64(RequestReceivedNs);
        writer.I64(ReplySentNs);
        return writer.Length;
    }
}

/// <summary>Once a second while frames flow, as the host sees this viewer.</summary>
/// <param name="Viewers">Connected now.</param>
/// <param name="FramesPerSecondMilli">Frames sent in the last second, x 1000.</param>
/// <param name="BytesSent">Since it joined.</param>
/// <param name="FramesMerged">Frames it did not get one by one since it joined.</param>
/// <param name="HostCpuMilli">Processor time of the host process in the last second; 1000 = one core.</param>
public readonly record struct StatisticsMessage(uint Viewers, uint FramesPerSecondMilli, ulong BytesSent, ulong FramesMerged, uint HostCpuMilli) : IWireMessage
{
    /// <inheritdoc/>
    public static PacketType Type => PacketType.Statistics;

    /// <inheritdoc/>
    public int SizeBytesMax => 32;

    /// <summary>Reads the payload.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out StatisticsMessage message)
    {
        PayloadReader reader = new(payload);
        message = new(reader.U32(), reader.U32(), reader.U64(), reader.U64(), reader.U32());
        reader.Bytes(4);
        return reader.End;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination)
    {
        PayloadWriter writer = new(destination);
        writer.U32(Viewers);
        writer.U32(FramesPerSecondMilli);
        writer.U64(BytesSent);
        writer.U64(FramesMerged);
        writer.U32(HostCpuMilli);
        writer.Zeros(4);
        return writer.Length;
    }
}

/// <summary>Why a connection ends. Values not listed are kept as they came.</summary>
public enum GoodbyeReason : ushort
{
    /// <summary>The host stops, or the viewer leaves.</summary>
    Closing = 0,

    /// <summary>The other side broke the protocol.</summary>
    ProtocolError = 1,

    /// <summary>The other side speaks another version.</summary>
    VersionMismatch = 2,

    /// <summary>No access.</summary>
    AccessDenied = 3,

    /// <summary>The host has as many viewers as it takes.</summary>
    TooManyViewers = 4,

    /// <summary>What was shared is closed for good.</summary>
    SourceClosed = 5,

    /// <summary>The viewer neither read nor acknowledged for too long.</summary>
    Stalled = 6,

    /// <summary>A bug in the sender.</summary>
    InternalError = 7,
}

/// <summary>Last packet before a side closes; both ways.</summary>
/// <param name="Reason">Why.</param>
/// <param name="Text">For people.</param>
public readonly record struct Goodbye(GoodbyeReason Reason, string Text) : IWireMessage
{
    /// <summary>Most bytes of <see cref="Text"/>; a longer one is cut when written.</summary>
    public const int TextBytesMax = 512;

    /// <inheritdoc/>
    public static PacketType Type => PacketType.Goodbye;

    /// <inheritdoc/>
    public int SizeBytesMax => 2 + 2 + TextBytesMax;

    /// <summary>Reads the payload.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out Goodbye message)
    {
        PayloadReader reader = new(payload);
        message = new((GoodbyeReason)reader.U16(), reader.String(TextBytesMax));
        return reader.End;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination)
    {
        PayloadWriter writer = new(destination);
        writer.U16((ushort)Reason);
        writer.String(Text ?? "", TextBytesMax);
        return writer.Length;
    }
}
