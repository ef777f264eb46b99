using System.Buffers;
using System.Text;
using Vitrine.Transports.Http2;

namespace Vitrine.Transports.Tests.Http2;

public class Utf8WriterTests
{
    [Fact]
    public void CharactersAndTexts_OfAnyLength_SameBytesAsAtOnce()
    {
        Random random = new(3);
        for (int round = 0; round < 200; round++)
        {
            ArrayBufferWriter<byte> bytes = new();
            StringBuilder all = new();
            using Utf8Writer writer = new(bytes);
            for (int part = 0; part < 20; part++)
            {
                string text = string.Concat(Enumerable.Range(0, random.Next(200)).Select(_ => random.Next(4) switch { 0 => "\ud83d\ude00", 1 => "ß", 2 => "日", _ => "a" }));
                all.Append(text);
                if (random.Next(2) == 0)
                {
                    writer.Write(text);
                }
                else
                {
                    foreach (char each in text)
                    {
                        writer.Write(each); // a pair may be parted by the end of the buffer
                    }
                }
            }

            writer.Flush();
            Assert.Equal(Encoding.UTF8.GetBytes(all.ToString()), bytes.WrittenSpan.ToArray());
        }
    }
}
