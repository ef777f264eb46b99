using System.Net;
using Microsoft.Extensions.Primitives;
using Vitrine.Wire;

namespace Vitrine.Transports.Calls;

/// <summary>Whether a caller may make a call. The one place where that is decided, for every transport.</summary>
internal static class CallAuthorization
{
    private const string Scheme = "Bearer ";

    /// <summary>The token of an <c>authorization</c> header (RFC 6750 section 2.1); null when it holds none.</summary>
    public static string? BearerToken(StringValues authorization) =>
        authorization is [{ } value] && value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? value[Scheme.Length..].Trim() : null;

    /// <summary>What the caller may do.</summary>
    /// <param name="method">What is called.</param>
    /// <param name="token">What the caller shows; null when it shows none.</param>
    /// <param name="address">Where the caller is, when that is known.</param>
    /// <param name="access">What tokens grant; null: nobody is granted anything.</param>
    /// <returns>All grants of the token; none when the method needs none.</returns>
    /// <exception cref="CallException">It may not make this call.</exception>
    public static ViewerGrants Check(CallMethod method, string? token, IPAddress? address, CallAccess? access)
    {
        if (method.Grants == ViewerGrants.None)
        {
            return ViewerGrants.None;
        }

        ViewerGrants grants = access?.Invoke(token, address) ?? ViewerGrants.None;
        if (grants == ViewerGrants.None)
        {
            throw new CallException(CallStatusCode.Unauthenticated, "The token is wrong or missing: authorization with Bearer and the token that the host printed.");
        }

        return (grants & method.Grants) == method.Grants
            ? grants
            : throw new CallException(CallStatusCode.PermissionDenied, $"This token does not grant {method.Path}: it needs {method.Grants}.");
    }
}
