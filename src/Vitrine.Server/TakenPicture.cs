using Vitrine.Frames;
using Vitrine.Imaging;

namespace Vitrine.Server;

/// <summary>What became of taking a picture.</summary>
public enum PictureStatus
{
    /// <summary>It is there.</summary>
    Taken = 0,

    /// <summary>Sharing is stopped.</summary>
    Stopped = 1,

    /// <summary>What was shared is gone for good.</summary>
    Closed = 2,

    /// <summary>The window is unmapped or minimised.</summary>
    Hidden = 3,

    /// <summary>The display server is gone, or does not answer.</summary>
    DisplayGone = 4,

    /// <summary>Nothing of the region lies in the picture.</summary>
    Outside = 5,
}

/// <summary>A picture that was taken, or why not.</summary>
/// <param name="Status">What became of it; nothing else is set unless <see cref="PictureStatus.Taken"/>.</param>
/// <param name="Picture">The pixels, packed; the fourth byte of each has no meaning.</param>
/// <param name="Bounds">Where they lie in the whole picture, device pixels.</param>
/// <param name="Frame">Number of the newest frame in it.</param>
/// <param name="Generation">Of the whole picture.</param>
public readonly record struct TakenPicture(PictureStatus Status, Picture? Picture = null, DeviceRectangle Bounds = default, uint Frame = 0, uint Generation = 0);
