using Vitrine.Wire;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>Packets of a live stream, as a host makes them.</summary>
internal static class LivePackets
{
    public static byte[] Hello() => Message(new HelloMessage(Guid.NewGuid(), ViewerGrants.View, "host"));

    public static byte[] ViewerHello() => Message(new ViewerHello(ViewerCapabilities.H264, "viewer"));

    public static byte[] Position(int x, long sentNs)
    {
        byte[] packet = new byte[PacketHeader.SizeBytes + 8];
        Packet.Write(packet, new CursorPositionMessage(x, 0), sentNs);
        return packet;
    }

    public static byte[] Message<T>(T message)
        where T : IWireMessage
    {
        byte[] packet = new byte[2048];
        return packet[..Packet.Write(packet, message, 1)];
    }

    /// <summary>A packet of tiles; what is in it is of no interest on the way.</summary>
    public static byte[] Tiles(uint sequence, bool hasMore, int bytes = 64) => Frame(PacketType.Tiles, sequence, hasMore, bytes);

    /// <summary>A list of regions.</summary>
    public static byte[] Regions(uint sequence, bool hasMore, params ushort[] regions)
    {
        byte[] packet = Frame(PacketType.Regions, sequence, hasMore, FramePrefix.SizeBytes + (regions.Length * 13));
        Span<byte> payload = packet.AsSpan(PacketHeader.SizeBytes);
        new FramePrefix(1, 0, 0, (uint)regions.Length).Write(payload);
        for (int i = 0; i < regions.Length; i++)
        {
            BitConverter.TryWriteBytes(payload[(FramePrefix.SizeBytes + (i * 13))..], regions[i]);
            payload[FramePrefix.SizeBytes + (i * 13) + 10] = 1; // bytes of the cover
        }

        return packet;
    }

    /// <summary>An access unit.</summary>
    public static byte[] Video(uint sequence, bool hasMore, ushort region, uint stream, uint number, bool isKeyFrame = false, int bytes = 100)
    {
        byte[] packet = new byte[PacketHeader.SizeBytes + VideoPacket.HeadBytes + bytes];
        VideoHead head = new(region, VideoCodec.H264, isKeyFrame ? VideoFlags.KeyFrame : VideoFlags.None, stream, number, new(64, 64), new(0, 0, 64, 64));
        VideoPacket.WriteHead(packet.AsSpan(PacketHeader.SizeBytes), 1, 0, 0, head, bytes);
        new PacketHeader(PacketType.Video, hasMore ? PacketFlags.More : PacketFlags.None, 0, packet.Length - PacketHeader.SizeBytes, sequence, 0, 1).Write(packet);
        return packet;
    }

    /// <summary>What a packet is, in short: type, frame, whether more of it follows, number of an access unit.</summary>
    public static string Describe(ReadOnlySpan<byte> packet)
    {
        Assert.Equal(WireStatus.Ok, PacketHeader.TryRead(packet, out PacketHeader header));
        Assert.Equal(header.PayloadBytes, packet.Length - PacketHeader.SizeBytes);
        string number = header.Type == PacketType.Video ? $" #{BitConverter.ToUInt32(packet[(PacketHeader.SizeBytes + 24)..])}" : "";
        return $"{header.Type} {header.Sequence}{((header.Flags & PacketFlags.More) != 0 ? "+" : "")}{number}";
    }

    private static byte[] Frame(PacketType type, uint sequence, bool hasMore, int bytes)
    {
        byte[] packet = new byte[PacketHeader.SizeBytes + bytes];
        new PacketHeader(type, hasMore ? PacketFlags.More : PacketFlags.None, 0, bytes, sequence, 0, 1).Write(packet);
        return packet;
    }
}
