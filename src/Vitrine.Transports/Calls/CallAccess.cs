using System.Net;
using Vitrine.Wire;

namespace Vitrine.Transports.Calls;

/// <summary>Says what a caller may do. Asked for calls of methods that need a grant; any thread.</summary>
/// <param name="token">What the caller shows; null when it shows none.</param>
/// <param name="address">Where the caller is, when that is known.</param>
/// <returns><see cref="ViewerGrants.None"/> when the token is none: the call fails with <see cref="CallStatusCode.Unauthenticated"/>. Too
/// few: <see cref="CallStatusCode.PermissionDenied"/>.</returns>
/// <exception cref="CallException">The call shall fail so, for example because of too many failed attempts.</exception>
public delegate ViewerGrants CallAccess(string? token, IPAddress? address);
