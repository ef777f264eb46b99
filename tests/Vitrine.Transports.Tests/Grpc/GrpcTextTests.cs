using Vitrine.Transports.Grpc;

namespace Vitrine.Transports.Tests.Grpc;

public sealed class GrpcTextTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("plain text, all of it: ~!", "plain text, all of it: ~!")]
    [InlineData("100 %", "100 %25")]
    [InlineData("a\nb\t", "a%0Ab%09")]
    [InlineData("ü日😀", "%C3%BC%E6%97%A5%F0%9F%98%80")]
    public void Text_EncodedAndBack(string text, string encoded)
    {
        Assert.Equal(encoded, GrpcText.Encode(text));
        Assert.Equal(text, GrpcText.Decode(encoded));
    }

    [Theory]
    [InlineData("100 %", "100 %")]
    [InlineData("%zz%4", "%zz%4")]
    [InlineData("%e6%97%A5", "日")]
    [InlineData("%C3", "\ufffd")]
    public void NoEncoding_TakenAsItStands(string encoded, string text) => Assert.Equal(text, GrpcText.Decode(encoded));

    [Fact]
    public void HalfASurrogate_Replaced() => Assert.Equal("%EF%BF%BD", GrpcText.Encode("\ud83d"));

    [Fact]
    public void VeryLong_CutBetweenCharacters()
    {
        string encoded = GrpcText.Encode(new string('日', 2000));
        Assert.InRange(encoded.Length, GrpcText.EncodedBytesMax - 8, GrpcText.EncodedBytesMax);
        Assert.DoesNotContain('\ufffd', GrpcText.Decode(encoded));
        Assert.Equal(GrpcText.EncodedBytesMax, GrpcText.Encode(new string('x', 5000)).Length);
    }
}
