using Google.Protobuf;

namespace Vitrine.Wire;

/// <summary>Tells bytes that are no message from other failures of reading one.</summary>
public static class MalformedMessage
{
    /// <summary>Whether Protobuf's reader says that the bytes are no message.</summary>
    /// <remarks>Google.Protobuf 3.25 does not always say so with its own exception: where an unknown field within a nested message has a length near
    /// 2^31, its sum with the position overflows, and slicing beyond the buffer throws another one. Nothing outside of the buffer is read.</remarks>
    public static bool IsCause(Exception exception) => exception is InvalidProtocolBufferException or ArgumentOutOfRangeException;
}
