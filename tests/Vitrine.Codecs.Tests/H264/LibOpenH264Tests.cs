using Vitrine.Interop;

namespace Vitrine.Codecs.Tests.H264;

public sealed class LibOpenH264Tests
{
    [Fact]
    public void NoneInstalled_NamesThePackage()
    {
        Assert.Null(LibOpenH264.TryOpen([LibOpenH264.Known[0] with { FileMajor = 1000 }], out string reason));
        Assert.Contains("libopenh264.so.1000", reason, StringComparison.Ordinal);
        Assert.Contains("libopenh264-7", reason, StringComparison.Ordinal);
    }

    [Fact]
    public void UnknownVersion_SaysWhichAndWhichAreSupported()
    {
        OpenH264Version installed = LibOpenH264.Load(out string loaded) ?? throw new InvalidOperationException(loaded);
        Assert.Null(LibOpenH264.TryOpen([installed with { Minor = 99 }], out string reason));
        Assert.Contains("unsupported version: 2.99", reason, StringComparison.Ordinal);
    }
}
