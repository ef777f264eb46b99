namespace Vitrine.Frames;

/// <summary>How a pixel lies in memory.</summary>
public enum PixelFormat
{
    /// <summary>Four bytes B, G, R, X; X has no meaning. What X11 true colour displays of depth 24 and 32 deliver.</summary>
    Bgrx32 = 0,
}

/// <summary>Size and layout of a picture. Rows from the top, <see cref="StrideBytes"/> apart.</summary>
public readonly record struct FrameFormat(DeviceSize Size, int StrideBytes, PixelFormat PixelFormat)
{
    /// <summary>Largest side that any part of Vitrine takes: X11's coordinates are 16 bit and signed.</summary>
    public const int SidePixelsMax = 32_767;

    /// <summary>Most pixels that any part of Vitrine takes: 64 Mi, 256 MiB; 7680x4320 is 33 M.</summary>
    public const long AreaPixelsMax = 64L << 20;

    /// <summary>Bytes of one pixel.</summary>
    public const int BytesPerPixel = 4;

    /// <summary>Bytes of the whole picture.</summary>
    public long SizeBytes => (long)StrideBytes * Size.Height;

    /// <summary>The tightly packed format for a size.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A side is not in 1..<see cref="SidePixelsMax"/> or the area exceeds <see cref="AreaPixelsMax"/>.</exception>
    public static FrameFormat Packed(DeviceSize size)
    {
        if (!IsSupported(size))
        {
            throw new ArgumentOutOfRangeException(nameof(size), size, $"A picture has sides of 1 to {SidePixelsMax} pixels and at most {AreaPixelsMax} of them.");
        }

        return new(size, size.Width * BytesPerPixel, PixelFormat.Bgrx32);
    }

    /// <summary>Whether a picture may have this size.</summary>
    public static bool IsSupported(DeviceSize size) =>
        size.Width is >= 1 and <= SidePixelsMax && size.Height is >= 1 and <= SidePixelsMax && size.Area <= AreaPixelsMax;
}
