namespace Vitrine.Server.Access;

/// <summary>What this user's hosts on this machine are told by: made on first use, and the same ever since.</summary>
public static class HostIdentity
{
    private const int Digits = 32;

    /// <summary>Reads it, or makes it.</summary>
    /// <param name="configDirectory">Where it is kept.</param>
    /// <returns>32 hexadecimal digits.</returns>
    /// <exception cref="IOException">It can neither be read nor made.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    public static string Load(string configDirectory)
    {
        string path = Path.Combine(configDirectory, "host-id");
        for (bool isTold = false; ; isTold = true)
        {
            if (File.Exists(path) && Read(path) is { } id)
            {
                return id;
            }

            if (isTold)
            {
                throw new IOException($"{path} holds no host id; remove it, and a new one is made.");
            }

            OwnerFile.Write(path, $"{Guid.NewGuid():N}\n", replaces: false);
        }
    }

    private static string? Read(string path)
    {
        using StreamReader reader = new(path);
        char[] start = new char[Digits + 2];
        string text = new string(start, 0, reader.ReadBlock(start)).Trim();
        return text.Length == Digits && text.All(char.IsAsciiHexDigitLower) ? text : null;
    }
}
