using Vitrine.Codecs.H264;
using Vitrine.Codecs.Regions;
using Vitrine.Codecs.Tests.Tiles;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Wire;
using DecodeStatus = Vitrine.Codecs.Tiles.DecodeStatus;

namespace Vitrine.Codecs.Tests.Regions;

/// <summary>A viewer that decodes video, or does not, fed through real packets.</summary>
internal sealed class VideoViewer : IDisposable
{
    private readonly byte[] _packet = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer];
    private readonly TileStore _store;
    private readonly TileSnapshot _snapshot = new();
    private uint _since;
    private bool _endsVideo;

    public VideoViewer(TileStore store, TimeProvider time, bool decodesVideo, DeviceRectangle? interest = null, H264DecoderOpener? openDecoder = null)
    {
        (_store, Interest) = (store, interest ?? DeviceRectangle.Of(store.Size));
        Chains = decodesVideo ? new() : null;
        Decoder = new(time, openDecoder);
        Decoder.Reset(store.Size, store.Generation);
    }

    public DeviceRectangle Interest { get; }

    public VideoChains? Chains { get; private set; }

    public PictureDecoder Decoder { get; }

    public int RegionsPackets { get; private set; }

    public int VideoPackets { get; private set; }

    /// <summary>Key frames that the decoder asked for.</summary>
    public int KeyFramesAsked { get; private set; }

    public long Bytes { get; private set; }

    /// <summary>Loses every packet of video for which it is true: what a broken path would do.</summary>
    public Func<VideoHead, bool> Loses { get; set; } = _ => false;

    /// <summary>Tells the host that video is not decoded any more.</summary>
    public void WithdrawVideo() => (Chains, _since, _endsVideo) = (null, 0, true);

    /// <summary>Takes what is there, has the coder make what is wanted, applies it.</summary>
    public void Update(RegionCoder coder)
    {
        SnapshotStatus status = _store.TakeSnapshot(_snapshot, _since, Interest, Chains, _endsVideo);
        // The coder gives a part of its time to covered tiles only; every look at the tests' clock lets some pass.
        for (int i = 0; status == SnapshotStatus.NeedsCoding; i++)
        {
            Assert.True(i < 10_000, "What is wanted is not coded.");
            coder.CodeWanted();
            status = _store.TakeSnapshot(_snapshot, _since, Interest, Chains, _endsVideo);
        }

        _since = _snapshot.Sequence;
        if (status != SnapshotStatus.Ready)
        {
            return;
        }

        bool more = true;
        while (_snapshot.TryWriteNextPacket(_packet, 7, out int bytes))
        {
            Assert.True(more, "A packet after the last one of the frame.");
            Assert.Equal(WireStatus.Ok, PacketHeader.TryRead(_packet, out PacketHeader header));
            ReadOnlySpan<byte> payload = _packet.AsSpan(PacketHeader.SizeBytes, header.PayloadBytes);
            Bytes += bytes;
            more = (header.Flags & PacketFlags.More) != 0;
            RegionsPackets += header.Type == PacketType.Regions ? 1 : 0;
            VideoPackets += header.Type == PacketType.Video ? 1 : 0;
            bool isEnd = _endsVideo && header.Type == PacketType.Regions;
            Assert.True(Chains is not null || isEnd || header.Type is not (PacketType.Regions or PacketType.Video), "Video for a viewer without it.");
            if (header.Type == PacketType.Video)
            {
                Assert.Equal(WireStatus.Ok, VideoPacket.TryRead(payload, _store.Size, out VideoPacket packet));
                if (Loses(packet.Head))
                {
                    continue;
                }
            }

            Assert.Equal(DecodeStatus.Ok, Decoder.Apply(header, payload));
        }

        _snapshot.Release();
        _endsVideo = false;
        while (Decoder.TryTakeKeyFrameRequest(out KeyFrameRequest request))
        {
            KeyFramesAsked++;
            Assert.True(Chains!.Break(request.Region));
        }
    }

    /// <summary>Every pixel that video does not cover is the screen's.</summary>
    public void AssertExactOutside(PaintedScreen screen)
    {
        ReadOnlySpan<uint> shown = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, uint>(Decoder.Picture);
        for (int y = Interest.Y; y < Interest.Bottom; y++)
        {
            for (int x = Interest.X; x < Interest.Right; x++)
            {
                int at = (y * screen.Size.Width) + x;
                if (((shown[at] ^ screen.Pixels[at]) & 0xFFFFFF) != 0 && !Decoder.IsCovered(new(x, y)))
                {
                    Assert.Fail($"{x},{y}: {shown[at] & 0xFFFFFF:X6} instead of {screen.Pixels[at] & 0xFFFFFF:X6}, and no video covers it.");
                }
            }
        }
    }

    public void AssertExact(PaintedScreen screen)
    {
        Assert.All(Decoder.Regions, region => Assert.Equal(0, region.CoveredTiles));
        Assert.Null(screen.FirstDifference(Decoder.Picture, Interest));
    }

    public void Dispose()
    {
        _snapshot.Dispose();
        Decoder.Dispose();
    }
}
