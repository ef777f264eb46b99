using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Server.Sharing;

/// <summary>The newest shape and position of the cursor. One shape (at most 256 KiB) and one position: newer ones replace them.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class CursorState
{
    /// <summary>Largest packet that <see cref="WriteShape"/> writes.</summary>
    public const int PacketBytesMax = PacketHeader.SizeBytes + 8 + (CursorShapeMessage.SidePixelsMax * CursorShapeMessage.SidePixelsMax * 4);

    private readonly Lock _lock = new();
    private byte[] _pixels = [];
    private int _width;
    private int _height;
    private DevicePoint _hotspot;
    private long _shapeOriginNs;
    private DevicePoint _position;
    private long _positionOriginNs;
    private int _shapeVersion;
    private int _positionVersion;

    /// <summary>Grows with every shape; 0 before the first.</summary>
    public int ShapeVersion => Volatile.Read(ref _shapeVersion);

    /// <summary>Grows with every position; 0 before the first.</summary>
    public int PositionVersion => Volatile.Read(ref _positionVersion);

    /// <summary>Newest position; 0,0 before the first.</summary>
    public DevicePoint Position
    {
        get
        {
            lock (_lock)
            {
                return _position;
            }
        }
    }

    /// <summary>False when the shape cannot be sent.</summary>
    public bool TrySetShape(int width, int height, DevicePoint hotspot, ReadOnlySpan<byte> pixels, long originNs)
    {
        bool isHidden = width == 0 || height == 0;
        if (!isHidden && (width is < 1 or > CursorShapeMessage.SidePixelsMax || height is < 1 or > CursorShapeMessage.SidePixelsMax
            || pixels.Length < width * height * 4))
        {
            return false;
        }

        lock (_lock)
        {
            (_width, _height) = isHidden ? (0, 0) : (width, height);
            // Servers have been seen with hot spots outside the shape: the nearest pixel within points as well.
            _hotspot = isHidden ? default : new(Math.Clamp(hotspot.X, 0, width - 1), Math.Clamp(hotspot.Y, 0, height - 1));
            int bytes = _width * _height * 4;
            if (_pixels.Length < bytes)
            {
                _pixels = new byte[bytes];
            }

            pixels[..bytes].CopyTo(_pixels);
            _shapeOriginNs = originNs;
            _shapeVersion++;
        }

        return true;
    }

    /// <summary>False when it is where it was.</summary>
    public bool SetPosition(DevicePoint position, long originNs)
    {
        lock (_lock)
        {
            if (_positionVersion > 0 && position == _position)
            {
                return false;
            }

            (_position, _positionOriginNs) = (position, originNs);
            _positionVersion++;
            return true;
        }
    }

    /// <summary>Writes the newest shape as a packet and says which version it is.</summary>
    public int WriteShape(Span<byte> destination, long sentNs, out int version)
    {
        lock (_lock)
        {
            version = _shapeVersion;
            CursorShapeMessage shape = new(_width, _height, _hotspot.X, _hotspot.Y, _pixels.AsSpan(0, _width * _height * 4));
            return Packet.Write(destination, shape, sentNs, _shapeOriginNs);
        }
    }

    /// <summary>Writes the newest position as a packet and says which version it is.</summary>
    public int WritePosition(Span<byte> destination, long sentNs, out int version)
    {
        lock (_lock)
        {
            version = _positionVersion;
            return Packet.Write(destination, new CursorPositionMessage(_position.X, _position.Y), sentNs, _positionOriginNs);
        }
    }
}
