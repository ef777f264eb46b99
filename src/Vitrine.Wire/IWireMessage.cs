namespace Vitrine.Wire;

/// <summary>A message that can write itself.</summary>
public interface IWireMessage
{
    /// <summary>Its type.</summary>
    static abstract PacketType Type { get; }

    /// <summary>Most bytes that <see cref="Write"/> needs for this message.</summary>
    int SizeBytesMax { get; }

    /// <summary>Writes the payload.</summary>
    /// <param name="destination">At least <see cref="SizeBytesMax"/> long.</param>
    /// <returns>Bytes written.</returns>
    int Write(Span<byte> destination);
}

/// <summary>Whole packets.</summary>
public static class Packet
{
    /// <summary>Writes header and payload of a message.</summary>
    /// <typeparam name="T">The message.</typeparam>
    /// <param name="destination">At least <see cref="PacketHeader.SizeBytes"/> + <see cref="IWireMessage.SizeBytesMax"/> long.</param>
    /// <param name="message">The payload.</param>
    /// <param name="sentNs">Now, by the sender's monotonic clock.</param>
    /// <param name="originNs">When the change was first known; 0 when none.</param>
    /// <param name="sequence">Frame number; only <see cref="Presented"/> has one.</param>
    /// <returns>Bytes written.</returns>
    public static int Write<T>(Span<byte> destination, in T message, long sentNs, long originNs = 0, uint sequence = 0)
        where T : IWireMessage, allows ref struct
    {
        int payloadBytes = message.Write(destination[PacketHeader.SizeBytes..]);
        new PacketHeader(T.Type, PacketFlags.None, 0, payloadBytes, sequence, originNs, sentNs).Write(destination);
        return PacketHeader.SizeBytes + payloadBytes;
    }
}
