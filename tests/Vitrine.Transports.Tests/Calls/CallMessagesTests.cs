using System.Buffers;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Transports.Calls;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests.Calls;

public class CallMessagesTests
{
    // Found by fuzzing: a nested message of 2^31 - 1 bytes, with an unknown field in it, for which Protobuf's reader takes 1.4 GB.
    private static readonly byte[] s_overflowing = Convert.FromHexString("0A14000000000000002000000000000000000000000010012AFFFFFFFF6772C3B6C39F6572E8");

    [Theory]
    [InlineData("0A")]
    [InlineData("0AFFFFFFFF0F")]
    [InlineData("FFFFFFFFFFFFFFFFFFFFFF")]
    public void BytesThatAreNone_AreAStatus(string hex) => AssertRefused(Convert.FromHexString(hex));

    [Fact]
    public void LengthThatOverflows_IsAStatusToo_AndNoMemoryIsTakenForIt()
    {
        AssertRefused(s_overflowing);
        long before = GC.GetAllocatedBytesForCurrentThread();
        AssertRefused(s_overflowing);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    [Fact]
    public void Details_AreThoseThatAreThere_OrNone()
    {
        Wire.Rpc.Status status = new() { Details = { Any.Pack(new EchoReply { Payload = ByteString.CopyFrom(1, 2) }) } };
        Assert.Equal(status.Details, CallMessages.ReadDetails(status.ToByteArray()));
        Assert.Empty(CallMessages.ReadDetails([]));
        Assert.Empty(CallMessages.ReadDetails([0x0A]));
        Assert.Empty(CallMessages.ReadDetails([0x1A, .. s_overflowing]));
    }

    private static void AssertRefused(byte[] bytes) =>
        Assert.Equal(CallStatusCode.Internal, Assert.Throws<CallException>(() => CallMessages.Read(new ReadOnlySequence<byte>(bytes), new EchoRequest())).Code);
}
