using System.Runtime.CompilerServices;
using Vitrine.Interop;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>The layouts of LibNgtcp2.cs against what the loaded library itself writes into them and reads out of them.</summary>
public unsafe class Ngtcp2LayoutTests
{
    [QuicFact]
    public Task Sizes_AsInTheHeaders()
    {
        Assert.Equal(32, sizeof(Ngtcp2Cid));
        Assert.Equal(16, sizeof(Ngtcp2Vector));
        Assert.Equal(8, sizeof(Ngtcp2PacketInfo));
        Assert.Equal(40, sizeof(Ngtcp2Path));
        Assert.Equal(112, sizeof(Ngtcp2PacketHeader));
        Assert.Equal(40, sizeof(Ngtcp2VersionCid));
        Assert.Equal(344, sizeof(Ngtcp2TransportParameters));
        Assert.Equal(184, sizeof(Ngtcp2Settings));
        Assert.Equal(40, sizeof(Ngtcp2CloseError));
        Assert.Equal(56, sizeof(Ngtcp2ConnectionInfo));
        Assert.Equal(40, (int)Ngtcp2Callback.Count);
        return Task.CompletedTask;
    }

    [QuicFact]
    public Task Settings_DefaultsAreWhereWeLookForThem_AndNothingBehind()
    {
        Ngtcp2Settings* settings = stackalloc Ngtcp2Settings[2];
        Unsafe.InitBlock(settings, 0xAA, 2 * 184);
        LibNgtcp2.ngtcp2_settings_default_versioned(LibNgtcp2.SettingsVersion, settings);
        Assert.True(settings->QlogWrite == null);
        Assert.Equal(1, settings->CongestionControl);
        Assert.Equal(333_000_000UL, settings->InitialRtt);
        Assert.Equal((nuint)LibNgtcp2.UdpPayloadBytesMax, settings->MaxTxUdpPayloadSize);
        Assert.Equal((nuint)2, settings->AckThreshold);
        Assert.Equal(ulong.MaxValue, settings->HandshakeTimeout);
        Assert.Equal(0UL, settings->MaxWindow);
        Assert.Equal(0, settings->TokenType);
        Assert.Equal((nuint)0, settings->PathMtuProbes); // the last field
        Assert.All(new ReadOnlySpan<byte>(settings + 1, 184).ToArray(), value => Assert.Equal(0xAA, value));
        return Task.CompletedTask;
    }

    [QuicFact]
    public Task TransportParameters_EncodedByTheLibrary_AreWhatWeSet()
    {
        Ngtcp2TransportParameters parameters;
        LibNgtcp2.ngtcp2_transport_params_default_versioned(LibNgtcp2.ParametersVersion, &parameters);
        Assert.Equal(65527UL, parameters.MaxUdpPayloadSize);
        Assert.Equal(3UL, parameters.AckDelayExponent);
        Assert.Equal(25_000_000UL, parameters.MaxAckDelay);
        Assert.Equal(2UL, parameters.ActiveConnectionIdLimit);
        parameters.OriginalDestinationId = Id(1, 2, 3, 4, 5, 6, 7, 8);
        parameters.HasOriginalDestinationId = 1;
        parameters.InitialSourceId = Id(9, 10);
        parameters.HasInitialSourceId = 1;
        parameters.RetrySourceId = Id(11, 12, 13);
        parameters.HasRetrySourceId = 1;
        parameters.HasResetToken = 1;
        for (int i = 0; i < LibNgtcp2.ResetTokenBytes; i++)
        {
            parameters.ResetToken[i] = (byte)(0xF0 + i);
        }

        parameters.InitialMaxData = 1001;
        parameters.InitialMaxStreamDataBidiLocal = 1002;
        parameters.InitialMaxStreamDataBidiRemote = 1003;
        parameters.InitialMaxStreamDataUni = 1004;
        parameters.InitialMaxStreamsBidi = 1005;
        parameters.InitialMaxStreamsUni = 1006;
        parameters.MaxIdleTimeout = 7_000_000_000;
        parameters.MaxUdpPayloadSize = 1452;
        parameters.ActiveConnectionIdLimit = 8;
        parameters.AckDelayExponent = 4;
        parameters.MaxAckDelay = 26_000_000;
        parameters.MaxDatagramFrameSize = 65535;
        parameters.DisableActiveMigration = 1;
        parameters.GreaseQuicBit = 1;
        byte* encoded = stackalloc byte[512];
        nint bytes = LibNgtcp2.ngtcp2_transport_params_encode_versioned(encoded, 512, LibNgtcp2.ParametersVersion, &parameters);
        Assert.InRange(bytes, 1, 512);
        Dictionary<ulong, byte[]> sent = Parse(new ReadOnlySpan<byte>(encoded, (int)bytes)); // RFC 9000, section 18.2
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], sent[0x00]);
        Assert.Equal(7000UL, Number(sent[0x01]));
        Assert.Equal(Enumerable.Range(0xF0, 16).Select(value => (byte)value), sent[0x02]);
        Assert.Equal(1452UL, Number(sent[0x03]));
        Assert.Equal(1001UL, Number(sent[0x04]));
        Assert.Equal(1002UL, Number(sent[0x05]));
        Assert.Equal(1003UL, Number(sent[0x06]));
        Assert.Equal(1004UL, Number(sent[0x07]));
        Assert.Equal(1005UL, Number(sent[0x08]));
        Assert.Equal(1006UL, Number(sent[0x09]));
        Assert.Equal(4UL, Number(sent[0x0a]));
        Assert.Equal(26UL, Number(sent[0x0b]));
        Assert.Empty(sent[0x0c]);
        Assert.Equal(8UL, Number(sent[0x0e]));
        Assert.Equal([9, 10], sent[0x0f]);
        Assert.Equal([11, 12, 13], sent[0x10]);
        Assert.Equal(65535UL, Number(sent[0x20]));
        Assert.Contains(0x2ab2UL, sent.Keys);
        return Task.CompletedTask;
    }

    [QuicFact]
    public Task PacketHeader_OfAnInitialPacket()
    {
        byte[] packet = new byte[1200];
        byte[] head = [0xC3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 3, 21, 22, 23, 5, 0xb7, 32, 33, 34, 35, 0x44, 0x80];
        head.CopyTo(packet, 0);
        fixed (byte* data = packet)
        {
            Ngtcp2PacketHeader header;
            Assert.Equal(0, LibNgtcp2.ngtcp2_accept(&header, data, 1200));
            Assert.Equal(1u, header.Version);
            Assert.Equal(0x10, header.Type);
            Assert.Equal(0x01, header.Flags & 1);
            Assert.Equal((nuint)8, header.DestinationId.Bytes);
            Assert.Equal(8, header.DestinationId.Data[7]);
            Assert.Equal((nuint)3, header.SourceId.Bytes);
            Assert.Equal(23, header.SourceId.Data[2]);
            Assert.Equal((nuint)5, header.TokenBytes);
            Assert.True(header.Token == data + 19);
            Assert.Equal((nuint)0x480, header.Bytes);

            Ngtcp2VersionCid ids;
            Assert.Equal(0, LibNgtcp2.ngtcp2_pkt_decode_version_cid(&ids, data, 1200, 16));
            Assert.Equal(1u, ids.Version);
            Assert.True(ids.DestinationId == data + 6);
            Assert.Equal((nuint)8, ids.DestinationIdBytes);
            Assert.True(ids.SourceId == data + 15);
            Assert.Equal((nuint)3, ids.SourceIdBytes);
        }

        return Task.CompletedTask;
    }

    [QuicFact]
    public Task CloseError_AsTheLibraryFillsIt()
    {
        Ngtcp2CloseError error;
        byte* reason = stackalloc byte[3];
        LibNgtcp2.ngtcp2_ccerr_set_application_error(&error, 77, reason, 3);
        Assert.Equal(1, error.Type);
        Assert.Equal(77UL, error.Code);
        Assert.True(error.Reason == reason);
        Assert.Equal((nuint)3, error.ReasonBytes);
        LibNgtcp2.ngtcp2_ccerr_set_tls_alert(&error, 42, null, 0);
        Assert.Equal(0, error.Type);
        Assert.Equal(0x100UL + 42, error.Code);
        return Task.CompletedTask;
    }

    [Fact]
    public void LibraryMissing_ReasonNamesThePackage()
    {
        Assert.False(QuicLibraries.Check("libngtcp2.so.none", LibNgtcp2Crypto.Library, LibGnuTls.Library, LibNgtcp2.KnownVersion, out string reason));
        Assert.Contains("libngtcp2-16", reason, StringComparison.Ordinal);
        Assert.DoesNotContain("another version", reason, StringComparison.Ordinal);
    }

    [QuicFact]
    public Task LibraryOfAnotherVersion_ReasonNamesBothAndThePackage()
    {
        Assert.False(QuicLibraries.Check(LibNgtcp2.Library, LibNgtcp2Crypto.Library, LibGnuTls.Library, 0x010c, out string reason));
        Assert.Contains("1.11", reason, StringComparison.Ordinal);
        Assert.Contains("1.12", reason, StringComparison.Ordinal);
        Assert.Contains("libngtcp2-16", reason, StringComparison.Ordinal);
        Assert.False(QuicLibraries.Check(LibNgtcp2.Library, LibNgtcp2.Library, LibGnuTls.Library, LibNgtcp2.KnownVersion, out reason));
        Assert.Contains("libngtcp2-crypto-gnutls8", reason, StringComparison.Ordinal);
        return Task.CompletedTask;
    }

    private static Ngtcp2Cid Id(params byte[] bytes)
    {
        Ngtcp2Cid id = new() { Bytes = (nuint)bytes.Length };
        bytes.CopyTo(new Span<byte>(id.Data, bytes.Length));
        return id;
    }

    private static Dictionary<ulong, byte[]> Parse(ReadOnlySpan<byte> encoded)
    {
        Dictionary<ulong, byte[]> parameters = [];
        while (!encoded.IsEmpty)
        {
            ulong id = Take(ref encoded);
            int length = (int)Take(ref encoded);
            parameters.Add(id, encoded[..length].ToArray());
            encoded = encoded[length..];
        }

        return parameters;
    }

    private static ulong Number(ReadOnlySpan<byte> data) => Take(ref data);

    // RFC 9000, section 16.
    private static ulong Take(ref ReadOnlySpan<byte> data)
    {
        int length = 1 << (data[0] >> 6);
        ulong value = (ulong)data[0] & 0x3F;
        for (int i = 1; i < length; i++)
        {
            value = (value << 8) | data[i];
        }

        data = data[length..];
        return value;
    }
}
