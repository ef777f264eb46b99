using Vitrine.Codecs.H264;

namespace Vitrine.Codecs.Tests.H264;

/// <summary>What there is to say without a device; coding is in Vitrine.EndToEnd.</summary>
public sealed class VaapiEncoderTests
{
    private static readonly H264EncoderOptions s_options = new() { Size = new(256, 128) };

    [Fact]
    public void NoDevice_SaysWhereItLooked()
    {
        Assert.Null(VaapiEncoder.TryOpen(s_options, [], out string reason));
        Assert.Contains("/dev/dri/renderD*", reason, StringComparison.Ordinal);
    }

    [Fact]
    public void ThousandTriesOfWhatIsNoDevice_AreNamedAndLeaveNothingOpen()
    {
        string file = Path.GetTempFileName(), absent = file + ".absent";
        try
        {
            for (int i = 0; i < 1_000; i++)
            {
                Assert.Null(VaapiEncoder.TryOpen(s_options, [file, absent], out string reason));
                Assert.StartsWith($"{file}: ", reason, StringComparison.Ordinal);
                Assert.Contains($"; {absent}: it cannot be opened", reason, StringComparison.Ordinal);
            }

            Assert.DoesNotContain(file, Directory.GetFiles("/proc/self/fd").Select(descriptor => new FileInfo(descriptor).LinkTarget));
        }
        finally
        {
            File.Delete(file);
        }
    }
}
