using System.Buffers;
using Google.Protobuf;
using Vitrine.Wire;

namespace Vitrine.Transports.Calls;

/// <summary>Messages as binary Protobuf, for the transports that carry it.</summary>
internal static class CallMessages
{
    /// <summary>Reads a message whose length was checked by the caller.</summary>
    /// <exception cref="CallException"><see cref="CallStatusCode.Internal"/>: the bytes are no such message (gRPC's
    /// <c>statuscodes.md</c> wants this code).</exception>
    public static void Read(in ReadOnlySequence<byte> bytes, IMessage into)
    {
        (into as IReusableMessage)?.Clear();
        try
        {
            into.MergeFrom(bytes);
        }
        catch (InvalidProtocolBufferException exception)
        {
            throw new CallException(CallStatusCode.Internal, $"The bytes are no {into.Descriptor.FullName}: {exception.Message}", innerException: exception);
        }
    }
}
