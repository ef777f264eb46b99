using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Lab.Machine;

/// <summary>A picture in small and in huge pages: copied whole, and looked through by tiles as the coder does, in interleaved
/// rounds. Anonymous memory, because huge pages of shared memory must be reserved first: where huge pages do not help here,
/// they do not help there.</summary>
internal static class HugePageRounds
{
    private static readonly DeviceSize s_size = new(3840, 2160);

    public static void Run(RunBuilder run, LabOptions options, CancellationToken cancellationToken)
    {
        int stride = s_size.Width * 4, bytes = stride * s_size.Height;
        using var small = new TrialMemory(2 * bytes, LibC.AdviseNoHugePages);
        using var huge = new TrialMemory(2 * bytes, LibC.AdviseHugePages);
        if (huge.HugeBytes() < 2L * bytes * 9 / 10)
        {
            run.NotMeasured(string.Create(
                CultureInfo.InvariantCulture,
                $"huge pages: the kernel gave {huge.HugeBytes() >> 20} of {2L * bytes >> 20} MB in them (/sys/kernel/mm/transparent_hugepage/enabled)."));
            return;
        }

        foreach ((string what, Action<Memory<byte>> action) in ((string, Action<Memory<byte>>)[])
            [
                ("copy", memory => memory.Span[..bytes].CopyTo(memory.Span[bytes..])),
                ("tiles", memory => GC.KeepAlive(LookThroughTiles(memory.Span[..bytes], stride))),
            ])
        {
            RoundSeries smallTimes = new(), hugeTimes = new();
            for (int round = -1; round < (options.Quick ? 7 : 40); round++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                bool isSmallFirst = (round & 1) == 0;
                Time(isSmallFirst ? small : huge, isSmallFirst ? smallTimes : hugeTimes, action, options.Time, round < 0);
                Time(isSmallFirst ? huge : small, isSmallFirst ? hugeTimes : smallTimes, action, options.Time, round < 0);
            }

            string size = string.Create(CultureInfo.InvariantCulture, $"{what}-{s_size}");
            run.Add(smallTimes.ToCase($"small-pages/{size}"));
            run.Add(hugeTimes.ToCase($"huge-pages/{size}"));
            run.AddRatio($"huge-pages/{size} vs small-pages", hugeTimes.MediansMs, smallTimes.MediansMs, goal: null);
        }
    }

    private static void Time(TrialMemory memory, RoundSeries series, Action<Memory<byte>> action, TimeProvider time, bool isWarm)
    {
        for (int i = 0; i < 9; i++)
        {
            long from = time.GetMonotonicNanoseconds();
            action(memory.Memory);
            if (!isWarm)
            {
                series.Record(time.GetMonotonicNanoseconds() - from);
            }
        }

        series.EndRound();
    }

    private static ulong LookThroughTiles(Span<byte> pixels, int stride)
    {
        const int TileBytes = 64 * 4;
        Vector<ulong> sum = default;
        for (int top = 0; top + 64 <= s_size.Height; top += 64)
        {
            for (int left = 0; left + TileBytes <= stride; left += TileBytes)
            {
                for (int row = top; row < top + 64; row++)
                {
                    foreach (Vector<ulong> part in MemoryMarshal.Cast<byte, Vector<ulong>>(pixels.Slice((row * stride) + left, TileBytes)))
                    {
                        sum ^= part;
                    }
                }
            }
        }

        return Vector.Sum(sum);
    }
}

/// <summary>Private memory with an advice about its pages. One thread.</summary>
internal sealed class TrialMemory : IDisposable
{
    private const int HugePageBytes = 2 << 20;
    private readonly nint _mapping;
    private readonly nuint _mappedBytes;
    private readonly nint _start;
    private readonly NativeMemoryManager _manager;

    public TrialMemory(int bytes, int advice)
    {
        // One page more, so that the start can lie on a huge page's border.
        _mappedBytes = (nuint)bytes + (2 * HugePageBytes);
        _mapping = LibC.mmap(0, _mappedBytes, LibC.ProtectionReadWrite, LibC.MapPrivateAnonymous, -1, 0);
        if (_mapping == -1)
        {
            throw new LaboratoryException($"No memory: {_mappedBytes >> 20} MB could not be mapped.");
        }

        _start = (_mapping + HugePageBytes - 1) / HugePageBytes * HugePageBytes;
        _ = LibC.madvise(_start, (nuint)((bytes + HugePageBytes - 1) / HugePageBytes * HugePageBytes), advice); // what became of it is looked up
        _manager = new(_start, bytes);
        new Random(1).NextBytes(Memory.Span);
    }

    public Memory<byte> Memory => _manager.Memory;

    /// <summary>How much of it lies in huge pages, by <c>/proc/self/smaps</c>.</summary>
    public long HugeBytes()
    {
        long from = 0, huge = 0;
        bool isOurs = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            int dash = line.IndexOf('-', StringComparison.Ordinal);
            if (dash > 0 && long.TryParse(line.AsSpan(0, dash), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out from))
            {
                isOurs = from >= _mapping && from < _mapping + (nint)_mappedBytes;
            }
            else if (isOurs && line.StartsWith("AnonHugePages:", StringComparison.Ordinal))
            {
                huge += long.Parse(line.AsSpan(14, line.Length - 16).Trim(), NumberStyles.None, CultureInfo.InvariantCulture) * 1024;
            }
        }

        return huge;
    }

    public void Dispose() => _ = LibC.munmap(_mapping, _mappedBytes); // fails only for arguments that mmap did not return

    private sealed unsafe class NativeMemoryManager(nint start, int bytes) : System.Buffers.MemoryManager<byte>
    {
        // SAFETY: the mapping is at least that long from there, and its owner unmaps it after the last use.
        public override Span<byte> GetSpan() => new((void*)start, bytes);

        public override System.Buffers.MemoryHandle Pin(int elementIndex = 0) => new((byte*)start + elementIndex); // SAFETY: never moves

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
