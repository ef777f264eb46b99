namespace Vitrine.Codecs.H264;

/// <summary>The byte stream of ITU-T H.264, annex B: units behind start codes 00 00 01.</summary>
internal static class AnnexB
{
    private const int FirstSlice = 1, Idr = 5;

    /// <summary>Whether a part of an IDR picture is in it. Takes any bytes.</summary>
    public static bool HasKeyFrame(ReadOnlySpan<byte> accessUnit) => Has(accessUnit, Idr);

    /// <summary>Whether a part of a picture is in it, and not parameters only. Takes any bytes.</summary>
    public static bool HasPicture(ReadOnlySpan<byte> accessUnit) => Has(accessUnit, FirstSlice);

    private static bool Has(ReadOnlySpan<byte> accessUnit, int typeMin)
    {
        ReadOnlySpan<byte> rest = accessUnit;
        for (int at = rest.IndexOf(StartCode); at >= 0 && at + 3 < rest.Length; at = rest.IndexOf(StartCode))
        {
            int type = rest[at + 3] & 31;
            if (type >= typeMin && type <= Idr)
            {
                return true;
            }

            rest = rest[(at + 3)..];
        }

        return false;
    }

    private static ReadOnlySpan<byte> StartCode => [0, 0, 1];
}
