using Google.Protobuf;

namespace Vitrine.Wire.V1;

/// <content>Reading into the same message again.</content>
public sealed partial class EchoRequest : IReusableMessage
{
    /// <inheritdoc/>
    public void Clear()
    {
        payload_ = ByteString.Empty;
        (replyCount_, replyBytes_, delayMicros_) = (0, 0, 0);
        failure_ = null;
        _unknownFields = null;
    }
}

/// <content>Reading into the same message again.</content>
public sealed partial class EchoReply : IReusableMessage
{
    /// <inheritdoc/>
    public void Clear()
    {
        payload_ = ByteString.Empty;
        (sequence_, requests_) = (0, 0);
        _unknownFields = null;
    }
}
