using Google.Protobuf.WellKnownTypes;

namespace Vitrine.Transports.Calls;

/// <summary>A call that did not succeed. A handler throws it to say so; a caller gets it, whatever the transport.</summary>
/// <param name="code">Anything but <see cref="CallStatusCode.Ok"/>.</param>
/// <param name="message">For people; any characters. It crosses the network: no secrets.</param>
/// <param name="details">For programs: the details of <c>google.rpc.Status</c>.</param>
/// <param name="innerException">The cause on this side; does not cross the network.</param>
public sealed class CallException(CallStatusCode code, string message, IReadOnlyList<Any>? details = null, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>How it failed.</summary>
    public CallStatusCode Code { get; } = code != CallStatusCode.Ok ? code : throw new ArgumentOutOfRangeException(nameof(code), "A call that succeeded does not throw.");

    /// <summary>What programs may read about it; empty when there is nothing.</summary>
    public IReadOnlyList<Any> Details { get; } = details ?? [];
}
