using Google.Protobuf;

namespace Vitrine.Wire;

/// <summary>A Protobuf message that can be made empty, to be read into again.</summary>
/// <remarks>Generated messages have no such member, and merging adds to what is there, unknown fields too. Messages that are read
/// often implement it in a part of their own beside the generated one.</remarks>
public interface IReusableMessage : IMessage
{
    /// <summary>Makes it equal to a new message. Takes no memory.</summary>
    void Clear();
}
