using System.Buffers;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Google.Protobuf.WellKnownTypes;
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
        catch (Exception exception) when (MalformedMessage.IsCause(exception))
        {
            throw new CallException(CallStatusCode.Internal, $"The bytes are no {into.Descriptor.FullName}: {exception.Message}", innerException: exception);
        }
    }

    /// <summary>Reads the details of a status, <c>google.rpc.Status</c>; none where the bytes are no such message: a bad detail must not hide the
    /// status.</summary>
    public static RepeatedField<Any> ReadDetails(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return bytes.IsEmpty ? [] : Wire.Rpc.Status.Parser.ParseFrom(bytes).Details;
        }
        catch (Exception exception) when (MalformedMessage.IsCause(exception))
        {
            return [];
        }
    }
}
