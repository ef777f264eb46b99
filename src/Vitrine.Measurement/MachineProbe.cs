using System.Globalization;
using System.Reflection;

namespace Vitrine.Measurement;

/// <summary>Describes this machine and this build. Linux.</summary>
public static class MachineProbe
{
    /// <summary>Reads the machine.</summary>
    /// <param name="display">Display server and size; the lab knows them.</param>
    public static MachineRecord Read(string display) => new(
        FirstValue("/proc/cpuinfo", "model name") ?? FirstValue("/proc/cpuinfo", "Hardware") ?? "unknown",
        Environment.ProcessorCount,
        GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
        $"{(FirstValue("/etc/os-release", "PRETTY_NAME") ?? "Linux").Trim('"')}, Linux {FirstWord("/proc/sys/kernel/osrelease")}, .NET {Environment.Version}",
        display,
        Gpu());

    /// <summary>Commit that <paramref name="assembly"/> was built from, as the SDK writes it behind the version; «unknown» outside a repository.</summary>
    public static string Commit(Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        string version = assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? string.Empty;
        int plus = version.IndexOf('+', StringComparison.Ordinal);
        return plus < 0 ? "unknown" : version[(plus + 1)..];
    }

    private static string Gpu()
    {
        const string Cards = "/sys/class/drm";
        if (!Directory.Exists(Cards))
        {
            return "none";
        }

        string[] cards = [.. Directory.EnumerateDirectories(Cards, "card?").Order(StringComparer.Ordinal)
            .Select(card => FirstValue(card + "/device/uevent", "DRIVER", '='))
            .OfType<string>()];
        return cards.Length == 0 ? "none" : string.Join(", ", cards);
    }

    private static string FirstWord(string path) => File.Exists(path) ? File.ReadAllText(path).Trim() : "unknown";

    private static string? FirstValue(string path, string key, char separator = ':')
    {
        if (!File.Exists(path))
        {
            return null;
        }

        foreach (string line in File.ReadLines(path))
        {
            int at = line.IndexOfAny([separator, '=']);
            if (at > 0 && line.AsSpan(0, at).Trim().SequenceEqual(key))
            {
                return line[(at + 1)..].Trim().ToString(CultureInfo.InvariantCulture);
            }
        }

        return null;
    }
}
