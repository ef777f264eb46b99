using Google.Protobuf;

namespace Vitrine.Wire.V1;

/// <content>Reading into the same message again.</content>
public sealed partial class LivePacket : IReusableMessage
{
    /// <inheritdoc/>
    public void Clear()
    {
        packet_ = ByteString.Empty;
        _unknownFields = null;
    }
}
