using System.Numerics;
using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Codecs.Tiles;

/// <summary>Finds content that moved: a scroll in any direction, a dragged window.
/// 1. Fingerprints: in some rows of the new picture, strips of 32 pixels whose hash says «take me» (one position in 32),
///    that changed, and that are there once.
/// 2. Votes: the same strips are looked for in every row of the old picture; each find votes for the distance it moved.
/// 3. Proof: for the distances with most votes, a rectangle is grown around a strip, comparing every pixel.</summary>
/// <remarks>Work is linear in the box: about a cycle a pixel for each of the two hashes' rows and one comparison a candidate,
/// of which there are <see cref="CandidatesMax"/>. Tables have a fixed size; what does not fit is not found, never wrong.</remarks>
internal sealed class MoveFinder(DeviceSize size)
{
    private const int CandidatesMax = 4;
    private const int VotesMin = 3;

    // Rows of the new picture that strips are taken from, and strips a row: 64 x 8 = 512 fill half of the table.
    private const int SampledRows = 64;
    private const int StripsPerRow = 8;
    private const int StripSlots = 1024;
    private const int VoteSlots = 512;

    // A move that makes fewer whole tiles right costs viewers more than it saves.
    private const int TilesMin = 3;

    private readonly Strip[] _strips = new Strip[StripSlots];
    private readonly Vote[] _votes = new Vote[VoteSlots];
    private readonly uint[] _hashes = new uint[size.Width];

    /// <summary>Finds moves and carries them out in the reference.</summary>
    /// <param name="frame">The new picture.</param>
    /// <param name="reference">The picture that viewers have; moved in place.</param>
    /// <param name="box">Where to look: sources and destinations lie within.</param>
    /// <param name="isChanged">For every tile of the picture, 1 when it differs.</param>
    /// <param name="moves">Filled with what was done, in order.</param>
    /// <returns>Number of moves.</returns>
    public int FindMoves(PictureView frame, PictureView reference, DeviceRectangle box, ReadOnlySpan<byte> isChanged, Span<CopyRecord> moves)
    {
        if (box.Width < PixelKernels.StripPixels || moves.IsEmpty || !CollectStrips(frame, reference, box))
        {
            return 0;
        }

        CollectVotes(reference, box);
        int count = 0;
        for (int candidate = 0; candidate < CandidatesMax && count < moves.Length; candidate++)
        {
            ref Vote best = ref _votes[0];
            foreach (ref Vote vote in _votes.AsSpan())
            {
                if (vote.Count > best.Count)
                {
                    best = ref vote;
                }
            }

            if (best.Count < VotesMin)
            {
                break;
            }

            best.Count = 0;
            foreach (DevicePoint strip in (ReadOnlySpan<DevicePoint>)[best.First, best.Second, best.Fourth, best.Eighth])
            {
                DeviceRectangle grown = Grow(frame, reference, box, strip, best.Dx, best.Dy);
                if (count < moves.Length && CountChangedTiles(grown, isChanged) >= TilesMin)
                {
                    moves[count] = new(grown.Offset(-best.Dx, -best.Dy), new(grown.X, grown.Y));
                    reference.Move(in moves[count]);
                    count++;
                }
            }
        }

        return count;
    }

    private bool CollectStrips(PictureView frame, PictureView reference, DeviceRectangle box)
    {
        Array.Clear(_strips);
        Span<uint> hashes = _hashes.AsSpan(0, box.Width);
        ReadOnlySpan<uint> valid = hashes[..(box.Width - PixelKernels.StripPixels + 1)];
        int step = Math.Max(1, box.Height / SampledRows);
        // Strips of a row are spread over its width: content is often repeated side by side, seldom far apart.
        int gap = Math.Max(1, valid.Length / StripsPerRow);
        bool any = false;
        for (int y = box.Y; y < box.Bottom; y += step)
        {
            ReadOnlySpan<uint> row = frame.Row(box.X, y, box.Width), old = reference.Row(box.X, y, box.Width);
            if (PixelKernels.EqualFromLeft(row, old) == box.Width)
            {
                continue;
            }

            PixelKernels.HashStrips(row, hashes);
            int x = 0, taken = 0;
            while (taken < StripsPerRow && (x = PixelKernels.NextFingerprint(valid, x)) < valid.Length)
            {
                ReadOnlySpan<uint> strip = row.Slice(x, PixelKernels.StripPixels);
                if (PixelKernels.EqualFromLeft(strip[1..], strip[..^1]) == strip.Length - 1)
                {
                    // One colour: on to where it ends.
                    uint colour = strip[0];
                    int rest = row[x..].IndexOfAnyExcept(colour);
                    x = rest < 0 ? valid.Length : x + Math.Max(1, rest - PixelKernels.StripPixels + 1);
                }
                else if (PixelKernels.EqualFromLeft(strip, old.Slice(x, strip.Length)) == strip.Length)
                {
                    x++; // has not moved
                }
                else
                {
                    any |= AddStrip(valid[x], new(box.X + x, y));
                    taken++;
                    x += gap;
                }
            }
        }

        return any;
    }

    private bool AddStrip(uint hash, DevicePoint place)
    {
        for (int probe = 0; probe < 8; probe++)
        {
            ref Strip slot = ref _strips[(hash + (uint)probe) % StripSlots];
            if (slot.State == StripState.Empty)
            {
                slot = new() { Hash = hash, Place = place, State = StripState.Once };
                return true;
            }

            if (slot.Hash == hash)
            {
                slot.State = StripState.Repeated;
                return false;
            }
        }

        return false;
    }

    private void CollectVotes(PictureView reference, DeviceRectangle box)
    {
        Array.Clear(_votes);
        Span<uint> hashes = _hashes.AsSpan(0, box.Width);
        ReadOnlySpan<uint> valid = hashes[..(box.Width - PixelKernels.StripPixels + 1)];
        for (int y = box.Y; y < box.Bottom; y++)
        {
            PixelKernels.HashStrips(reference.Row(box.X, y, box.Width), hashes);
            uint previous = PixelKernels.FingerprintLimit; // no fingerprint
            for (int x = 0; (x = PixelKernels.NextFingerprint(valid, x)) < valid.Length; x++)
            {
                uint hash = valid[x];
                if (hash == previous)
                {
                    continue; // one colour, whose hash happens to be a fingerprint: a whole area of them says nothing
                }

                previous = hash;
                for (int probe = 0; probe < 8; probe++)
                {
                    ref readonly Strip slot = ref _strips[(hash + (uint)probe) % StripSlots];
                    if (slot.State == StripState.Empty)
                    {
                        break;
                    }

                    if (slot.Hash == hash)
                    {
                        if (slot.State == StripState.Once)
                        {
                            AddVote(slot.Place, slot.Place.X - box.X - x, slot.Place.Y - y);
                        }

                        break;
                    }
                }
            }
        }
    }

    private void AddVote(DevicePoint place, int dx, int dy)
    {
        if (dx == 0 && dy == 0)
        {
            return;
        }

        uint start = unchecked(((uint)dx * 0x9E37_79B1) ^ ((uint)dy * 0x85EB_CA77)) >> 16;
        for (int probe = 0; probe < 8; probe++)
        {
            ref Vote vote = ref _votes[(start + (uint)probe) % VoteSlots];
            if (vote.Count == 0)
            {
                vote = new() { Count = 1, Dx = dx, Dy = dy, First = place, Second = place, Fourth = place, Eighth = place };
                return;
            }

            if (vote.Dx == dx && vote.Dy == dy)
            {
                vote.Count++;
                // Strips from different places, so that a pane each side of something that stands still is found.
                switch (vote.Count)
                {
                    case 2:
                        vote.Second = place;
                        break;
                    case 4:
                        vote.Fourth = place;
                        break;
                    default:
                        if (BitOperations.IsPow2(vote.Count))
                        {
                            vote.Eighth = place;
                        }

                        break;
                }

                return;
            }
        }
    }

    /// <summary>The largest rectangle found that holds the strip and is in the reference, (dx, dy) away; empty when the strip
    /// is right already or is not there.</summary>
    private static DeviceRectangle Grow(PictureView frame, PictureView reference, DeviceRectangle box, DevicePoint strip, int dx, int dy)
    {
        DeviceRectangle room = box.Intersect(box.Offset(dx, dy));
        if (!room.Contains(new DeviceRectangle(strip.X, strip.Y, PixelKernels.StripPixels, 1))
            || PixelKernels.EqualFromLeft(frame.Row(strip.X, strip.Y, PixelKernels.StripPixels), reference.Row(strip.X, strip.Y, PixelKernels.StripPixels)) == PixelKernels.StripPixels)
        {
            return default;
        }

        int centre = strip.X + (PixelKernels.StripPixels / 2);
        (int left, int right) = RunAround(frame, reference, centre, strip.Y, room.X, room.Right, dx, dy);
        int top = strip.Y, bottom = strip.Y + 1;
        DeviceRectangle best = new(left, top, right - left, 1);

        // Row by row to the side that stays wider; the widest rectangle so far is kept, so that a narrow end does no harm.
        (int Left, int Right) above = default, below = default;
        bool isAboveKnown = false, isBelowKnown = false;
        while (right - left >= PixelKernels.StripPixels / 2)
        {
            if (!isAboveKnown)
            {
                above = top > room.Y ? RunAround(frame, reference, centre, top - 1, left, right, dx, dy) : default;
                isAboveKnown = true;
            }

            if (!isBelowKnown)
            {
                below = bottom < room.Bottom ? RunAround(frame, reference, centre, bottom, left, right, dx, dy) : default;
                isBelowKnown = true;
            }

            above = (Math.Max(above.Left, left), Math.Min(above.Right, right));
            below = (Math.Max(below.Left, left), Math.Min(below.Right, right));
            if (above.Right - above.Left >= below.Right - below.Left)
            {
                (left, right) = above;
                top--;
                isAboveKnown = false;
            }
            else
            {
                (left, right) = below;
                bottom++;
                isBelowKnown = false;
            }

            if ((long)(right - left) * (bottom - top) > best.Area)
            {
                best = new(left, top, right - left, bottom - top);
            }
        }

        return best;
    }

    /// <summary>The pixels around a column of a row that are the same as in the reference, (dx, dy) away.</summary>
    private static (int Left, int Right) RunAround(PictureView frame, PictureView reference, int centre, int y, int left, int right, int dx, int dy)
    {
        if (centre < left || centre >= right)
        {
            return default;
        }

        int toRight = PixelKernels.EqualFromLeft(frame.Row(centre, y, right - centre), reference.Row(centre - dx, y - dy, right - centre));
        if (toRight == 0)
        {
            return default;
        }

        int toLeft = PixelKernels.EqualFromRight(frame.Row(left, y, centre - left), reference.Row(left - dx, y - dy, centre - left));
        return (centre - toLeft, centre + toRight);
    }

    private int CountChangedTiles(DeviceRectangle rectangle, ReadOnlySpan<byte> isChanged)
    {
        // A tile of the last column or row counts when what there is of it lies within.
        int left = (rectangle.X + TileGrid.TilePixels - 1) / TileGrid.TilePixels, top = (rectangle.Y + TileGrid.TilePixels - 1) / TileGrid.TilePixels;
        int right = rectangle.Right == size.Width ? TileGrid.Columns(size) : rectangle.Right / TileGrid.TilePixels;
        int bottom = rectangle.Bottom == size.Height ? TileGrid.Rows(size) : rectangle.Bottom / TileGrid.TilePixels;
        int count = 0;
        for (int row = top; row < bottom && right > left; row++)
        {
            count += isChanged.Slice((row * TileGrid.Columns(size)) + left, right - left).Count((byte)1);
        }

        return count;
    }

    private enum StripState : byte
    {
        Empty = 0,
        Once = 1,
        Repeated = 2,
    }

    private struct Strip
    {
        public uint Hash;
        public DevicePoint Place;
        public StripState State;
    }

    private struct Vote
    {
        public int Count;
        public int Dx;
        public int Dy;
        public DevicePoint First;
        public DevicePoint Second;
        public DevicePoint Fourth;
        public DevicePoint Eighth;
    }
}
