using Vitrine.Frames;
using Vitrine.Imaging.Colour;

namespace Vitrine.Lab.Colour;

/// <summary>One conversion at one size: every kernel that the machine has and libyuv, one after the other, round after round;
/// who begins changes with the round. All work on the same memory.</summary>
internal sealed class ConvertRounds
{
    // Ten times slower than the others and held against no goal: in few rounds, so that they do not take all the time.
    private const int RoundsOfSlowMax = 3;

    private readonly Conversion _conversion;
    private readonly PictureMemory _memory;
    private readonly TimeProvider _time;
    private readonly List<Contestant> _contestants = [];
    private readonly Contestant? _peer;
    private readonly double? _differenceFromPeer;

    public ConvertRounds(Conversion conversion, PictureMemory memory, nint library, TimeProvider time)
    {
        (_conversion, _memory, _time) = (conversion, memory, time);
        foreach (KernelSet set in KernelSets.Available)
        {
            var kernels = ColourKernels.Of(set);
            _contestants.Add(new(KernelSets.NameOf(set), set, () => conversion.Run(kernels, memory)));
        }

        if (library != 0)
        {
            nint constants = conversion.PeerConstants(library);
            _peer = new("libyuv", null, () => conversion.RunPeer(constants, memory));
            _contestants.Add(_peer);
            _differenceFromPeer = Difference();
        }
    }

    /// <summary>Runs all contestants.</summary>
    /// <param name="rounds">How often.</param>
    /// <param name="passes">Conversions of each contestant in a round.</param>
    /// <param name="cancellationToken">Ends it between two contestants.</param>
    public void Run(int rounds, int passes, CancellationToken cancellationToken)
    {
        for (int round = -1; round < rounds; round++)
        {
            for (int i = 0; i < _contestants.Count; i++)
            {
                Contestant contestant = _contestants[(i + Math.Max(round, 0)) % _contestants.Count];
                if (round >= RoundsOfSlowMax && contestant.Set is KernelSet.Scalar or KernelSet.Vector128)
                {
                    continue;
                }

                cancellationToken.ThrowIfCancellationRequested();
                contestant.Run(contestant.Set == KernelSet.Scalar ? 1 : passes, round < 0, _time);
            }
        }
    }

    /// <summary>Cases and ratios.</summary>
    /// <param name="run">Where to.</param>
    /// <param name="isBand">Whether it all fits into the second-level cache, so that arithmetic counts and memory does not.</param>
    /// <returns>The most that any kernel allocated for a conversion, in bytes.</returns>
    public double Report(RunBuilder run, bool isBand)
    {
        foreach (Contestant contestant in _contestants)
        {
            Dictionary<string, string> parameters = contestant == _peer ? new() { ["function"] = _conversion.PeerFunction } : [];
            Dictionary<string, double> metrics = new()
            {
                ["megapixelsPerSecond"] = Math.Round(_memory.Size.Area / 1e3 / (contestant.Series.All.P50Ns / 1e6)),
            };
            if (contestant != _peer)
            {
                metrics["allocatedBytesPerFrame"] = contestant.AllocatedBytesPerPass;
                if (_differenceFromPeer is { } levels)
                {
                    metrics["maxLevelsFromLibyuv"] = levels;
                }
            }

            run.Add(contestant.Series.ToCase(NameOf(contestant), parameters, metrics));
        }

        KernelSet best = KernelSets.Available[^1];
        foreach (Contestant contestant in _contestants)
        {
            if (_peer is not null && contestant.Set is { } set)
            {
                double? goal = (isBand, set) switch
                {
                    (true, KernelSet.Avx512) => 1 / 2.0,
                    (true, KernelSet.Avx2) => 1 / 1.1,
                    (false, _) when set == best => 1 / 1.1,
                    _ => null,
                };
                run.AddRatio($"{NameOf(contestant)} vs libyuv", contestant.Series.MediansMs, _peer.Series.MediansMs, goal);
            }
        }

        return _contestants.Where(contestant => contestant != _peer).Max(contestant => contestant.AllocatedBytesPerPass);
    }

    private string NameOf(Contestant contestant) => $"{_conversion.Name}.{contestant.Name}/{_memory.Size}";

    // Proof that both sides do the same work. libyuv's own coefficients differ a little.
    private double Difference()
    {
        _contestants[0].Once();
        byte[] ours = Result().ToArray();
        _peer!.Once();
        ReadOnlySpan<byte> theirs = Result();
        int most = 0;
        for (int i = 0; i < ours.Length; i++)
        {
            most = Math.Max(most, Math.Abs(ours[i] - theirs[i]));
        }

        return most;
    }

    // What is not part of the layout stays what it was for both.
    private ReadOnlySpan<byte> Result() => _conversion.ToPixels ? _memory.Pixels : _memory.Planes;

    private sealed class Contestant(string name, KernelSet? set, Action once)
    {
        private long _allocatedBytes;
        private long _passes;

        public string Name { get; } = name;

        public KernelSet? Set { get; } = set;

        public Action Once { get; } = once;

        public RoundSeries Series { get; } = new();

        public double AllocatedBytesPerPass => _passes == 0 ? 0 : (double)_allocatedBytes / _passes;

        public void Run(int passes, bool warm, TimeProvider time)
        {
            // The first pass finds in the caches what the one before left there; it is not counted.
            Once();
            long allocated = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < passes; i++)
            {
                long start = time.GetMonotonicNanoseconds();
                Once();
                long end = time.GetMonotonicNanoseconds();
                if (!warm)
                {
                    Series.Record(end - start);
                }
            }

            if (!warm)
            {
                _allocatedBytes += GC.GetAllocatedBytesForCurrentThread() - allocated;
                _passes += passes;
                Series.EndRound();
            }
        }
    }
}
