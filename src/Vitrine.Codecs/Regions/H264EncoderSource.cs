using Vitrine.Codecs.H264;
using Vitrine.Frames;
using Vitrine.Imaging;

namespace Vitrine.Codecs.Regions;

/// <summary>Encoders of H.264 for regions, kept for use again.</summary>
/// <remarks>Thread-safe, as the pool is.</remarks>
public sealed class H264EncoderSource : IVideoEncoderSource, IDisposable
{
    private readonly H264EncoderPool _pool;
    private readonly string? _encoder;

    /// <summary>Has none open.</summary>
    /// <param name="time">Tells how long an encoder has been idle; null: the system's.</param>
    /// <param name="encoder">One of <see cref="H264Support.EncoderNames"/> and no other; null: the first that works.</param>
    public H264EncoderSource(TimeProvider? time = null, string? encoder = null) => (_pool, _encoder) = (new(time: time), encoder);

    /// <summary>Encoders that regions have now.</summary>
    public int RentedCount => _pool.RentedCount;

    /// <summary>Encoders kept for the next region.</summary>
    public int IdleCount => _pool.IdleCount;

    /// <inheritdoc/>
    public IVideoEncoder? Rent(DeviceSize size, int framesPerSecondMax, int bitsPerSecondMax, out string reason)
    {
        H264Encoder? encoder = _pool.TryRent(
            new H264EncoderOptions { Size = size, FramesPerSecondMax = framesPerSecondMax, BitsPerSecondMax = bitsPerSecondMax, Encoder = _encoder }, out reason);
        return encoder is null ? null : new Rented(encoder, _pool);
    }

    /// <inheritdoc/>
    public void Return(IVideoEncoder encoder)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        encoder.Dispose();
    }

    /// <inheritdoc cref="H264EncoderPool.CloseIdle"/>
    public void CloseIdle(TimeSpan idleFor) => _pool.CloseIdle(idleFor);

    /// <inheritdoc/>
    public void Dispose() => _pool.Dispose();

    private sealed class Rented(H264Encoder encoder, H264EncoderPool pool) : IVideoEncoder
    {
        public DeviceSize Size => encoder.Size;

        public YuvPicture Input => encoder.Input;

        public string FailureReason => encoder.FailureReason;

        public bool TrySetBitsPerSecondMax(int bitsPerSecond) => encoder.TrySetBitsPerSecondMax(bitsPerSecond);

        public bool TryEncode(long ptsNs, bool forceKeyFrame, out ReadOnlySpan<byte> accessUnit, out bool isKeyFrame) =>
            encoder.TryEncode(ptsNs, forceKeyFrame, out accessUnit, out isKeyFrame) == EncodeStatus.Encoded;

        public void Dispose() => pool.Return(encoder); // closes it when it has failed
    }
}
