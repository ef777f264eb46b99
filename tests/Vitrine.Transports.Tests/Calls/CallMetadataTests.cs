using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Tests.Calls;

public sealed class CallMetadataTests
{
    [Theory]
    [InlineData("name", "", true)]
    [InlineData("a-b_c.9", "any text ~", true)]
    [InlineData("Name", "x", false)]
    [InlineData("", "x", false)]
    [InlineData("na me", "x", false)]
    [InlineData(":path", "x", false)]
    [InlineData("grpc-timeout", "x", false)]
    [InlineData("name-bin", "x", false)]
    [InlineData("name", " x", false)]
    [InlineData("name", "x\n", false)]
    [InlineData("name", "\u00fc", false)]
    public void Text_TakenOrRefused(string name, string text, bool isTaken)
    {
        CallMetadata metadata = new();
        if (isTaken)
        {
            metadata.Add(name, text);
            Assert.Equal(text, metadata.Text(name));
            Assert.Null(metadata.Bytes(name));
        }
        else
        {
            Assert.Throws<ArgumentException>(() => metadata.Add(name, text));
            Assert.Empty(metadata);
        }
    }

    [Fact]
    public void Bytes_UnderNamesThatEndWithBin()
    {
        CallMetadata metadata = new();
        metadata.Add("some-bin", new byte[] { 1, 0, 255 });
        Assert.Equal([1, 0, 255], metadata.Bytes("some-bin")!.Value.ToArray());
        Assert.Throws<ArgumentException>(() => metadata.Add("some", new byte[1]));
    }

    [Fact]
    public void TooMuch_Refused()
    {
        CallMetadata metadata = new();
        Assert.Throws<ArgumentException>(() => metadata.Add("name", new string('x', CallMetadata.BytesMax)));
        for (int i = 0; i < CallMetadata.EntriesMax; i++)
        {
            metadata.Add("name", "x");
        }

        Assert.Throws<ArgumentException>(() => metadata.Add("name", "x"));
        metadata.Clear();
        metadata.Add("name", new string('x', CallMetadata.BytesMax / 2));
        Assert.Throws<ArgumentException>(() => metadata.Add("name", new string('x', CallMetadata.BytesMax / 2)));
    }
}
