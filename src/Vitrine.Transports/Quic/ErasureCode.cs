using System.Runtime.Intrinsics;

namespace Vitrine.Transports.Quic;

/// <summary>Repair symbols, of which any <c>n</c> stand in for any <c>n</c> lost ones: a systematic code of Reed and Solomon over GF(2^8) with
/// the field of RFC 5510, section 8.1, and a matrix of Cauchy, every square part of which can be inverted (J. Blömer et al., «An XOR-Based
/// Erasure-Resilient Coding Scheme», 1995).</summary>
/// <remarks>Source symbols are numbered from 0, repair symbols from 0 as well; both together are at most <see cref="SymbolsMax"/>.
/// All symbols of a block have one length.</remarks>
internal static class ErasureCode
{
    /// <summary>Most symbols of a block: elements of the field.</summary>
    public const int SymbolsMax = 256;

    private const int Polynomial = 0x11D; // x^8 + x^4 + x^3 + x^2 + 1

    private static readonly byte[] s_powers = new byte[510];
    private static readonly byte[] s_logarithms = new byte[256];

    // For each factor its products with 0 to 15 and with 0, 16, ... 240: a product is the sum of two of them.
    private static readonly byte[] s_products = new byte[256 * 32];

    static ErasureCode()
    {
        int power = 1;
        for (int i = 0; i < 255; i++)
        {
            s_powers[i] = s_powers[i + 255] = (byte)power;
            s_logarithms[power] = (byte)i;
            power <<= 1;
            power ^= power > 255 ? Polynomial : 0;
        }

        for (int factor = 0; factor < 256; factor++)
        {
            for (int digit = 0; digit < 16; digit++)
            {
                s_products[(factor * 32) + digit] = Multiply((byte)factor, (byte)digit);
                s_products[(factor * 32) + 16 + digit] = Multiply((byte)factor, (byte)(digit << 4));
            }
        }
    }

    /// <summary>Adds a source symbol's part to a repair symbol, which begins with zeros.</summary>
    /// <param name="repair">Number of the repair symbol.</param>
    /// <param name="source">Number of the source symbol.</param>
    /// <param name="symbol">The source symbol; what is shorter than the repair symbol ends in zeros.</param>
    /// <param name="into">The repair symbol.</param>
    public static void Add(int repair, int source, ReadOnlySpan<byte> symbol, Span<byte> into) => AddProduct(Coefficient(repair, source), symbol, into);

    /// <summary>Restores the source symbols that are missing.</summary>
    /// <param name="symbols">All source symbols, one after the other; what is in the place of those that are missing does not matter.</param>
    /// <param name="symbolBytes">Of one.</param>
    /// <param name="missing">Numbers of those that are missing.</param>
    /// <param name="repairs">As many repair symbols as are missing: their numbers, each once.</param>
    /// <param name="repairSymbols">They, one after the other in that order; written over.</param>
    public static void Restore(Span<byte> symbols, int symbolBytes, ReadOnlySpan<int> missing, ReadOnlySpan<int> repairs, Span<byte> repairSymbols)
    {
        int count = missing.Length, sources = symbols.Length / symbolBytes;
        for (int row = 0; row < count; row++)
        {
            Span<byte> rest = repairSymbols.Slice(row * symbolBytes, symbolBytes);
            for (int source = 0; source < sources; source++)
            {
                if (missing.IndexOf(source) < 0)
                {
                    AddProduct(Coefficient(repairs[row], source), symbols.Slice(source * symbolBytes, symbolBytes), rest);
                }
            }
        }

        // What is left of the repair symbols is a system of equations for the missing ones: Gauss and Jordan.
        byte[] matrix = new byte[count * count];
        for (int row = 0; row < count; row++)
        {
            for (int column = 0; column < count; column++)
            {
                matrix[(row * count) + column] = Coefficient(repairs[row], missing[column]);
            }
        }

        for (int pivot = 0; pivot < count; pivot++)
        {
            // Never 0 without a change of rows: what is left of a matrix of Cauchy after elimination is one of the same kind, up to factors.
            Span<byte> pivotRow = matrix.AsSpan(pivot * count, count), pivotSymbol = repairSymbols.Slice(pivot * symbolBytes, symbolBytes);
            byte inverse = Invert(pivotRow[pivot]);
            Scale(inverse, pivotRow);
            Scale(inverse, pivotSymbol);
            for (int row = 0; row < count; row++)
            {
                if (row != pivot && matrix[(row * count) + pivot] is not 0 and byte factor)
                {
                    AddProduct(factor, pivotRow, matrix.AsSpan(row * count, count));
                    AddProduct(factor, pivotSymbol, repairSymbols.Slice(row * symbolBytes, symbolBytes));
                }
            }
        }

        for (int row = 0; row < count; row++)
        {
            repairSymbols.Slice(row * symbolBytes, symbolBytes).CopyTo(symbols[(missing[row] * symbolBytes)..]);
        }
    }

    // 1 / (x + y) with all x and y different.
    private static byte Coefficient(int repair, int source) => Invert((byte)((SymbolsMax - 1 - repair) ^ source));

    private static byte Multiply(byte a, byte b) => a == 0 || b == 0 ? (byte)0 : s_powers[s_logarithms[a] + s_logarithms[b]];

    private static byte Invert(byte value) => s_powers[255 - s_logarithms[value]];

    private static void Scale(byte factor, Span<byte> values)
    {
        foreach (ref byte value in values)
        {
            value = Multiply(factor, value);
        }
    }

    private static void AddProduct(byte factor, ReadOnlySpan<byte> values, Span<byte> into)
    {
        ReadOnlySpan<byte> products = s_products.AsSpan(factor * 32, 32);
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            Vector128<byte> low = Vector128.Create(products[..16]), high = Vector128.Create(products[16..]), digit = Vector128.Create((byte)15);
            for (; i + Vector128<byte>.Count <= values.Length; i += Vector128<byte>.Count)
            {
                Vector128<byte> value = Vector128.Create(values[i..]);
                Vector128<byte> product = Vector128.Shuffle(low, value & digit) ^ Vector128.Shuffle(high, Vector128.ShiftRightLogical(value, 4));
                (Vector128.Create(into[i..]) ^ product).CopyTo(into[i..]);
            }
        }

        for (; i < values.Length; i++)
        {
            into[i] ^= (byte)(products[values[i] & 15] ^ products[16 + (values[i] >> 4)]);
        }
    }
}
