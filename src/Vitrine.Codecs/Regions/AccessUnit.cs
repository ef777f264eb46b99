using System.Numerics;
using Vitrine.Wire;

namespace Vitrine.Codecs.Regions;

/// <summary>One coded picture of a stream; shared by the store and by the snapshots that are being sent.</summary>
internal sealed class AccessUnit
{
    public byte[] Bytes = [];
    public int Length;
    public int References;
    public VideoHead Head;
    public long OriginNs;
    public long CapturedNs;
    public long EncodedNs;

    public ReadOnlySpan<byte> Data => Bytes.AsSpan(0, Length);

    public void Set(in VideoHead head, ReadOnlySpan<byte> data, long originNs, long capturedNs, long encodedNs)
    {
        if (Bytes.Length < data.Length)
        {
            Bytes = new byte[BitOperations.RoundUpToPowerOf2((uint)data.Length)];
        }

        data.CopyTo(Bytes);
        (Length, References, Head, OriginNs, CapturedNs, EncodedNs) = (data.Length, 1, head, originNs, capturedNs, encodedNs);
    }
}
