using System.Runtime.InteropServices;
using Vitrine.Lab;

namespace Vitrine.EndToEnd.Vaapi;

/// <summary>A driver for VA-API that codes in memory (<c>memory_drv_video.c</c>), compiled for these tests, and an X server that it is opened by:
/// libva opens a driver through a display or a device only.</summary>
public sealed unsafe partial class MemoryDriver : IDisposable
{
    private static readonly string[] s_settings =
    [
        "MEMORY_VA_RATE", "MEMORY_VA_SLICES", "MEMORY_VA_LOW_POWER", "MEMORY_VA_NO_H264", "MEMORY_VA_NO_DERIVE", "MEMORY_VA_NO_SYNC_BUFFER",
        "MEMORY_VA_FAILS_AT",
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-vaapi-").FullName;
    private readonly PrivateDisplay _display = PrivateDisplay.Start(new(64, 64));
    private readonly delegate* unmanaged<int> _objects;

    public MemoryDriver()
    {
        string file = Path.Combine(_folder, "memory_drv_video.so");
        (int code, _, string errors) = ChildProcess.RunAsync(
            "cc", ["-O1", "-shared", "-fPIC", "-o", file, Path.Combine(AppContext.BaseDirectory, "memory_drv_video.c")], null, CancellationToken.None)
            .GetAwaiter().GetResult();
        Assert.True(code == 0, $"The driver does not compile: apt-get install gcc libva-dev. {errors}");
        // SAFETY: int memory_va_objects(void), in a library that stays loaded.
        _objects = (delegate* unmanaged<int>)NativeLibrary.GetExport(NativeLibrary.Load(file), "memory_va_objects");
        Set();
        SetVariable("LIBVA_DRIVERS_PATH", _folder);
        SetVariable("LIBVA_DRIVER_NAME", "memory");
    }

    /// <summary>What libavutil opens it by.</summary>
    public string Device => _display.Name;

    /// <summary>What was taken of the driver and not given back.</summary>
    public int Objects => _objects();

    /// <summary>Makes the driver one that a test wants; an empty name is none.</summary>
    public static void Set(params ReadOnlySpan<(string Name, string Value)> settings)
    {
        foreach (string name in s_settings)
        {
            SetVariable(name, "");
        }

        foreach ((string name, string value) in settings)
        {
            if (name.Length > 0)
            {
                SetVariable(name, value);
            }
        }
    }

    public void Dispose()
    {
        _display.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    // .NET keeps an environment of its own: native code would not see what is set there.
    private static void SetVariable(string name, string value) => Assert.Equal(0, setenv(name, value, 1));

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrites);
}
