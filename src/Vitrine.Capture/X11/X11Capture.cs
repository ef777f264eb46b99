using Vitrine.Frames;

namespace Vitrine.Capture.X11;

/// <summary>Which back end reads the pixels, and why that one.</summary>
/// <param name="Name">One of <see cref="X11Capture.BackEndNames"/>.</param>
/// <param name="Reason">What decided, in words.</param>
public sealed record BackEndChoice(string Name, string Reason);

/// <summary>What to capture of an X display, and how.</summary>
public sealed record X11CaptureOptions
{
    /// <summary>Such as <c>:0</c>; null takes the environment's <c>DISPLAY</c>.</summary>
    public string? DisplayName { get; init; }

    /// <summary>The part of the screen in device pixels; null is all of it. What lies outside the screen is left away.</summary>
    public DeviceRectangle? Region { get; init; }

    /// <summary>One of <see cref="X11Capture.BackEndNames"/>; null takes the fastest that works. A back end that was asked
    /// for by name is not replaced by another when it does not work.</summary>
    public string? BackEnd { get; init; }

    /// <summary>Whether every key and button makes a frame at once (<see cref="FrameTrigger.Input"/>), changed or not.</summary>
    public bool CaptureOnInput { get; init; }

    /// <summary>Whole frames a second where the display cannot tell what changed. 1..1000.</summary>
    public int PollingRate { get; init; } = 30;

    /// <summary>Pictures of the pool: as many as are held at once, and one.</summary>
    public int PoolCapacity { get; init; } = FramePool.LiveCapacity;

    /// <summary>The clock of the frames' times.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>Opens sources on X displays.</summary>
public static class X11Capture
{
    /// <summary>MIT-SHM with shared pixmaps: the fastest.</summary>
    public const string Shm = "x11-shm";

    /// <summary>MIT-SHM without shared pixmaps: what most servers with a graphics card offer.</summary>
    public const string ShmGetImage = "x11-shm-getimage";

    /// <summary>GetImage through the socket: works everywhere.</summary>
    public const string GetImage = "x11-getimage";

    /// <summary>Every back end, fastest first.</summary>
    public static IReadOnlyList<string> BackEndNames { get; } = [Shm, ShmGetImage, GetImage];

    /// <summary>Opens the screen, or a part of it, over a connection of its own.</summary>
    /// <param name="options">What and how.</param>
    /// <param name="error">When null is returned: a sentence that says what is wrong and what mends it.</param>
    /// <returns>The source, owned by the caller, or null.</returns>
    public static X11ScreenSource? TryOpenScreen(X11CaptureOptions options, out string error)
    {
        ArgumentNullException.ThrowIfNull(options);
        X11Connection? connection = TryConnect(options, out error);
        if (connection is null)
        {
            return null;
        }

        if (options.Region is DeviceRectangle region && region.Intersect(DeviceRectangle.Of(connection.InitialRootSize)).IsEmpty)
        {
            error = $"The region {region} lies outside the screen, which is {connection.InitialRootSize}.";
            connection.Dispose();
            return null;
        }

        X11ScreenSource source = new(connection, options);
        if (source.TryStart(out error))
        {
            return source;
        }

        bool lostByAttaching = connection.IsBroken && options.BackEnd is null;
        source.Dispose();
        if (!lostByAttaching)
        {
            return null;
        }

        // Some proxies close the connection on a request that carries a descriptor. Without one it may work.
        source = TryOpenScreen(options with { BackEnd = GetImage }, out error)!;
        source?.ExplainChoice("GetImage: the display closed the connection when it was handed shared memory");
        return source;
    }

    /// <summary>Opens a window over a connection of its own; <see cref="X11Windows"/> finds it.</summary>
    /// <param name="options">How; a region is not taken.</param>
    /// <param name="window">The window, or null: always the active one.</param>
    /// <param name="error">When null is returned: a sentence that says what is wrong and what mends it.</param>
    /// <returns>The source, owned by the caller, or null.</returns>
    public static X11WindowSource? TryOpenWindow(X11CaptureOptions options, uint? window, out string error)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Region is not null)
        {
            error = "A window is captured whole. Leave the region away, or capture a region of the screen.";
            return null;
        }

        X11Connection? connection = TryConnect(options, out error);
        if (connection is null)
        {
            return null;
        }

        X11WindowSource source = new(connection, options, window ?? 0, followsActive: window is null);
        if (source.TryStart(out error))
        {
            return source;
        }

        bool lostByAttaching = connection.IsBroken && options.BackEnd is null;
        source.Dispose();
        return lostByAttaching ? TryOpenWindow(options with { BackEnd = GetImage }, window, out error) : null;
    }

    private static X11Connection? TryConnect(X11CaptureOptions options, out string error)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.PollingRate, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.PollingRate, 1000, nameof(options));
        if (options.BackEnd is not null && !BackEndNames.Contains(options.BackEnd))
        {
            error = $"There is no back end «{options.BackEnd}». There are: {string.Join(", ", BackEndNames)}.";
            return null;
        }

        return X11Connection.TryOpen(options.DisplayName, out error);
    }
}
