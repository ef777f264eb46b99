using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Http2;

/// <summary>A request that HTTP has a status of its own for.</summary>
internal sealed class HttpRefusal(int status, CallStatusCode code, string message) : Exception(message)
{
    /// <summary>HTTP status.</summary>
    public int Status { get; } = status;

    /// <summary>The same as a failed call.</summary>
    public CallException Failure { get; } = new(code, message);
}
