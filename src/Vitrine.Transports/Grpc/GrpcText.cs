using System.Buffers;
using System.Globalization;
using System.Text;

namespace Vitrine.Transports.Grpc;

/// <summary>The value of <c>grpc-message</c>: UTF-8 with everything outside printable ASCII, and <c>%</c>, as <c>%XX</c>
/// (<c>doc/PROTOCOL-HTTP2.md</c> of gRPC, «Status-Message»).</summary>
internal static class GrpcText
{
    /// <summary>Most bytes of a message that is sent; the rest is cut off. Stock clients take 8 KiB of headers and trailers together.</summary>
    public const int EncodedBytesMax = 2048;

    private static readonly SearchValues<char> s_plain = SearchValues.Create(
        " !\"#$&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~");

    /// <summary>Encodes a text.</summary>
    public static string Encode(string text)
    {
        if (text.Length <= EncodedBytesMax && !text.AsSpan().ContainsAnyExcept(s_plain))
        {
            return text;
        }

        StringBuilder encoded = new(Math.Min(text.Length * 3, EncodedBytesMax));
        Span<byte> utf8 = stackalloc byte[4];
        foreach (Rune rune in text.EnumerateRunes()) // half a surrogate pair becomes U+FFFD
        {
            bool isPlain = rune.IsAscii && s_plain.Contains((char)rune.Value);
            int bytes = rune.EncodeToUtf8(utf8);
            if (encoded.Length + (isPlain ? 1 : 3 * bytes) > EncodedBytesMax)
            {
                break;
            }

            if (isPlain)
            {
                encoded.Append((char)rune.Value);
                continue;
            }

            foreach (byte value in utf8[..bytes])
            {
                encoded.Append(CultureInfo.InvariantCulture, $"%{value:X2}");
            }
        }

        return encoded.ToString();
    }

    /// <summary>Decodes a text. What is no encoding is taken as it stands, as the protocol wants it: nothing is lost.</summary>
    public static string Decode(string encoded)
    {
        if (!encoded.Contains('%', StringComparison.Ordinal))
        {
            return encoded;
        }

        byte[] bytes = Encoding.UTF8.GetBytes(encoded);
        int written = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] == '%' && i + 2 < bytes.Length && char.IsAsciiHexDigit((char)bytes[i + 1]) && char.IsAsciiHexDigit((char)bytes[i + 2]))
            {
                bytes[written++] = (byte)((Value(bytes[i + 1]) << 4) | Value(bytes[i + 2]));
                i += 2;
            }
            else
            {
                bytes[written++] = bytes[i];
            }
        }

        return Encoding.UTF8.GetString(bytes, 0, written);

        static int Value(byte digit) => digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
    }
}
