using Vitrine.Frames;

namespace Vitrine.Wire;

/// <summary>What became of the source.</summary>
public enum TopologyState : byte
{
    /// <summary>Frames come.</summary>
    Live = 0,

    /// <summary>The host lives, its display server does not.</summary>
    DisplayGone = 1,

    /// <summary>The window is unmapped or minimised.</summary>
    Hidden = 2,

    /// <summary>The window is gone.</summary>
    Closed = 3,
}

/// <summary>One monitor.</summary>
/// <param name="Bounds">Device pixels, in the picture's coordinates; may lie partly or wholly outside the picture.</param>
/// <param name="ScaleMilli">1000 = 1.0.</param>
/// <param name="RotationDegrees">0, 90, 180 or 270.</param>
/// <param name="IsPrimary">Whether it is the desktop's main monitor.</param>
/// <param name="Name">For people.</param>
public readonly record struct MonitorRecord(DeviceRectangle Bounds, uint ScaleMilli, int RotationDegrees, bool IsPrimary, string Name)
{
    /// <summary>Most bytes of <see cref="Name"/>; a longer one is cut when written.</summary>
    public const int NameBytesMax = 64;

    internal const int SizeBytesMax = 24 + 2 + NameBytesMax;

    internal static bool TryRead(ref PayloadReader reader, out MonitorRecord monitor)
    {
        int x = reader.I32(), y = reader.I32();
        uint width = reader.U32(), height = reader.U32(), scaleMilli = reader.U32();
        int rotationDegrees = reader.U16();
        bool isPrimary = (reader.U16() & 1) != 0;
        string name = reader.String(NameBytesMax);

        // Bounded here, so that nobody's arithmetic with rectangles can overflow.
        if (reader.Failed || scaleMilli < 1 || rotationDegrees is not (0 or 90 or 180 or 270)
            || width is < 1 or > FrameFormat.SidePixelsMax || height is < 1 or > FrameFormat.SidePixelsMax
            || x is < -FrameFormat.SidePixelsMax or > FrameFormat.SidePixelsMax
            || y is < -FrameFormat.SidePixelsMax or > FrameFormat.SidePixelsMax)
        {
            monitor = default;
            return false;
        }

        monitor = new(new(x, y, (int)width, (int)height), scaleMilli, rotationDegrees, isPrimary, name);
        return true;
    }

    internal void Write(ref PayloadWriter writer)
    {
        writer.I32(Bounds.X);
        writer.I32(Bounds.Y);
        writer.I32(Bounds.Width);
        writer.I32(Bounds.Height);
        writer.U32(ScaleMilli);
        writer.U16((ushort)RotationDegrees);
        writer.U16(IsPrimary ? (ushort)1 : (ushort)0);
        writer.String(Name ?? "", NameBytesMax);
    }
}

/// <summary>What is shared: the picture's size and the monitors in it. A new <see cref="Generation"/> means: forget the picture.</summary>
public sealed record TopologyMessage : IWireMessage
{
    /// <summary>Most monitors; further ones are left out when written.</summary>
    public const int MonitorsMax = 64;

    /// <summary>Most bytes of <see cref="Source"/>; a longer one is cut when written.</summary>
    public const int SourceBytesMax = 256;

    /// <summary><see cref="Selected"/> when the viewer gets the whole picture.</summary>
    public const ushort WholePicture = 0xFFFF;

    /// <inheritdoc/>
    public static PacketType Type => PacketType.Topology;

    /// <summary>Of the picture's size.</summary>
    public uint Generation { get; init; }

    /// <summary>What became of the source.</summary>
    public TopologyState State { get; init; }

    /// <summary>Index of the monitor this viewer gets, or <see cref="WholePicture"/>.</summary>
    public ushort Selected { get; init; } = WholePicture;

    /// <summary>Of the picture; 0x0 only when none was ever had.</summary>
    public DeviceSize Size { get; init; }

    /// <summary>What is shared, for people.</summary>
    public string Source { get; init; } = "";

    /// <summary>The monitors.</summary>
    public IReadOnlyList<MonitorRecord> Monitors { get; init; } = [];

    /// <inheritdoc/>
    public int SizeBytesMax => 12 + 2 + SourceBytesMax + (Math.Min(Monitors.Count, MonitorsMax) * MonitorRecord.SizeBytesMax);

    /// <summary>Reads the payload. Allocates at most <see cref="MonitorsMax"/> monitors.</summary>
    public static WireStatus TryRead(ReadOnlySpan<byte> payload, out TopologyMessage? message)
    {
        message = null;
        PayloadReader reader = new(payload);
        uint generation = reader.U32();
        byte state = reader.U8(), monitorCount = reader.U8();
        ushort selected = reader.U16();
        DeviceSize size = new(reader.U16(), reader.U16());
        string source = reader.String(SourceBytesMax);
        bool isSizeValid = size == default ? state is (byte)TopologyState.DisplayGone or (byte)TopologyState.Closed : FrameFormat.IsSupported(size);
        if (reader.Failed || state > (byte)TopologyState.Closed || monitorCount > MonitorsMax || !isSizeValid
            || (selected != WholePicture && selected >= monitorCount))
        {
            return WireStatus.Malformed;
        }

        MonitorRecord[] monitors = new MonitorRecord[monitorCount];
        foreach (ref MonitorRecord monitor in monitors.AsSpan())
        {
            if (!MonitorRecord.TryRead(ref reader, out monitor))
            {
                return WireStatus.Malformed;
            }
        }

        if (reader.End != WireStatus.Ok)
        {
            return WireStatus.Malformed;
        }

        message = new() { Generation = generation, State = (TopologyState)state, Selected = selected, Size = size, Source = source, Monitors = monitors };
        return WireStatus.Ok;
    }

    /// <inheritdoc/>
    public int Write(Span<byte> destination)
    {
        int monitorCount = Math.Min(Monitors.Count, MonitorsMax);
        PayloadWriter writer = new(destination);
        writer.U32(Generation);
        writer.U8((byte)State);
        writer.U8((byte)monitorCount);
        writer.U16(Selected < monitorCount ? Selected : WholePicture);
        writer.U16((ushort)Size.Width);
        writer.U16((ushort)Size.Height);
        writer.String(Source, SourceBytesMax);
        for (int i = 0; i < monitorCount; i++)
        {
            Monitors[i].Write(ref writer);
        }

        return writer.Length;
    }
}
