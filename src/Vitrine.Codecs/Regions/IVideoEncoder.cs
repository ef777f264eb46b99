using Vitrine.Frames;
using Vitrine.Imaging;

namespace Vitrine.Codecs.Regions;

/// <summary>Makes access units of pictures; one in, one out, no picture depends on a later one.</summary>
/// <remarks>One thread at a time.</remarks>
public interface IVideoEncoder : IDisposable
{
    /// <summary>Of a coded picture; even.</summary>
    DeviceSize Size { get; }

    /// <summary>The picture that is encoded next, 4:2:0: written in place. What is not written stays as it was.</summary>
    YuvPicture Input { get; }

    /// <summary>Why it has failed, for people; empty until then.</summary>
    string FailureReason { get; }

    /// <summary>Most bits a second from the next picture on.</summary>
    /// <returns>False when this encoder cannot change it any more.</returns>
    bool TrySetBitsPerSecondMax(int bitsPerSecond);

    /// <summary>Encodes <see cref="Input"/>.</summary>
    /// <param name="ptsNs">Presentation time, monotonic.</param>
    /// <param name="forceKeyFrame">Decoding can begin with it.</param>
    /// <param name="accessUnit">Borrowed until the next call.</param>
    /// <param name="isKeyFrame">Whether decoding can begin with it.</param>
    /// <returns>False when the encoder has failed (<see cref="FailureReason"/>): dispose of it.</returns>
    bool TryEncode(long ptsNs, bool forceKeyFrame, out ReadOnlySpan<byte> accessUnit, out bool isKeyFrame);
}

/// <summary>Where encoders come from and go back to.</summary>
public interface IVideoEncoderSource
{
    /// <summary>Gives an encoder for pictures of at least a size; the first picture is to be forced to a key frame.</summary>
    /// <returns>Null when there is none; the reason says why, else which it is.</returns>
    IVideoEncoder? Rent(DeviceSize size, int framesPerSecondMax, int bitsPerSecondMax, out string reason);

    /// <summary>Takes an encoder back that has not failed.</summary>
    void Return(IVideoEncoder encoder);
}
