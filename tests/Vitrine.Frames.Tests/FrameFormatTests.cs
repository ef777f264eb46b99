namespace Vitrine.Frames.Tests;

public sealed class FrameFormatTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(-1, -1)]
    [InlineData(32_768, 1)]
    [InlineData(1, 32_768)]
    [InlineData(32_767, 32_767)]
    [InlineData(8193, 8192)]
    public void SizeOutOfBounds_Refused(int width, int height)
    {
        Assert.False(FrameFormat.IsSupported(new DeviceSize(width, height)));
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameFormat.Packed(new DeviceSize(width, height)));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(32_767, 1)]
    [InlineData(7680, 4320)]
    [InlineData(8192, 8192)]
    public void SizeWithinBounds_Packed(int width, int height)
    {
        FrameFormat format = FrameFormat.Packed(new DeviceSize(width, height));
        Assert.Equal(width * 4, format.StrideBytes);
        Assert.Equal(4L * width * height, format.SizeBytes);
    }
}
