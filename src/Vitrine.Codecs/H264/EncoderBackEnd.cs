using Vitrine.Imaging;

namespace Vitrine.Codecs.H264;

/// <summary>One encoder of one library: a picture in, an access unit out, nothing in between. Used by one thread at a time.</summary>
internal abstract class EncoderBackEnd : IDisposable
{
    /// <summary>As in <see cref="H264Support.EncoderNames"/>.</summary>
    public abstract string Name { get; }

    /// <summary>The picture that <see cref="TryEncode"/> codes; keeps its content.</summary>
    public abstract YuvPicture Input { get; }

    /// <summary>Codes <see cref="Input"/>.</summary>
    /// <param name="forceKeyFrame">Make it an IDR picture with its parameter sets.</param>
    /// <param name="accessUnit">Annex B; borrowed until the next call.</param>
    /// <param name="isKeyFrame">Whether it became one.</param>
    /// <param name="failure">Why there is none.</param>
    public abstract bool TryEncode(bool forceKeyFrame, out ReadOnlySpan<byte> accessUnit, out bool isKeyFrame, out string failure);

    /// <summary>Changes the rate from the next picture on, without a key frame.</summary>
    /// <param name="bitsPerSecondMax">Within the options' limits.</param>
    /// <param name="framesPerSecond">What pictures really come at.</param>
    /// <returns>False when this encoder cannot.</returns>
    public abstract bool TrySetRate(int bitsPerSecondMax, double framesPerSecond);

    /// <inheritdoc/>
    public abstract void Dispose();
}
