using Vitrine.Codecs.H264;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Imaging.Colour;
using Vitrine.Wire;
using DecodeStatus = Vitrine.Codecs.Tiles.DecodeStatus;

namespace Vitrine.Codecs.Regions;

/// <summary>What a viewer has done with video since its start.</summary>
/// <param name="Decoded">Access units shown.</param>
/// <param name="Skipped">Access units not decoded because the chain was broken, or because no decoder opens any more.</param>
/// <param name="Resets">Times a decoder did not take an access unit.</param>
/// <param name="Bytes">Of all access units.</param>
public readonly record struct VideoDecodeCounts(long Decoded, long Skipped, long Resets, long Bytes);

/// <summary>A region as a viewer knows it.</summary>
/// <param name="Number">Of the region.</param>
/// <param name="Bounds">Its rectangle.</param>
/// <param name="CoveredTiles">Tiles of it that show video.</param>
public readonly record struct ShownRegion(ushort Number, DeviceRectangle Bounds, int CoveredTiles);

/// <summary>What a viewer shows: the tile plane, and video where a region covers it (<c>docs/design/004-motion.md</c>).</summary>
/// <remarks>One thread. While nothing was ever covered it costs nothing beyond the <see cref="TileDecoder"/>.</remarks>
public sealed class PictureDecoder : IDisposable
{
    private const long KeyFrameAskNs = 250_000_000;

    private readonly TileDecoder _tiles = new();
    private readonly TimeProvider _time;
    private readonly H264DecoderOpener _openDecoder;
    private readonly Chain?[] _chains = new Chain?[RegionsReader.RegionsMax];
    private readonly DamageRegion _exposed = new();
    private readonly Queue<KeyFrameRequest> _asked = new();
    private byte[] _half = [];
    private VideoPlane? _plane;
    private MappedMemory? _shown;

    /// <summary>Makes a decoder without a picture.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="openDecoder">Opens a decoder for each region of video; null: <see cref="H264Decoder.TryCreate"/>.</param>
    /// <exception cref="DllNotFoundException">liblz4 is missing; the message names the package.</exception>
    public PictureDecoder(TimeProvider time, H264DecoderOpener? openDecoder = null) => (_time, _openDecoder) = (time, openDecoder ?? H264Decoder.TryCreate);

    /// <summary>Of the picture; 0x0 before <see cref="Reset"/>.</summary>
    public DeviceSize Size => _tiles.Size;

    /// <summary>Of the picture.</summary>
    public uint Generation => _tiles.Generation;

    /// <summary>What is shown: B, G, R, X; rows from the top, no padding.</summary>
    public Span<byte> Picture => _shown is null ? _tiles.Picture : _shown.GetSpan();

    /// <summary>Whether the last packet applied was the last of its frame.</summary>
    public bool IsFrameComplete { get; private set; }

    /// <summary>When the host first knew of the change, host's clock; 0 when the frame shows none.</summary>
    public long OriginNs { get; private set; }

    /// <summary>When the pixels were in the host's memory, host's clock; 0 with <see cref="OriginNs"/> 0.</summary>
    public long CapturedNs { get; private set; }

    /// <summary>When the frame was coded, host's clock; 0 with <see cref="OriginNs"/> 0.</summary>
    public long EncodedNs { get; private set; }

    /// <summary>What was done with video.</summary>
    public VideoDecodeCounts Counts { get; private set; }

    /// <summary>Why no decoder opens, for people; empty while they do. From then on video is skipped and no key frame is asked for: the host
    /// is to be asked for tiles (<see cref="CapabilitiesMessage"/>).</summary>
    public string VideoFailure { get; private set; } = "";

    /// <summary>Regions now.</summary>
    public IReadOnlyList<ShownRegion> Regions { get; private set; } = [];

    /// <summary>A new generation: forgets the picture and starts with zeros.</summary>
    public void Reset(DeviceSize size, uint generation)
    {
        _tiles.Reset(size, generation);
        DropVideo();
        _plane = size == default ? null : new(size);
        (IsFrameComplete, OriginNs, CapturedNs, EncodedNs) = (false, 0, 0, 0);
    }

    /// <summary>Whether a pixel shows video.</summary>
    public bool IsCovered(DevicePoint pixel)
    {
        if (_plane is null || !DeviceRectangle.Of(Size).Contains(pixel))
        {
            return false;
        }

        int tile = (pixel.Y / TileGrid.TilePixels * TileGrid.Columns(Size)) + (pixel.X / TileGrid.TilePixels);
        return _plane.CoverOf(tile) != TileCover.None && _plane.BoundsOf(_plane.OwnerOf(tile)).Contains(pixel);
    }

    /// <summary>A key frame that the host is to be asked for.</summary>
    public bool TryTakeKeyFrameRequest(out KeyFrameRequest request) => _asked.TryDequeue(out request);

    /// <summary>Applies one packet.</summary>
    /// <param name="header">As <see cref="PacketHeader.TryRead"/> gave it.</param>
    /// <param name="payload">Exactly <see cref="PacketHeader.PayloadBytes"/> long; borrowed.</param>
    public DecodeStatus Apply(in PacketHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.Type is PacketType.Regions or PacketType.Video)
        {
            if (payload.Length != header.PayloadBytes || FramePrefix.TryRead(payload, out FramePrefix prefix) != WireStatus.Ok)
            {
                return DecodeStatus.Malformed;
            }

            if (_plane is null || prefix.Generation != Generation)
            {
                return DecodeStatus.Skipped;
            }

            WireStatus status = header.Type == PacketType.Regions ? ApplyRegions(payload) : ApplyVideo(payload);
            if (status != WireStatus.Ok)
            {
                return DecodeStatus.Malformed;
            }

            OriginNs = header.OriginNs;
            (CapturedNs, EncodedNs) = OriginNs == 0 ? (0, 0) : (OriginNs + prefix.CapturedAfterNs, OriginNs + prefix.EncodedAfterNs);
        }
        else
        {
            DecodeStatus status = _tiles.Apply(header, payload);
            if (status != DecodeStatus.Ok)
            {
                return status;
            }

            (OriginNs, CapturedNs, EncodedNs) = (_tiles.OriginNs, _tiles.CapturedNs, _tiles.EncodedNs);
            if (_shown is not null)
            {
                foreach (DeviceRectangle rectangle in _tiles.FrameDamage.Rectangles)
                {
                    _exposed.Add(rectangle);
                }
            }
        }

        IsFrameComplete = (header.Flags & PacketFlags.More) == 0;
        if (IsFrameComplete)
        {
            _tiles.EndFrame();
            ShowExposed();
        }

        return DecodeStatus.Ok;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        DropVideo();
        _tiles.Dispose();
    }

    private WireStatus ApplyRegions(ReadOnlySpan<byte> payload)
    {
        WireStatus status = RegionsReader.TryRead(payload, Size, out RegionsReader reader);
        if (status != WireStatus.Ok)
        {
            return status;
        }

        // What was covered is looked at again; what is covered still stays as it is.
        VideoPlane plane = _plane!;
        int columns = TileGrid.Columns(Size), tiles = columns * TileGrid.Rows(Size);
        for (int tile = 0; tile < tiles && plane.IsCovering; tile++)
        {
            if (plane.CoverOf(tile) != TileCover.None)
            {
                _exposed.Add(plane.TileBounds(tile));
            }
        }

        List<ShownRegion> regions = [];
        plane.Clear();
        for (int slot = 0; reader.TryReadNext(out RegionRecord region); slot++)
        {
            plane.Set(slot, region.Region, region.Bounds);
            DeviceRectangle touched = RegionRecord.TilesOf(region.Bounds);
            int covered = 0;
            for (int row = touched.Y; row < touched.Bottom; row++)
            {
                for (int column = touched.X; column < touched.Right; column++)
                {
                    bool isCovered = region.Covers(column, row);
                    plane.SetCover((row * columns) + column, isCovered);
                    covered += isCovered ? 1 : 0;
                }
            }

            regions.Add(new(region.Region, region.Bounds, covered));
        }

        Regions = regions;
        for (int i = 0; i < _chains.Length; i++)
        {
            if (_chains[i] is { } chain && !regions.Exists(region => region.Number == chain.Region))
            {
                chain.Dispose();
                _chains[i] = null;
            }
        }

        if (plane.IsCovering && _shown is null)
        {
            _shown = new("vitrine-shown", (int)FrameFormat.Packed(Size).SizeBytes);
            _tiles.Picture.CopyTo(_shown.GetSpan());
        }

        return WireStatus.Ok;
    }

    private WireStatus ApplyVideo(ReadOnlySpan<byte> payload)
    {
        WireStatus status = VideoPacket.TryRead(payload, Size, out VideoPacket packet);
        if (status != WireStatus.Ok)
        {
            return status;
        }

        VideoHead head = packet.Head;
        if (head.Codec != VideoCodec.H264 || !Regions.Any(region => region.Number == head.Region))
        {
            return WireStatus.Ok;
        }

        Counts = Counts with { Bytes = Counts.Bytes + packet.Data.Length };
        if (VideoFailure.Length > 0)
        {
            Counts = Counts with { Skipped = Counts.Skipped + 1 };
            return WireStatus.Ok;
        }

        Chain chain = ChainOf(head.Region);
        bool isNext = chain.Stream == head.Stream && head.Number == chain.Number + 1 && !chain.IsBroken;
        if (!isNext && !head.IsKeyFrame)
        {
            Counts = Counts with { Skipped = Counts.Skipped + 1 };
            Ask(chain, KeyFrameReason.Missing);
            return WireStatus.Ok;
        }

        (chain.Stream, chain.Number, chain.IsBroken) = (head.Stream, head.Number, false);
        if (chain.Decoder is null && (chain.Decoder = _openDecoder(out string reason)) is null)
        {
            GiveUpVideo(reason);
            return WireStatus.Ok;
        }

        H264.DecodeStatus decoded = chain.Decoder.Decode(packet.Data, out YuvPicture picture);
        if (decoded == H264.DecodeStatus.Decoded && Holds(picture.Size, head.ShownSize))
        {
            Show(head, picture);
            Counts = Counts with { Decoded = Counts.Decoded + 1 };
        }
        else if (decoded != H264.DecodeStatus.NeedsMore)
        {
            Counts = Counts with { Resets = Counts.Resets + 1 };
            chain.Dispose();
            Ask(chain, KeyFrameReason.DecoderError);
        }

        return WireStatus.Ok;
    }

    /// <summary>What is covered keeps what it shows, until the host says that nothing is.</summary>
    private void GiveUpVideo(string reason)
    {
        VideoFailure = reason;
        Counts = Counts with { Skipped = Counts.Skipped + 1 };
        CloseDecoders();
        _asked.Clear();
    }

    /// <summary>Draws a picture where its region covers the tile plane now.</summary>
    private void Show(in VideoHead head, YuvPicture picture)
    {
        if (_shown is null || _plane is null)
        {
            return;
        }

        bool isHalf = (head.Flags & VideoFlags.HalfSize) != 0;
        int strideBytes = Size.Width * FrameFormat.BytesPerPixel, columns = TileGrid.Columns(Size);
        Span<byte> shown = _shown.GetSpan();
        int halfStrideBytes = head.ShownSize.Width * FrameFormat.BytesPerPixel;
        if (isHalf)
        {
            int bytes = halfStrideBytes * head.ShownSize.Height;
            _half = _half.Length < bytes ? new byte[bytes] : _half;
            ColourConverter.ToBgra(picture.Crop(DeviceRectangle.Of(head.ShownSize)), _half, halfStrideBytes, VideoColours.Matrix, VideoColours.Range);
        }

        DeviceRectangle touched = RegionRecord.TilesOf(head.Bounds);
        for (int row = touched.Y; row < touched.Bottom; row++)
        {
            for (int column = touched.X; column < touched.Right; column++)
            {
                // A run of covered tiles is converted at once. The plane may say another rectangle than the access unit by now.
                int first = column;
                DeviceRectangle run = default;
                while (column < touched.Right && _plane.CoverOf((row * columns) + column) is not TileCover.None and var cover)
                {
                    int tile = (row * columns) + column;
                    DeviceRectangle part = _plane.TileBounds(tile).Intersect(_plane.BoundsOf(_plane.OwnerOf(tile))).Intersect(head.Bounds);
                    run = run.Union(part);
                    column++;
                }

                if (run.IsEmpty)
                {
                    column = Math.Max(column, first);
                    continue;
                }

                Span<byte> to = shown[((run.Y * strideBytes) + (run.X * FrameFormat.BytesPerPixel))..];
                DeviceRectangle from = run.Offset(-head.Bounds.X, -head.Bounds.Y);
                if (isHalf)
                {
                    ShowHalf(from, halfStrideBytes, to, strideBytes);
                }
                else
                {
                    ColourConverter.ToBgra(picture.Crop(from), to, strideBytes, VideoColours.Matrix, VideoColours.Range);
                }
            }
        }
    }

    /// <summary>Every pixel of the coded picture becomes two by two: no person looks at this viewer.</summary>
    private void ShowHalf(DeviceRectangle from, int halfStrideBytes, Span<byte> to, int strideBytes)
    {
        for (int y = 0; y < from.Height; y++)
        {
            ReadOnlySpan<byte> half = _half.AsSpan((from.Y + y) / 2 * halfStrideBytes, halfStrideBytes);
            for (int x = 0; x < from.Width; x++)
            {
                half.Slice((from.X + x) / 2 * FrameFormat.BytesPerPixel, FrameFormat.BytesPerPixel)
                    .CopyTo(to[((y * strideBytes) + (x * FrameFormat.BytesPerPixel))..]);
            }
        }
    }

    /// <summary>Copies from the tile plane what is not covered.</summary>
    private void ShowExposed()
    {
        if (_shown is null)
        {
            _exposed.Clear();
            return;
        }

        foreach (DeviceRectangle rectangle in _exposed.Rectangles)
        {
            DeviceRectangle touched = RegionRecord.TilesOf(rectangle);
            for (int row = touched.Y; row < touched.Bottom; row++)
            {
                for (int column = touched.X; column < touched.Right; column++)
                {
                    int tile = (row * TileGrid.Columns(Size)) + column;
                    DeviceRectangle part = _plane!.TileBounds(tile);
                    DeviceRectangle hole = _plane.CoverOf(tile) == TileCover.None ? default : _plane.BoundsOf(_plane.OwnerOf(tile)).Intersect(part);
                    if (hole.IsEmpty)
                    {
                        CopyTiles(part);
                    }
                    else
                    {
                        CopyTiles(new(part.X, part.Y, part.Width, hole.Y - part.Y));
                        CopyTiles(new(part.X, hole.Bottom, part.Width, part.Bottom - hole.Bottom));
                        CopyTiles(new(part.X, hole.Y, hole.X - part.X, hole.Height));
                        CopyTiles(new(hole.Right, hole.Y, part.Right - hole.Right, hole.Height));
                    }
                }
            }
        }

        _exposed.Clear();
    }

    private void CopyTiles(DeviceRectangle area)
    {
        int strideBytes = Size.Width * FrameFormat.BytesPerPixel;
        for (int y = area.Y; y < area.Bottom && area.Width > 0; y++)
        {
            int offset = (y * strideBytes) + (area.X * FrameFormat.BytesPerPixel);
            _tiles.Picture.Slice(offset, area.Width * FrameFormat.BytesPerPixel).CopyTo(_shown!.GetSpan()[offset..]);
        }
    }

    private void Ask(Chain chain, KeyFrameReason reason)
    {
        chain.IsBroken = true;
        long nowNs = _time.GetMonotonicNanoseconds();
        if (nowNs - chain.AskedNs >= KeyFrameAskNs)
        {
            chain.AskedNs = nowNs;
            _asked.Enqueue(new(chain.Region, reason));
        }
    }

    private Chain ChainOf(ushort region)
    {
        int free = -1;
        for (int i = 0; i < _chains.Length; i++)
        {
            if (_chains[i]?.Region == region)
            {
                return _chains[i]!;
            }

            free = _chains[i] is null ? i : free;
        }

        return _chains[free] = new() { Region = region }; // as many as regions: one is free
    }

    private void CloseDecoders()
    {
        for (int i = 0; i < _chains.Length; i++)
        {
            _chains[i]?.Dispose();
            _chains[i] = null;
        }
    }

    private void DropVideo()
    {
        CloseDecoders();
        Regions = [];
        _asked.Clear();
        _exposed.Clear();
        ((IDisposable?)_shown)?.Dispose();
        (_shown, _plane) = (null, null);
    }

    private static bool Holds(DeviceSize size, DeviceSize part) => size.Width >= part.Width && size.Height >= part.Height;

    private sealed class Chain : IDisposable
    {
        public ushort Region;
        public uint Stream;
        public uint Number;
        public bool IsBroken;
        public long AskedNs;
        public H264Decoder? Decoder;

        public void Dispose()
        {
            Decoder?.Dispose();
            Decoder = null;
        }
    }
}
