namespace Vitrine.Lab;

/// <summary>The clone of the repository that this program was built in.</summary>
public static class SourceFolder
{
    /// <summary>Its root, or null when the program does not run from inside it.</summary>
    public static string? Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Vitrine.slnx")))
            {
                return folder.FullName;
            }
        }

        return null;
    }
}
