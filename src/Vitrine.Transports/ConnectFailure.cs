using System.Net;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports;

/// <summary>Why a connection could not be made, in the words of <see cref="ConnectStatus"/>.</summary>
internal static class ConnectFailure
{
    private const string NoViewersNow = "takes no viewers now: it has as many as it takes, or sharing is stopped.";

    /// <summary>An HTTP request that did not become a connection.</summary>
    /// <param name="status">What was answered; 0 when nothing was.</param>
    /// <param name="exception">What was thrown; null when there was an answer.</param>
    /// <param name="trust">Of the attempt.</param>
    /// <param name="authority">The host, for people.</param>
    public static ConnectResult Explain(HttpStatusCode status, Exception? exception, HostTrust trust, string authority) => status switch
    {
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new(ConnectStatus.AccessDenied, null, $"{authority} refused: the token is wrong or missing, or the origin is not its own."),
        HttpStatusCode.TooManyRequests => new(ConnectStatus.RateLimited, null, $"{authority} refused: too many failed attempts from this address. Wait a minute."),
        HttpStatusCode.ServiceUnavailable => new(ConnectStatus.TooManyViewers, null, $"{authority} {NoViewersNow}"),
        0 when exception is not null && HostTrust.IsTlsFailure(exception) => new(ConnectStatus.CertificateRefused, null, trust.Explain(exception, authority)),
        0 => Unreachable(exception, authority),
        _ => new(ConnectStatus.NotVitrine, null, $"{authority} answered HTTP {(int)status}: this is not a Vitrine host, or not its address."),
    };

    /// <summary>A call that did not become a connection.</summary>
    public static ConnectResult Explain(CallException failure, string authority) => failure.Code switch
    {
        CallStatusCode.Unauthenticated or CallStatusCode.PermissionDenied => new(ConnectStatus.AccessDenied, null, $"{authority} refused: {failure.Message}"),
        CallStatusCode.ResourceExhausted => new(ConnectStatus.RateLimited, null, $"{authority} refused: {failure.Message}"),
        CallStatusCode.FailedPrecondition => new(ConnectStatus.TooManyViewers, null, $"{authority} refused: {failure.Message}"),
        CallStatusCode.Unavailable when failure.InnerException is null => new(ConnectStatus.TooManyViewers, null, $"{authority} refused: {failure.Message}"),
        CallStatusCode.Unavailable when HostTrust.IsTlsFailure(failure.InnerException) => new(ConnectStatus.CertificateRefused, null, failure.Message),
        CallStatusCode.Unavailable => Unreachable(failure.InnerException, authority),
        _ => new(ConnectStatus.NotVitrine, null, $"{authority} does not serve the live stream so: {failure.Message}"),
    };

    /// <summary>No answer in time.</summary>
    public static ConnectResult TooLate(string authority, TimeSpan timeout) =>
        new(ConnectStatus.Unreachable, null, $"{authority} did not answer within {timeout.TotalSeconds:0.#} s.");

    private static ConnectResult Unreachable(Exception? exception, string authority) =>
        new(ConnectStatus.Unreachable, null, $"Nobody answers at {authority}: {exception?.InnerException?.Message ?? exception?.Message}");
}
