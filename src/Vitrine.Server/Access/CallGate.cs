using System.Globalization;
using System.Net;
using Vitrine.Transports.Calls;
using Vitrine.Wire;

namespace Vitrine.Server.Access;

/// <summary>What tokens of calls grant; too many wrong ones from an address are answered with when to try again.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class CallGate(AccessControl access, FailureLimiter failures)
{
    /// <summary>See <see cref="CallAccess"/>.</summary>
    public ViewerGrants Check(string? token, IPAddress? address)
    {
        ViewerGrants grants = access.Check(token);
        if (grants == ViewerGrants.None && failures.Fail(address) is { Ticks: > 0 } wait)
        {
            string seconds = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            throw new CallException(CallStatusCode.ResourceExhausted, $"Too many failed attempts from this address. Try again in {seconds} s.");
        }

        return grants;
    }
}
