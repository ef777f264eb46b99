using Vitrine.Wire;

namespace Vitrine.Codecs.Regions;

/// <summary>How far one viewer is in the stream of every region, and which quality it gets.</summary>
/// <remarks>Written by <see cref="Tiles.TileStore.TakeSnapshot"/>; <see cref="Reset"/> and <see cref="Break"/> are for the same
/// thread. <see cref="Quality"/> may be set by another one.</remarks>
public sealed class VideoChains
{
    private readonly Chain[] _chains = new Chain[RegionsReader.RegionsMax];
    private volatile int _quality;

    /// <summary>0: the first quality; 1: the second.</summary>
    public int Quality
    {
        get => _quality;
        set => _quality = value;
    }

    /// <summary>Forgets everything: the viewer's decoders know nothing any more.</summary>
    public void Reset() => Array.Clear(_chains);

    /// <summary>The viewer's decoder of a region lost its chain: nothing before the next key frame is of use to it.</summary>
    /// <returns>False when it has no chain of that region.</returns>
    public bool Break(ushort region)
    {
        foreach (ref Chain chain in _chains.AsSpan())
        {
            if (chain.Stream != 0 && chain.Region == region)
            {
                chain.IsBroken = true;
                return true;
            }
        }

        return false;
    }

    internal ref Chain this[int slot] => ref _chains[slot];

    internal struct Chain
    {
        public ushort Region;

        /// <summary>0: none.</summary>
        public uint Stream;

        /// <summary>Of the last access unit taken.</summary>
        public uint Number;

        /// <summary>The next one taken must be a key frame after <see cref="Number"/>.</summary>
        public bool IsBroken;
    }
}
