using System.Buffers.Binary;
using Vitrine.Interop;

namespace Vitrine.Transports.Quic;

/// <summary>Programs for the kernel's classic packet filter (<c>Documentation/networking/filter.rst</c> of Linux), which sees a datagram from
/// its UDP header on.</summary>
internal static class SocketFilter
{
    private const ushort LoadByte = 0x30, LoadWord = 0x20, ShiftRight = 0x74, JumpIfEqual = 0x15, JumpIfBits = 0x45, Jump = 0x05, Return = 0x06;

    // From here on offsets count from the IP header.
    private const uint Network = 0xFFF0_0000;

    private const uint UdpHeaderBytes = 8, SourceIPv4At = 12, SourceIPv6At = 8;
    private const uint LongHeader = 0x80; // RFC 9000, section 17.2
    private const uint All = uint.MaxValue, Nothing = 0;

    /// <summary>Drops QUIC's packets with a long header that come from one of some networks, and lets all others pass.</summary>
    /// <param name="networks">At most 32: jumps reach 255 instructions.</param>
    public static FilterInstruction[] DropLongHeadersFrom(ReadOnlySpan<SocketAddressBytes> networks)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(networks.Length, 32, nameof(networks));
        List<uint> four = [];
        List<(uint High, uint Low)> six = [];
        foreach (ref readonly SocketAddressBytes network in networks)
        {
            ReadOnlySpan<byte> bytes = network.NetworkBytes();
            uint high = BinaryPrimitives.ReadUInt32BigEndian(bytes);
            if (bytes.Length == sizeof(uint))
            {
                four.Add(high);
            }
            else
            {
                six.Add((high, BinaryPrimitives.ReadUInt32BigEndian(bytes[sizeof(uint)..])));
            }
        }

        int fourBegins = 5, sixBegins = fourBegins + 2 + four.Count, passes = sixBegins + (4 * six.Count), drops = passes + 1;
        List<FilterInstruction> program =
        [
            new(LoadByte, UdpHeaderBytes),
            new(JumpIfBits, LongHeader, 0, To(passes, 1)),
            new(LoadByte, Network),
            new(ShiftRight, 4), // the version
            new(JumpIfEqual, 6, To(sixBegins, 4), 0),
            new(LoadWord, Network + SourceIPv4At),
        ];
        foreach (uint address in four)
        {
            program.Add(new(JumpIfEqual, address, To(drops, program.Count), 0));
        }

        program.Add(new(Jump, To(passes, program.Count)));
        foreach ((uint high, uint low) in six)
        {
            program.Add(new(LoadWord, Network + SourceIPv6At));
            program.Add(new(JumpIfEqual, high, 0, 2));
            program.Add(new(LoadWord, Network + SourceIPv6At + sizeof(uint)));
            program.Add(new(JumpIfEqual, low, To(drops, program.Count), 0));
        }

        program.Add(new(Return, All));
        program.Add(new(Return, Nothing));
        return [.. program];

        // Jumps count from the next instruction.
        static byte To(int target, int from) => (byte)(target - from - 1);
    }
}
