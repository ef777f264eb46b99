using System.Text.Json;

namespace Vitrine.Server.Tests.Service;

public sealed class OpenApiTests
{
    /// <summary>The published description is the served one. web/test/openapi.test.ts holds it against OpenAPI's schema.
    /// VITRINE_UPDATE_DOCUMENTS=1 writes it anew.</summary>
    [Fact]
    public async Task Description_IsThePublishedOneAndHoldsEveryMethod()
    {
        await using Host host = await Host.StartAsync();
        using HttpClient http = new();
        string served = await http.GetStringAsync(new Uri(host.Server.Url, "/api/openapi.json"));
        string path = FindPublished();
        if (Environment.GetEnvironmentVariable("VITRINE_UPDATE_DOCUMENTS") == "1")
        {
            await File.WriteAllTextAsync(path, served + "\n");
        }

        Assert.Equal(await File.ReadAllTextAsync(path), served + "\n");
        JsonElement document = JsonDocument.Parse(served).RootElement;
        Assert.Equal(
            [
                "/api/v1/desktop/displays", "/api/v1/desktop/packets", "/api/v1/desktop/picture", "/api/v1/desktop/session", "/api/v1/desktop/start-sharing",
                "/api/v1/desktop/statistics", "/api/v1/desktop/stop-sharing", "/api/v1/desktop/viewers",
                "/api/v1/echo/client-stream", "/api/v1/echo/duplex", "/api/v1/echo/server-stream", "/api/v1/echo/unary",
                "/api/v1/event-log/events", "/api/v1/event-log/figures", "/api/v1/event-log/table",
            ],
            document.GetProperty("paths").EnumerateObject().Select(member => member.Name).Order(StringComparer.Ordinal));
        foreach (JsonProperty type in document.GetProperty("components").GetProperty("schemas").EnumerateObject())
        {
            foreach (JsonProperty field in type.Value.GetProperty("properties").EnumerateObject())
            {
                Assert.True(field.Value.TryGetProperty("type", out _) || field.Value.TryGetProperty("$ref", out _), $"{type.Name}.{field.Name} has no type.");
            }
        }

        // What the .proto files say stands in it.
        Assert.Contains("every pixel exact", document.GetProperty("paths").GetProperty("/api/v1/desktop/picture").GetProperty("get").GetProperty("description").GetString(), StringComparison.Ordinal);
    }

    private static string FindPublished()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Vitrine.slnx")))
            {
                return Path.Combine(folder.FullName, "docs", "openapi.json");
            }
        }

        throw new InvalidOperationException("The tests do not run from their source folder.");
    }
}
