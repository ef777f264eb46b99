using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;

namespace Vitrine.Benchmarks;

/// <summary>One frame of 1080p through the tile coder, for what a desktop does most.</summary>
[MemoryDiagnoser]
public class TileEncodeBenchmarks
{
    private static readonly DeviceSize s_size = new(1920, 1080);
    private readonly Random _random = new(1);
    private FramePool _pool = null!;
    private TileStore _store = null!;
    private TileEncoder _encoder = null!;
    private long _sequence;

    [GlobalSetup]
    public void Start()
    {
        _pool = new FramePool(FrameFormat.Packed(s_size), 1, "vitrine-bench");
        _store = new TileStore(s_size, 1);
        _encoder = new TileEncoder(_store, TimeProvider.System);
        Encode(DeviceRectangle.Of(s_size), change: false);
    }

    [GlobalCleanup]
    public void Stop()
    {
        _encoder.Dispose();
        _store.Dispose();
        _pool.Dispose();
    }

    /// <summary>A letter typed: one tile.</summary>
    [Benchmark]
    public EncodeResult Typing() => Encode(new DeviceRectangle(640, 320, 10, 16), change: true);

    /// <summary>A text window rewritten: 800x600 of strokes that compress as text does.</summary>
    [Benchmark]
    public EncodeResult TextWindow() => Encode(new DeviceRectangle(300, 200, 800, 600), change: true);

    /// <summary>Damage over the whole screen, where nothing changed.</summary>
    [Benchmark]
    public EncodeResult UnchangedScreen() => Encode(DeviceRectangle.Of(s_size), change: false);

    private EncodeResult Encode(DeviceRectangle area, bool change)
    {
        _pool.TryRent("bench", out FrameLease? frame);
        using FrameLease lease = frame!;
        if (change)
        {
            Paint(lease, area);
        }

        lease.Damage.Add(area);
        lease.Sequence = ++_sequence;
        long now = TimeProvider.System.GetMonotonicNanoseconds();
        lease.Times = new FrameTimes(now, now);
        return _encoder.Encode(lease);
    }

    // Dark strokes of one to three pixels on white, in lines, as letters are.
    private void Paint(FrameLease lease, DeviceRectangle area)
    {
        for (int y = area.Y; y < area.Bottom; y++)
        {
            Span<uint> row = MemoryMarshal.Cast<byte, uint>(lease.Pixels.Slice((y * lease.Format.StrideBytes) + (area.X * 4), area.Width * 4));
            row.Fill(0xFFFFFF);
            for (int x = _random.Next(6); y % 14 < 10 && x < row.Length; x += 3 + _random.Next(6))
            {
                row.Slice(x, Math.Min(1 + _random.Next(3), row.Length - x)).Fill(0x101010);
            }
        }
    }
}
