using Vitrine.Codecs.H264;
using Vitrine.Interop;

namespace Vitrine.Codecs.Tests.H264;

public sealed class AvLibrariesTests
{
    [Fact]
    public void NoneInstalled_NamesThePackage()
    {
        AvVersion[] absent = [AvLibraries.Known[0] with { CodecMajor = 58 }, AvLibraries.Known[0] with { CodecMajor = 1000 }];
        Assert.Null(AvLibraries.TryOpen(absent, out nint codec, out nint util, out string reason));
        Assert.Equal((0, 0), (codec, util));
        Assert.Contains("libavcodec.so.1000", reason, StringComparison.Ordinal);
        Assert.Contains("libavcodec59", reason, StringComparison.Ordinal);
    }

    [Fact]
    public void FileThatIsNotThere_NamesThePackage()
    {
        Assert.Null(AvLibraries.TryOpenFile("/nowhere/libavcodec.so", AvLibraries.Known, out _, out _, out string reason));
        Assert.Contains("cannot be loaded", reason, StringComparison.Ordinal);
    }

    [Fact]
    public void OtherLibrary_SaysSo()
    {
        Assert.Null(AvLibraries.TryOpenFile("libc.so.6", AvLibraries.Known, out _, out _, out string reason));
        Assert.Equal("libc.so.6 is not libavcodec", reason);
    }

    [Fact]
    public void UnknownVersion_SaysWhichAndWhichAreSupported()
    {
        AvVersion installed = Installed();
        AvVersion other = installed with { CodecMajor = 1000 };
        Assert.Null(AvLibraries.TryOpenFile(installed.CodecFile, [other], out _, out _, out string reason));
        Assert.Contains($"libavcodec {installed.CodecMajor}.", reason, StringComparison.Ordinal);
        Assert.Contains("unsupported version: 1000", reason, StringComparison.Ordinal);
    }

    [Fact]
    public void UtilOfAnotherVersion_SaysSo()
    {
        AvVersion installed = Installed();
        Assert.Null(AvLibraries.TryOpenFile(installed.CodecFile, [installed with { UtilMajor = 1000 }], out _, out _, out string reason));
        Assert.Contains("libavutil.so.1000", reason, StringComparison.Ordinal);
    }

    [Fact]
    public void FieldsElsewhere_AreNoticed()
    {
        AvLibraries libraries = AvLibraries.Load(out string loaded) ?? throw new InvalidOperationException(loaded);
        Assert.True(AvLibraries.CheckLayout(libraries.Layout, "x", out _));
        foreach (AvLayout wrong in new[]
        {
            libraries.Layout with { FramePts = 128 }, libraries.Layout with { FrameStrides = 72 }, libraries.Layout with { FrameWidth = 108, FrameHeight = 112 },
            libraries.Layout with { ContextSurfaces = libraries.Layout.ContextSurfaces + 16 }, libraries.Layout with { PoolSize = libraries.Layout.PoolSize + 8 },
            libraries.Layout with { PoolFormat = libraries.Layout.PoolFormat + 8 }, libraries.Layout with { PoolWidth = libraries.Layout.PoolWidth - 4 },
            libraries.Layout with { PacketData = 32 }, libraries.Layout with { PacketSize = 36 }, libraries.Layout with { FrameData = 8 },
        })
        {
            Assert.False(AvLibraries.CheckLayout(wrong, "libavcodec 59", out string reason));
            Assert.Contains("elsewhere", reason, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Probe_FindsASoftwareEncoderAndSaysOfAllOthersWhyNot()
    {
        H264Report report = H264Support.Probe();
        Assert.True(report.Library is not null, report.LibraryReason);
        Assert.True(report.DecoderWorks);
        Assert.Equal(H264Support.EncoderNames, report.Encoders.Select(encoder => encoder.Name));
        Assert.All(report.Encoders, encoder => Assert.NotEmpty(encoder.Reason));
        Assert.True(report.Chosen is { Name: "libx264" }, string.Join("; ", report.Encoders));
    }

    private static AvVersion Installed()
    {
        AvVersion? version = AvLibraries.TryOpen(AvLibraries.Known, out _, out _, out string reason);
        Assert.True(version is not null, reason);
        return version;
    }
}
