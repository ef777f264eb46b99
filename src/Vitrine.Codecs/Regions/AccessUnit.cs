using Vitrine.Codecs.Tiles;
using Vitrine.Wire;

namespace Vitrine.Codecs.Regions;

/// <summary>One coded picture of a stream; shared by the store and by the snapshots that are being sent. Its bytes lie in buffers of the
/// tiles' pool: key frames are many times as large as other pictures, and buffers of its own would all become as large as they are.</summary>
internal sealed class AccessUnit
{
    private const int PiecesMax = (VideoPacket.DataBytesMax + TileGrid.TileBytesMax - 1) / TileGrid.TileBytesMax;

    private readonly List<CodedTile> _pieces = new(PiecesMax);

    public int Length;
    public int References;
    public VideoHead Head;
    public long OriginNs;
    public long CapturedNs;
    public long EncodedNs;

    /// <summary>Buffers that it has.</summary>
    public int PieceCount => _pieces.Count;

    /// <summary>Takes a copy of the data, with one reference.</summary>
    public void Set(CodedTilePool pool, in VideoHead head, ReadOnlySpan<byte> data, UnitTimes times)
    {
        (Length, References, Head, OriginNs, CapturedNs, EncodedNs) = (data.Length, 1, head, times.OriginNs, times.CapturedNs, times.EncodedNs);
        while (data.Length > 0)
        {
            CodedTile piece = pool.Rent(Math.Min(data.Length, TileGrid.TileBytesMax));
            data[..piece.Bytes.Length].CopyTo(piece.Bytes);
            data = data[piece.Bytes.Length..];
            _pieces.Add(piece);
        }
    }

    /// <summary>Gives the buffers back.</summary>
    public void Empty(CodedTilePool pool)
    {
        foreach (CodedTile piece in _pieces)
        {
            pool.Return(piece);
        }

        _pieces.Clear();
    }

    /// <summary>Writes its bytes; the destination is at least <see cref="Length"/> long.</summary>
    public void CopyTo(Span<byte> destination)
    {
        foreach (CodedTile piece in _pieces)
        {
            piece.Bytes.CopyTo(destination);
            destination = destination[piece.Bytes.Length..];
        }
    }
}
