using System.Buffers;
using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Wire;

namespace Vitrine.Server.Sharing;

/// <summary>Takes one picture: looks at the source like a viewer that has nothing yet, and unpacks what such a viewer would be
/// sent. Nothing is read or coded that a viewer would not need, and no viewer waits for it.</summary>
/// <remarks>One call of <see cref="TakeAsync"/>; <see cref="Signal"/> from any thread. Holds one picture of the source's size while
/// it unpacks.</remarks>
internal sealed class PictureTaker(ShareSession share, DeviceRectangle? region) : IDisposable
{
    private readonly AsyncSignal _signal = new();
    private readonly TileSnapshot _snapshot = new();

    /// <summary>There is something new to look at.</summary>
    public void Signal() => _signal.Set(inline: false);

    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task<TakenPicture> TakeAsync(CancellationToken cancellationToken)
    {
        long failures = share.FailedOpenings, look = share.WantLook();
        using CancellationTokenRegistration registration = cancellationToken.Register(static signal => ((AsyncSignal)signal!).Set(inline: false), _signal);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (TryTake(failures, look) is { } taken)
            {
                return taken;
            }

            await _signal.WaitAsync();
        }
    }

    public void Dispose() => _snapshot.Dispose();

    /// <summary>Null: not yet.</summary>
    private TakenPicture? TryTake(long failures, long look)
    {
        ShareState? state = share.State;
        if (!share.IsSharing)
        {
            return new(PictureStatus.Stopped);
        }

        if (share.Ended.IsCompleted || state?.State == TopologyState.Closed)
        {
            return new(PictureStatus.Closed);
        }

        if (state?.Store is null && share.FailedOpenings > failures)
        {
            return new(PictureStatus.DisplayGone);
        }

        if (state?.Store is not { } store || share.Looks.Ended < look)
        {
            return null;
        }

        if (state.State == TopologyState.Hidden)
        {
            return new(PictureStatus.Hidden);
        }

        DeviceRectangle picture = DeviceRectangle.Of(store.Size), bounds = region?.Intersect(picture) ?? picture;
        if (bounds.IsEmpty)
        {
            return new(PictureStatus.Outside);
        }

        return store.TakeSnapshot(_snapshot, 0, bounds) == SnapshotStatus.Ready ? Unpack(store, bounds) : null;
    }

    private TakenPicture Unpack(TileStore store, DeviceRectangle bounds)
    {
        using TileDecoder decoder = new();
        decoder.Reset(store.Size, store.Generation);
        byte[] packet = ArrayPool<byte>.Shared.Rent(TileSnapshot.PacketBytesMax);
        try
        {
            while (_snapshot.TryWriteNextPacket(packet, 0, out int bytes))
            {
                _ = PacketHeader.TryRead(packet, out PacketHeader header);
                if (decoder.Apply(header, packet.AsSpan(PacketHeader.SizeBytes, bytes - PacketHeader.SizeBytes)) != DecodeStatus.Ok)
                {
                    throw new InvalidOperationException("A packet of ours could not be unpacked.");
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(packet);
        }

        uint frame = _snapshot.Sequence;
        _snapshot.Release();
        FrameFormat from = FrameFormat.Packed(store.Size), to = FrameFormat.Packed(bounds.Size);
        byte[] pixels = GC.AllocateUninitializedArray<byte>((int)to.SizeBytes);
        for (int y = 0; y < bounds.Height; y++)
        {
            int offset = ((bounds.Y + y) * from.StrideBytes) + (bounds.X * FrameFormat.BytesPerPixel);
            decoder.Picture.Slice(offset, to.StrideBytes).CopyTo(pixels.AsSpan(y * to.StrideBytes));
        }

        return new(PictureStatus.Taken, new Picture(to, pixels), bounds, frame, store.Generation);
    }
}
