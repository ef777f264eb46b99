namespace Vitrine.Wire;

/// <summary>Comparison of frame numbers (RFC 1982, SERIAL_BITS 32): they wrap around.</summary>
public static class SerialNumber
{
    /// <summary>Whether <paramref name="sequence"/> comes after <paramref name="other"/>.</summary>
    public static bool IsAfter(uint sequence, uint other) => (int)(sequence - other) > 0;

    /// <summary>The number after <paramref name="sequence"/>; 0 is left out, because it means «no frame».</summary>
    public static uint Next(uint sequence) => sequence == uint.MaxValue ? 1 : sequence + 1;
}
