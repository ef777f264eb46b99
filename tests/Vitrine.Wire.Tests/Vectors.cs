using System.Globalization;
using System.Text.Json.Nodes;
using Vitrine.Frames;

namespace Vitrine.Wire.Tests;

/// <summary>The vectors of tests/vectors; see the README there.</summary>
public static class Vectors
{
    private static string Folder => Path.Combine(AppContext.BaseDirectory, "vectors");

    public static IEnumerable<string> Files => Directory.EnumerateFiles(Folder, "*.json").Select(path => Path.GetFileNameWithoutExtension(path)).Order();

    public static JsonObject Load(string file) => JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, file + ".json")))!.AsObject();

    public static IEnumerable<JsonObject> All(JsonObject file, string kind) => file[kind]!.AsArray().Select(vector => vector!.AsObject());

    public static DeviceSize Picture(JsonObject vector) => vector["picture"] is JsonObject picture
        ? new((int)picture["width"]!, (int)picture["height"]!)
        : new(1920, 1080);

    /// <summary>«56 54», «5654», «61*257».</summary>
    public static byte[] Bytes(string hex)
    {
        using MemoryStream bytes = new();
        foreach (string token in hex.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (token.Split('*') is [string one, string times])
            {
                bytes.Write([.. Enumerable.Repeat(Convert.FromHexString(one)[0], int.Parse(times, CultureInfo.InvariantCulture))]);
            }
            else
            {
                bytes.Write(Convert.FromHexString(token));
            }
        }

        return bytes.ToArray();
    }
}
