using Vitrine.Lab.Peers;

namespace Vitrine.Lab.Tests.Peers;

public sealed class FfmpegEncodePeerTests
{
    [Fact]
    public void SlicesOfOnePicture_CountOnceHoweverTheStreamIsCut()
    {
        // Parameter sets, an IDR picture of two slices, a P picture of two slices: first_mb_in_slice is 0 in the first of each.
        byte[] stream =
        [
            0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3,
            0, 0, 1, 0x65, 0x88, 9, 9, 0, 0, 1, 0x65, 0x40, 9,
            0, 0, 0, 1, 0x41, 0x9A, 7, 0, 0, 1, 0x41, 0x20, 8, 8,
        ];
        for (int cut = 0; cut <= stream.Length; cut++)
        {
            int frames = FfmpegEncodePeer.CountFrames(stream.AsSpan(0, cut), out int unread);
            frames += FfmpegEncodePeer.CountFrames(stream.AsSpan(cut - unread), out _);
            Assert.True(frames == 2, $"cut at {cut}: {frames}");
        }
    }
}
