namespace Vitrine.Events.Tests;

/// <summary>A test that mounts a file system of its own: it needs root, fails without in CI, and says so elsewhere.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute()
    {
        if (!Environment.IsPrivilegedProcess && Environment.GetEnvironmentVariable("CI") != "true")
        {
            Skip = "It mounts a file system, which takes root.";
        }
    }
}
