using System.IO.Pipelines;
using System.Text;
using Vitrine.Transports.Http2;

namespace Vitrine.Transports.Tests.Http2;

public sealed class PriorKnowledgeTests
{
    private const string Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    [Theory]
    [InlineData(Preface, true)]
    [InlineData(Preface + "more", true)]
    [InlineData("GET / HTTP/1.1\r\n\r\n", false)]
    [InlineData("PROPFIND / HTTP/1.1\r\n\r\n", false)]
    [InlineData("PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n", false)]
    public async Task BytesCome_ToldApartAndLeftForTheNextReader(string text, bool isPreface)
    {
        foreach (int at in (int[])[0, 1, 3, 10, text.Length])
        {
            Pipe pipe = new();
            Task<bool> begins = PriorKnowledge.BeginsWithPrefaceAsync(pipe.Reader).AsTask();
            await pipe.Writer.WriteAsync(Encoding.ASCII.GetBytes(text[..at]));
            await pipe.Writer.WriteAsync(Encoding.ASCII.GetBytes(text[at..]));
            Assert.Equal(isPreface, await begins);
            ReadResult rest = await pipe.Reader.ReadAtLeastAsync(text.Length);
            Assert.Equal(text, Encoding.ASCII.GetString(rest.Buffer));
        }
    }

    [Fact]
    public async Task EveryByteAlone_ToldApart()
    {
        Pipe pipe = new();
        Task<bool> begins = PriorKnowledge.BeginsWithPrefaceAsync(pipe.Reader).AsTask();
        foreach (char c in Preface)
        {
            Assert.False(begins.IsCompleted);
            await pipe.Writer.WriteAsync(new[] { (byte)c });
        }

        Assert.True(await begins);
    }

    [Fact]
    public async Task ClosedOrBrokenBeforeTheEnd_Http1()
    {
        Pipe closed = new();
        await closed.Writer.WriteAsync("PRI"u8.ToArray());
        await closed.Writer.CompleteAsync();
        Assert.False(await PriorKnowledge.BeginsWithPrefaceAsync(closed.Reader));

        Pipe broken = new();
        await broken.Writer.CompleteAsync(new IOException("reset"));
        Assert.False(await PriorKnowledge.BeginsWithPrefaceAsync(broken.Reader));
    }
}
