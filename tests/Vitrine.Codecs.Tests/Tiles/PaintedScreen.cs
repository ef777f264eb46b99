using System.Runtime.InteropServices;
using Vitrine.Frames;

namespace Vitrine.Codecs.Tests.Tiles;

/// <summary>A screen that tests paint on, with damage as a display server reports it: never less than what changed, often more.
/// X of its pixels is noise.</summary>
internal sealed class PaintedScreen : IDisposable
{
    private readonly Random _random;
    private readonly uint[] _pixels;
    private readonly DamageRegion _damage = new();
    private readonly FramePool _pool;
    private long _time = 1_000_000_000_000;

    public PaintedScreen(DeviceSize size, int seed)
    {
        (Size, _random) = (size, new(seed));
        _pixels = new uint[size.Area];
        // A stride wider than the rows, as displays have them.
        _pool = new(new FrameFormat(size, (size.Width + 16) * 4, PixelFormat.Bgrx32));
        _damage.Add(DeviceRectangle.Of(size));
    }

    public DeviceSize Size { get; }

    public ReadOnlySpan<uint> Pixels => _pixels;

    public FramePool Pool => _pool;

    /// <summary>The frame so far; owned by the caller.</summary>
    public FrameLease Take()
    {
        Assert.True(_pool.TryRent("test", out FrameLease? lease));
        Span<uint> rows = MemoryMarshal.Cast<byte, uint>(lease!.Pixels);
        int stride = lease.Format.StrideBytes / 4;
        for (int y = 0; y < Size.Height; y++)
        {
            _pixels.AsSpan(y * Size.Width, Size.Width).CopyTo(rows.Slice(y * stride, Size.Width));
        }

        lease.Damage.Add(_damage);
        _damage.Clear();
        _time += 16_000_000;
        lease.Times = new(_time, _time + 100_000);
        return lease;
    }

    public void Damage(DeviceRectangle rectangle) => _damage.Add(rectangle.Intersect(DeviceRectangle.Of(Size)));

    public void Fill(DeviceRectangle rectangle, uint colour) => Write(rectangle, (_, _) => colour);

    public void Noise(DeviceRectangle rectangle) => Write(rectangle, (_, _) => (uint)_random.NextInt64(0, 1L << 32));

    /// <summary>Lines of glyph-like marks, dark on light.</summary>
    public void Text(DeviceRectangle rectangle, int seed)
    {
        Fill(rectangle, 0x00F8F8F8);
        Random glyphs = new(seed);
        for (int y = 2; y + 12 <= rectangle.Height; y += 16)
        {
            int end = rectangle.Width * glyphs.Next(3, 10) / 10;
            for (int x = 4; x + 7 <= end; x += 8)
            {
                if (glyphs.Next(6) == 0)
                {
                    continue;
                }

                uint glyph = (uint)glyphs.Next();
                for (int i = 0; i < 72; i++)
                {
                    if ((glyph >> (i % 31) & 1) != 0 && rectangle.Contains(new DevicePoint(rectangle.X + x + (i % 6), rectangle.Y + y + (i / 6))))
                    {
                        Set(rectangle.X + x + (i % 6), rectangle.Y + y + (i / 6), 0x00202020 + (glyph & 0x3F));
                    }
                }
            }
        }

        Damage(rectangle);
    }

    /// <summary>Moves a rectangle's content, clipped so that both ends are on the screen.</summary>
    public void Move(DeviceRectangle source, int dx, int dy)
    {
        DeviceRectangle all = DeviceRectangle.Of(Size);
        DeviceRectangle from = source.Intersect(all).Intersect(all.Offset(-dx, -dy));
        if (from.IsEmpty)
        {
            return;
        }

        uint[] content = new uint[from.Area];
        for (int y = 0; y < from.Height; y++)
        {
            _pixels.AsSpan(((from.Y + y) * Size.Width) + from.X, from.Width).CopyTo(content.AsSpan(y * from.Width));
        }

        for (int y = 0; y < from.Height; y++)
        {
            content.AsSpan(y * from.Width, from.Width).CopyTo(_pixels.AsSpan(((from.Y + dy + y) * Size.Width) + from.X + dx));
        }

        Damage(from.Offset(dx, dy));
    }

    /// <summary>Scrolls a view up by <paramref name="lines"/> pixels and fills what comes in with text.</summary>
    public void ScrollUp(DeviceRectangle view, int lines)
    {
        Move(new(view.X, view.Y + lines, view.Width, view.Height - lines), 0, -lines);
        Text(new(view.X, view.Bottom - lines, view.Width, lines), _random.Next());
    }

    /// <summary>Whatever may happen on a desktop.</summary>
    public void DoSomething()
    {
        DeviceRectangle where = RandomRectangle();
        switch (_random.Next(9))
        {
            case 0:
                Fill(where, (uint)_random.Next());
                break;
            case 1:
                Noise(where);
                break;
            case 2:
                Text(where, _random.Next());
                break;
            case 3:
                ScrollUp(where, _random.Next(1, Math.Max(2, where.Height / 2)));
                break;
            case 4:
                Move(where, _random.Next(-90, 90), 0);
                break;
            case 5:
                Move(where, 0, _random.Next(-90, 90));
                break;
            case 6:
                Move(where, _random.Next(-150, 150), _random.Next(-150, 150));
                break;
            case 7:
                Damage(where); // damage without a change
                break;
            default:
                Set(where.X, where.Y, (uint)_random.Next());
                Damage(new(where.X, where.Y, 1, 1));
                break;
        }
    }

    public DeviceRectangle RandomRectangle()
    {
        int x = _random.Next(Size.Width), y = _random.Next(Size.Height);
        return new(x, y, _random.Next(1, Size.Width - x + 1), _random.Next(1, Size.Height - y + 1));
    }

    /// <summary>The first pixel within the area that differs in B, G or R, or null.</summary>
    public DevicePoint? FirstDifference(ReadOnlySpan<byte> picture, DeviceRectangle area)
    {
        ReadOnlySpan<uint> other = MemoryMarshal.Cast<byte, uint>(picture);
        for (int y = area.Y; y < area.Bottom; y++)
        {
            for (int x = area.X; x < area.Right; x++)
            {
                if (((_pixels[(y * Size.Width) + x] ^ other[(y * Size.Width) + x]) & 0x00FF_FFFF) != 0)
                {
                    return new(x, y);
                }
            }
        }

        return null;
    }

    public void Dispose()
    {
        Assert.Empty(_pool.DescribeLeaks());
        _pool.Dispose();
    }

    private void Write(DeviceRectangle rectangle, Func<int, int, uint> colour)
    {
        DeviceRectangle clipped = rectangle.Intersect(DeviceRectangle.Of(Size));
        for (int y = clipped.Y; y < clipped.Bottom; y++)
        {
            for (int x = clipped.X; x < clipped.Right; x++)
            {
                Set(x, y, colour(x, y));
            }
        }

        Damage(clipped);
    }

    private void Set(int x, int y, uint colour) => _pixels[(y * Size.Width) + x] = (colour & 0x00FF_FFFF) | ((uint)_random.Next(256) << 24);
}
