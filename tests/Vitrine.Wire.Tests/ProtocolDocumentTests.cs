namespace Vitrine.Wire.Tests;

/// <summary>Every number of the packets stands in <c>docs/PROTOCOL.md</c>, and nothing else does.</summary>
public sealed class ProtocolDocumentTests
{
    [Fact]
    public void PacketTypes_AreThoseOfTheDocument()
    {
        (int Number, string Name)[] toViewer = [.. ProtocolDocument.Types("Host to viewer")], toHost = [.. ProtocolDocument.Types("Viewer to host")];
        Assert.Equal(Enum.GetValues<PacketType>().Select(type => ((int)type, $"{type}")), toViewer.Concat(toHost));
        Assert.All(toViewer, type => Assert.InRange(type.Number, 0x01, 0x3F));
        Assert.All(toHost, type => Assert.InRange(type.Number, 0x41, 0x7F));
    }

    [Theory]
    [InlineData(typeof(PacketFlags), "## Header, 32 bytes", "flags")]
    [InlineData(typeof(ViewerGrants), "### 0x01 Hello", "grants")]
    [InlineData(typeof(TopologyState), "### 0x02 Topology", "state")]
    [InlineData(typeof(TileEncoding), "### 0x03 Tiles", "encoding")]
    [InlineData(typeof(GoodbyeReason), "### 0x09 Goodbye", "reason")]
    [InlineData(typeof(VideoCodec), "### 0x0B Video", "codec")]
    [InlineData(typeof(VideoFlags), "### 0x0B Video", "flags")]
    [InlineData(typeof(ViewerCapabilities), "### 0x41 ViewerHello", "capabilities")]
    [InlineData(typeof(KeyFrameReason), "### 0x46 KeyFrame", "reason")]
    public void NumbersOfAField_AreThoseOfTheDocument(Type values, string heading, string field)
    {
        (int Number, string Meaning)[] documented = [.. ProtocolDocument.Numbers(ProtocolDocument.Cell(heading, field))];
        (int Number, string Name)[] known = [.. Enum.GetNames(values).Where(name => name != "None").Select(name => (Convert.ToInt32(Enum.Parse(values, name), null), name))];
        Assert.Equal(known.Select(value => value.Number), documented.Select(value => value.Number));
        Assert.All(known.Zip(documented), pair => Assert.Contains(pair.First.Name, Word(pair.Second.Meaning), StringComparison.OrdinalIgnoreCase));

        static string Word(string meaning) => string.Concat(meaning.Where(char.IsAsciiLetterOrDigit));
    }
}
