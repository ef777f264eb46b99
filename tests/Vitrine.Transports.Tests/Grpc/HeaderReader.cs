using System.Text;

namespace Vitrine.Transports.Tests.Grpc;

/// <summary>Reads a header block of a server that writes no Huffman code, when nothing of the dynamic table is referred to: the first
/// call on a connection (RFC 7541).</summary>
internal sealed class HeaderReader
{
    private static readonly string[] s_statuses = ["200", "204", "206", "304", "400", "404", "500"]; // static table, 8 to 14

    private readonly Dictionary<string, string> _fields = new(StringComparer.Ordinal);

    public HeaderReader(ReadOnlySpan<byte> block)
    {
        while (!block.IsEmpty)
        {
            byte first = block[0];
            if ((first & 0x80) != 0)
            {
                int index = ReadNumber(ref block, 7);
                _fields[Name(index)] = index is >= 8 and <= 14 ? s_statuses[index - 8] : "";
            }
            else if ((first & 0xE0) == 0x20)
            {
                ReadNumber(ref block, 5); // size of the table
            }
            else
            {
                int index = ReadNumber(ref block, (first & 0x40) != 0 ? 6 : 4);
                string name = index == 0 ? ReadText(ref block) : Name(index);
                _fields[name] = ReadText(ref block);
            }
        }
    }

    public string? this[string name] => _fields.GetValueOrDefault(name);

    private static string Name(int index) => index is >= 8 and <= 14 ? ":status" : $"#{index}";

    private static string ReadText(ref ReadOnlySpan<byte> block)
    {
        if ((block[0] & 0x80) != 0)
        {
            throw new InvalidDataException("This reader knows no Huffman code.");
        }

        int length = ReadNumber(ref block, 7);
        string text = Encoding.ASCII.GetString(block[..length]);
        block = block[length..];
        return text;
    }

    private static int ReadNumber(ref ReadOnlySpan<byte> block, int bits)
    {
        int mask = (1 << bits) - 1, value = block[0] & mask;
        block = block[1..];
        if (value < mask)
        {
            return value;
        }

        for (int shift = 0; ; shift += 7)
        {
            byte next = block[0];
            block = block[1..];
            value += (next & 0x7F) << shift;
            if ((next & 0x80) == 0)
            {
                return value;
            }
        }
    }
}
