using Vitrine.Transports.Calls;
using Vitrine.Wire;

namespace Vitrine.Transports.Tests.Calls;

public sealed class CallTableTests
{
    private static readonly CallTable s_table = new(new EchoService().Bindings);

    [Fact]
    public void Path_FoundAsTextAndAsBytes()
    {
        Assert.Same(EchoService.Unary, s_table.Find("/vitrine.v1.Echo/Unary")!.Method);
        Assert.Same(EchoService.Duplex, s_table.Find("/vitrine.v1.Echo/Duplex"u8)!.Method);
    }

    [Theory]
    [InlineData("")]
    [InlineData("/vitrine.v1.Echo/")]
    [InlineData("/vitrine.v1.Echo/unary")]
    [InlineData("/vitrine.v1.Echo/Unary/")]
    [InlineData("vitrine.v1.Echo/Unary")]
    [InlineData("/vitrine.v1.Echo/Un\u00e4ry")]
    public void OtherPath_NotFound(string path)
    {
        Assert.Null(s_table.Find(path));
        Assert.Null(s_table.Find(System.Text.Encoding.UTF8.GetBytes(path)));
        Assert.Null(s_table.Find(new byte[1000]));
    }

    [Fact]
    public void Lookup_TakesNoMemory()
    {
        Look();
        Assert.Equal(0, Allocation.BytesOf(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                Look();
            }
        }));

        static void Look()
        {
            _ = s_table.Find("/vitrine.v1.Echo/Unary");
            _ = s_table.Find("/vitrine.v1.Echo/Unary"u8);
        }
    }

    [Fact]
    public void SamePathTwice_Refused()
    {
        EchoService echo = new();
        Assert.Throws<ArgumentException>(() => new CallTable([.. echo.Bindings, .. echo.Bindings]));
    }

    [Fact]
    public void Methods_AreAsTheFileDeclaresThem()
    {
        Assert.Equal([CallKind.Unary, CallKind.ServerStream, CallKind.ClientStream, CallKind.Duplex],
            new[] { EchoService.Unary, EchoService.ServerStream, EchoService.ClientStream, EchoService.Duplex }.Select(method => method.Kind));
        Assert.True(EchoService.Unary.IsIdempotent);
        Assert.False(EchoService.Duplex.IsIdempotent);
        Assert.Equal(("vitrine.v1.Echo", "Unary", ViewerGrants.None), (EchoService.Unary.Service, EchoService.Unary.Name, EchoService.Unary.Grants));
    }
}
