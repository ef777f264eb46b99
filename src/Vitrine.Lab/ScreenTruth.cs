using System.Runtime.InteropServices;
using Vitrine.Capture.X11;
using Vitrine.Frames;

namespace Vitrine.Lab;

/// <summary>What the screen really shows: read whole through GetImage over a connection of its own, sharing nothing with what is measured.</summary>
internal sealed class ScreenTruth(PrivateDisplay display, TimeProvider time) : IDisposable
{
    private readonly X11ScreenSource _source = display.Open(X11Capture.GetImage, time);

    public DeviceSize Size => _source.Format.Size;

    /// <summary>Hash as <see cref="Browser.CanvasProbe.HashAsync"/> makes it.</summary>
    public byte[] Hash()
    {
        using FrameLease frame = Read();
        return Browser.CanvasProbe.Hash(frame.Pixels, frame.Format);
    }

    /// <summary>A copy of the screen: B, G, R, X, packed.</summary>
    public byte[] Copy()
    {
        using FrameLease frame = Read();
        FrameFormat format = frame.Format;
        int rowBytes = format.Size.Width * FrameFormat.BytesPerPixel;
        byte[] copy = new byte[rowBytes * format.Size.Height];
        for (int y = 0; y < format.Size.Height; y++)
        {
            frame.Pixels.Slice(y * format.StrideBytes, rowBytes).CopyTo(copy.AsSpan(y * rowBytes));
        }

        return copy;
    }

    /// <summary>Counts the pixels that differ from <paramref name="picture"/> (B, G, R, X, packed, the same size); X does not count.</summary>
    /// <returns>All of them when the size differs.</returns>
    public long CountDifferences(ReadOnlySpan<byte> picture)
    {
        using FrameLease frame = Read();
        FrameFormat format = frame.Format;
        if (picture.Length != format.Size.Area * FrameFormat.BytesPerPixel)
        {
            return format.Size.Area;
        }

        ReadOnlySpan<uint> other = MemoryMarshal.Cast<byte, uint>(picture);
        long differences = 0;
        for (int y = 0; y < format.Size.Height; y++)
        {
            ReadOnlySpan<uint> row = MemoryMarshal.Cast<byte, uint>(frame.Pixels.Slice(y * format.StrideBytes, format.Size.Width * 4));
            ReadOnlySpan<uint> otherRow = other.Slice(y * format.Size.Width, format.Size.Width);
            for (int x = 0; x < row.Length; x++)
            {
                differences += ((row[x] ^ otherRow[x]) & 0xFFFFFF) != 0 ? 1 : 0;
            }
        }

        return differences;
    }

    public void Dispose() => _source.Dispose();

    private FrameLease Read()
    {
        while (true)
        {
            CaptureStatus status = _source.Capture(out FrameLease? frame);
            if (status == CaptureStatus.Frame)
            {
                return frame!;
            }

            if (status != CaptureStatus.FormatChanged)
            {
                throw new LaboratoryException($"The screen cannot be read: {status}.");
            }
        }
    }
}
