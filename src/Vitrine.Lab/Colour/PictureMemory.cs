using System.Runtime.InteropServices;
using Vitrine.Frames;
using Vitrine.Imaging;

namespace Vitrine.Lab.Colour;

/// <summary>The same picture as pixels and as planes, in native memory, rows without padding: all that the contestants read and
/// write. Dispose frees it.</summary>
internal sealed unsafe class PictureMemory : IDisposable
{
    private readonly byte* _memory;

    /// <summary>Noise everywhere, so that every page is there.</summary>
    public PictureMemory(DeviceSize size)
    {
        Size = size;
        int bytes = checked((int)size.Area * 7);
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, 4096);
        new Random(1).NextBytes(new Span<byte>(_memory, bytes));
    }

    public DeviceSize Size { get; }

    public int PixelStrideBytes => Size.Width * 4;

    public byte* PixelMemory => _memory;

    public byte* Y => _memory + (Size.Area * 4);

    public byte* U => Y + Size.Area;

    // Planes are as far apart as the largest layout needs.
    public byte* V => U + Size.Area;

    // SAFETY: inside the block, which lives until Dispose; sizes are even.
    public Span<byte> Pixels => new(PixelMemory, (int)Size.Area * 4);

    /// <summary>Luma and all chroma of the largest layout.</summary>
    public Span<byte> Planes => new(Y, (int)Size.Area * 3);

    public int ChromaStrideBytes(YuvLayout layout) => layout == YuvLayout.I420 ? Size.Width / 2 : Size.Width;

    public YuvPicture Picture(YuvLayout layout)
    {
        int plane = (int)Size.Area, chroma = layout switch { YuvLayout.I420 => plane / 4, YuvLayout.Nv12 => plane / 2, _ => plane };
        return new(
            layout,
            Size,
            new(Y, plane),
            Size.Width,
            new(U, chroma),
            layout == YuvLayout.Nv12 ? [] : new(V, chroma),
            ChromaStrideBytes(layout));
    }

    public void Dispose() => NativeMemory.AlignedFree(_memory);
}
