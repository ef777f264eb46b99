using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public sealed class ErasureCodeTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(1, 3, 700)]
    [InlineData(5, 5, 33)]
    [InlineData(33, 14, 1150)]
    [InlineData(160, 95, 17)]
    public void AsManyRepairsAsLosses_Restored(int sources, int repairs, int symbolBytes)
    {
        Random random = new(sources);
        byte[] sent = new byte[sources * symbolBytes], symbols = new byte[repairs * symbolBytes];
        random.NextBytes(sent);
        for (int repair = 0; repair < repairs; repair++)
        {
            for (int source = 0; source < sources; source++)
            {
                ErasureCode.Add(repair, source, sent.AsSpan(source * symbolBytes, symbolBytes), symbols.AsSpan(repair * symbolBytes, symbolBytes));
            }
        }

        for (int run = 0; run < 20; run++)
        {
            int losses = random.Next(1, Math.Min(sources, repairs) + 1);
            int[] missing = Choose(random, sources, losses), used = Choose(random, repairs, losses);
            byte[] received = [.. sent];
            foreach (int source in missing)
            {
                received.AsSpan(source * symbolBytes, symbolBytes).Fill(0xA5);
            }

            ErasureCode.Restore(received, symbolBytes, missing, used, [.. used.SelectMany(repair => symbols.AsSpan(repair * symbolBytes, symbolBytes).ToArray())]);
            Assert.Equal(sent, received);
        }
    }

    /// <summary>Repair symbol r and source symbol 0 have the factor 1 / (255 - r): all factors, all bytes, against long multiplication.</summary>
    [Fact]
    public void Products_ThoseOfTheField()
    {
        byte[] all = [.. Enumerable.Range(0, 256).Select(value => (byte)value), 1, 2, 3]; // not a whole number of vectors
        for (int x = 1; x < 256; x++)
        {
            byte[] products = new byte[all.Length];
            ErasureCode.Add(255 - x, 0, all, products);
            Assert.Equal(all, products.Select(product => Multiply((byte)x, product)));
        }
    }

    // RFC 5510, section 8.1: polynomials over GF(2), modulo x^8 + x^4 + x^3 + x^2 + 1.
    private static byte Multiply(int a, int b)
    {
        int product = 0;
        for (int bit = 0; bit < 8; bit++)
        {
            product ^= ((b >> bit) & 1) != 0 ? a << bit : 0;
        }

        for (int bit = 14; bit >= 8; bit--)
        {
            product ^= ((product >> bit) & 1) != 0 ? 0x11D << (bit - 8) : 0;
        }

        return (byte)product;
    }

    private static int[] Choose(Random random, int of, int count) => [.. Enumerable.Range(0, of).OrderBy(_ => random.Next()).Take(count)];
}
