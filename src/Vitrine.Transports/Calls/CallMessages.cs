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
        if (!MessageLengths.Fit(bytes, into.Descriptor))
        {
            throw new CallException(CallStatusCode.Internal, $"The bytes are no {into.Descriptor.FullName}: a part is longer than the whole.");
        }

        try
        {
            into.MergeFrom(bytes);
        }
        catch (InvalidProtocolBufferException exception)
        {
            throw new CallException(CallStatusCode.Internal, $"The bytes are no {into.Descriptor.FullName}: {exception.Message}", innerException: exception);
        }
    }

    /// <summary>Reads the details of a status, <c>google.rpc.Status</c>; none where the bytes are no such message: a bad detail must not hide the
    /// status.</summary>
    /// <param name="bytes">A few kilobytes at most.</param>
    public static RepeatedField<Any> ReadDetails(ReadOnlySpan<byte> bytes)
    {
        try
        {
            ReadOnlySequence<byte> whole = new(bytes.ToArray());
            return MessageLengths.Fit(whole, Wire.Rpc.Status.Descriptor) ? Wire.Rpc.Status.Parser.ParseFrom(whole).Details : [];
        }
        catch (InvalidProtocolBufferException)
        {
            return [];
        }
    }
}
