using FsCheck;
using FsCheck.Fluent;

namespace Vitrine.Wire.Tests;

/// <summary>What is written is what is read, for any values.</summary>
public sealed class RoundTripTests
{
    [Fact]
    public void Header_AnyValues_ReadBack() =>
        Prop.ForAll<(byte Type, ushort Flags, ushort Stream), (uint Sequence, long Origin, long Sent), uint>((kind, times, payload) =>
        {
            PacketHeader header = new(
                (PacketType)kind.Type, (PacketFlags)kind.Flags, kind.Stream, (int)(payload % (PacketHeader.PayloadBytesMaxToViewer + 1)), times.Sequence, times.Origin, times.Sent);
            byte[] bytes = new byte[PacketHeader.SizeBytes];
            header.Write(bytes);
            return PacketHeader.TryRead(bytes, out PacketHeader read) == WireStatus.Ok && read == header;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Texts_AnyString_WithinTheirBoundAndReadable() =>
        Prop.ForAll<string, ushort, int>((text, reason, times) =>
        {
            string name = string.Concat(Enumerable.Repeat(text ?? "", 1 + Math.Abs(times % 40)));
            return IsReadable<Goodbye>(new((GoodbyeReason)reason, name), Goodbye.TryRead)
                && IsReadable<ViewerHello>(new((ViewerCapabilities)reason, name), ViewerHello.TryRead)
                && IsReadable<HelloMessage>(new(Guid.NewGuid(), ViewerGrants.View, name), HelloMessage.TryRead);
        }).QuickCheckThrowOnFailure();

    private delegate WireStatus Reader<T>(ReadOnlySpan<byte> payload, out T message);

    /// <summary>Reads back, and what was read writes the same bytes: cutting and replacing happen once.</summary>
    private static bool IsReadable<T>(T message, Reader<T> reader)
        where T : IWireMessage
    {
        byte[] bytes = new byte[message.SizeBytesMax], again = new byte[message.SizeBytesMax];
        int written = message.Write(bytes);
        return reader(bytes.AsSpan(0, written), out T read) == WireStatus.Ok
            && read.Write(again) == written
            && bytes.AsSpan(0, written).SequenceEqual(again.AsSpan(0, written));
    }
}
