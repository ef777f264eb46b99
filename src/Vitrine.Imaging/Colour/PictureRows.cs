namespace Vitrine.Imaging.Colour;

/// <summary>Pixels and planes of the same picture, as the kernels take them: checked, and pinned by whoever calls.</summary>
internal readonly unsafe struct PictureRows(byte* pixels, int pixelStrideBytes, byte* y, int yStrideBytes, byte* u, byte* v, int uvStrideBytes, int width, int height)
{
    /// <summary>At least 1.</summary>
    public int Width { get; } = width;

    /// <summary>At least 1.</summary>
    public int Height { get; } = height;

    /// <summary>Whether <see cref="U"/> has U and V in turn.</summary>
    public bool IsInterleaved => v == null;

    /// <summary>Whether the pixels are more than the last cache keeps (16 MB: 1080p is less, 2160p is more), so that reading ahead
    /// and writing past the caches pays. In caches both cost more than they bring.</summary>
    public bool AreBeyondCaches => (long)pixelStrideBytes * Height > 16 << 20;

    /// <summary>Whether to write pixels past the caches: every row begins where a vector may be written so.</summary>
    public bool StreamsPixels(int vectorBytes) => AreBeyondCaches && (((nint)pixels | pixelStrideBytes) & (vectorBytes - 1)) == 0;

    public byte* Pixels(int row) => pixels + ((nint)row * pixelStrideBytes);

    public byte* Y(int row) => y + ((nint)row * yStrideBytes);

    /// <summary>A row of the chroma plane.</summary>
    public byte* U(int row) => u + ((nint)row * uvStrideBytes);

    /// <summary>A row of the chroma plane; null when <see cref="IsInterleaved"/>.</summary>
    public byte* V(int row) => v == null ? null : v + ((nint)row * uvStrideBytes);

    /// <summary>The row below, or the same one where there is none: the last row of an odd height stands for both.</summary>
    public int Below(int row) => Math.Min(row + 1, Height - 1);
}
