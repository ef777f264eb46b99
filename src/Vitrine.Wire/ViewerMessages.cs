namespace Vitrine.Wire;

/// <summary>First packet of the viewer.</summary>
/// <param name="Capabilities">What it can show; unknown bits are ignored.</param>
/// <param name="Name">For people.</param>
public readonly record struct ViewerHello(ViewerCapabilities Capabilities, string Name) : IWireMessage
{
    /// <summary>Most bytes of <see cref="Name"/>; a longer one is cut when written.</summary>
    public const int NameBytesMax = 128;

    /// <inheritdoc/>
    public static PacketType Type => PacketType.ViewerHello;

    /// <inheritdoc/>
    public int SizeBytesMax => 2 + 2 + NameBytesMax;

    /// <summary>Reads the payload.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out ViewerHello message)
    {
        PayloadReader reader = new(payload);
        message = new((ViewerCapabilities)reader.U16(), reader.String(NameBytesMax));
        return reader.End;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination)
    {
        PayloadWriter writer = new(destination);
        writer.U16((ushort)Capabilities);
        writer.String(Name ?? "", NameBytesMax);
        return writer.Length;
    }
}

/// <summary>A frame was shown; the header's sequence says which. It is also its acknowledgement. All times are the host's
/// clock as the viewer estimates it.</summary>
/// <param name="ReceivedNs">The frame's last packet arrived.</param>
/// <param name="DecodedNs">It was applied.</param>
/// <param name="PresentedNs">It was on the screen; 0 when it was applied but not shown.</param>
public readonly record struct Presented(long ReceivedNs, long DecodedNs, long PresentedNs) : IWireMessage
{
    /// <inheritdoc/>
    public static PacketType Type => PacketType.Presented;

    /// <inheritdoc/>
    public int SizeBytesMax => 24;

    /// <summary>Reads the payload.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out Presented message)
    {
        PayloadReader reader = new(payload);
        message = new(reader.I64(), reader.I64(), reader.I64());
        return reader.End;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination)
    {
        PayloadWriter writer = new(destination);
        writer.I64(ReceivedNs);
        writer.I64(DecodedNs);
        writer.I64(PresentedNs);
        return writer.Length;
    }
}

/// <summary>«What time is it?»</summary>
/// <param name="RequestSentNs">Viewer's clock.</param>
public readonly record struct ClockRequest(long RequestSentNs) : IWireMessage
{
    /// <inheritdoc/>
    public static PacketType Type => PacketType.ClockRequest;

    /// <inheritdoc/>
    public int SizeBytesMax => 8;

    /// <summary>Reads the payload.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out ClockRequest message)
    {
        PayloadReader reader = new(payload);
        message = new(reader.I64());
        return reader.End;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination)
    {
        PayloadWriter writer = new(destination);
        writer.I64(RequestSentNs);
        return writer.Length;
    }
}

/// <summary>«Show me this monitor.»</summary>
/// <param name="Monitor">Index into the last topology, or <see cref="TopologyMessage.WholePicture"/>. Not checked here: the
/// topology may have changed while the packet travelled, so a host takes an index it does not know as the whole picture.</param>
public readonly record struct Select(ushort Monitor) : IWireMessage
{
    /// <inheritdoc/>
    public static PacketType Type => PacketType.Select;

    /// <inheritdoc/>
    public int SizeBytesMax => 2;

    /// <summary>Reads the payload.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out Select message)
    {
        PayloadReader reader = new(payload);
        message = new(reader.U16());
        return reader.End;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination)
    {
        PayloadWriter writer = new(destination);
        writer.U16(Monitor);
        return writer.Length;
    }
}

/// <summary>«Send everything again.» No payload.</summary>
public readonly record struct Refresh : IWireMessage
{
    /// <inheritdoc/>
    public static PacketType Type => PacketType.Refresh;

    /// <inheritdoc/>
    public int SizeBytesMax => 0;

    /// <summary>Reads the payload, which is empty.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out Refresh message)
    {
        message = default;
        return payload.IsEmpty ? WireStatus.Ok : WireStatus.Malformed;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination) => 0;
}
