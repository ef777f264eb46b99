using Microsoft.AspNetCore.Http;

namespace Vitrine.Server.Web;

/// <summary>What every answer carries.</summary>
internal static class SecurityHeaders
{
    // Files of our own only. blob: and data: for pictures that the page makes itself (a saved screenshot, an icon).
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        + "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static void Apply(IHeaderDictionary headers)
    {
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer"; // the address holds the token
        headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()";

        // Nobody else's window or resource shares a process with the picture; the browser's clock becomes precise in return.
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Embedder-Policy"] = "require-corp";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
    }
}
