using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.FileProviders;

namespace Vitrine.Server.Web;

/// <summary>The files of the web pages. They hold no information about what is shared, so that they need no token.</summary>
internal static class WebPages
{
    /// <summary>Where the page of events is.</summary>
    public const string EventsPath = "/events";

    private const string MissingPage =
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Vitrine</title>"
        + "<h1>Vitrine is sharing, but its web page has not been built</h1>"
        + "<p>Run <code>./vitrine</code> in the root of the repository: it builds the page and the program. Then load this page again.</p></html>\n";

    public static void Use(IApplicationBuilder app, string webRoot)
    {
        if (File.Exists(Path.Combine(webRoot, "index.html")))
        {
            PhysicalFileProvider files = new(webRoot);
            app.Use(next => context =>
            {
                if (context.Request.Path == EventsPath)
                {
                    context.Request.Path = "/events.html";
                }

                return next(context);
            });
            app.UseFileServer(new FileServerOptions
            {
                FileProvider = files,
                EnableDirectoryBrowsing = false,
                StaticFileOptions =
                {
                    OnPrepareResponse = context =>
                    {
                        // The build puts a hash of the content into the names below assets/.
                        bool isForEver = context.Context.Request.Path.StartsWithSegments("/assets", StringComparison.Ordinal);
                        context.Context.Response.Headers.CacheControl = isForEver ? "public, max-age=31536000, immutable" : "no-cache";
                    },
                },
            });
        }
        else
        {
            app.Use(next => context =>
            {
                if (context.Request.Path != "/" && context.Request.Path != EventsPath)
                {
                    return next(context);
                }

                context.Response.ContentType = "text/html; charset=utf-8";
                context.Response.Headers.CacheControl = "no-store";
                return context.Response.WriteAsync(MissingPage);
            });
        }
    }
}
