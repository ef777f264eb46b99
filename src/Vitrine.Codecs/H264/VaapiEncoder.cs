using System.Globalization;
using Vitrine.Interop;

namespace Vitrine.Codecs.H264;

/// <summary>Opens libavcodec's encoder for VA-API (Intel, AMD) on the first render node that has one.</summary>
/// <remarks>Drivers differ in what they take, and libavcodec says so only when it opens: what costs least is tried first.</remarks>
internal static class VaapiEncoder
{
    /// <summary>As libavcodec calls it.</summary>
    public const string Name = "h264_vaapi";

    // One that is uploaded to, one that is coded, and one to spare each.
    private const int Surfaces = 4;

    // Drivers keep it in few bits, or multiply it, so 2^30 is not safe: one key frame in nine minutes at 60 a second is no loss.
    private const string PicturesOfGroup = "32767";

    private const string DeviceFolder = "/dev/dri", DevicePattern = "renderD*";

    // A constant rate may be filled up with nothing where little moves.
    private static readonly string[] s_rateControls = ["VBR", "CBR"];
    private static readonly bool[] s_lowPower = [false, true];

    /// <summary>Tries every render node of this machine.</summary>
    public static AvEncoder? TryOpen(H264EncoderOptions options, out string reason)
    {
        string[] devices = Directory.Exists(DeviceFolder) ? Directory.GetFiles(DeviceFolder, DevicePattern) : [];
        Array.Sort(devices, StringComparer.Ordinal);
        return TryOpen(options, devices, out reason);
    }

    /// <summary>Tries devices in the order given.</summary>
    /// <param name="options">What it is to make.</param>
    /// <param name="devices">Render nodes, or names of X displays.</param>
    /// <param name="reason">Which libavcodec, device and settings it is; or why there is none.</param>
    internal static AvEncoder? TryOpen(H264EncoderOptions options, IReadOnlyList<string> devices, out string reason)
    {
        if (AvEncoder.TryFind(Name, out _, out reason) is not { } libraries)
        {
            return null;
        }

        if (devices.Count == 0)
        {
            reason = $"there is no {DeviceFolder}/{DevicePattern}: no graphics processor, or the kernel has no driver for it";
            return null;
        }

        List<string> refusals = [];
        foreach (string device in devices)
        {
            if (TryOpenDevice(libraries, options, device, out reason) is { } encoder)
            {
                return encoder;
            }

            refusals.Add($"{device}: {reason}");
        }

        reason = string.Join("; ", refusals);
        return null;
    }

    private static AvEncoder? TryOpenDevice(AvLibraries libraries, H264EncoderOptions options, string device, out string reason)
    {
        AvSurfaces? surfaces = AvSurfaces.TryOpen(libraries.Layout, LibAvUtil.DeviceVaapi, device, out int status);
        if (surfaces is null)
        {
            reason = status == LibAvUtil.InvalidArgument
                ? "it cannot be opened: is this user in the group that may (render)?"
                : $"no VA-API driver for it works: {LibAvUtil.Describe(status)}";
            return null;
        }

        AvEncoder? encoder = null;
        try
        {
            (surfaces.Format, surfaces.SoftwareFormat) = (LibAvUtil.av_get_pix_fmt("vaapi"), LibAvUtil.av_get_pix_fmt("nv12"));
            (surfaces.Width, surfaces.Height, surfaces.Count) = (options.Size.Width, options.Size.Height, Surfaces);
            status = surfaces.TryMake();
            if (status < 0)
            {
                reason = $"it has no pictures of {options.Size}: {LibAvUtil.Describe(status)}";
                return null;
            }

            string? refusal = null;
            foreach (Attempt attempt in Attempts(options))
            {
                encoder = AvEncoder.TryOpen(Name, options, Settings(options, attempt), surfaces, out reason);
                if (encoder is not null)
                {
                    reason = $"{reason}, VA-API hardware {device}, {attempt}";
                    return encoder;
                }

                refusal ??= reason;
            }

            reason = refusal!; // of the settings that are wanted most
            return null;
        }
        finally
        {
            if (encoder is null)
            {
                surfaces.Dispose();
            }
        }
    }

    private static IEnumerable<Attempt> Attempts(H264EncoderOptions options)
    {
        int[] counts = options.Slices == 1 ? [1] : [options.Slices, 1];
        return from isLowPower in s_lowPower from slices in counts from rateControl in s_rateControls select new Attempt(rateControl, slices, isLowPower);
    }

    private static IEnumerable<(string Option, string Value)> Settings(H264EncoderOptions options, Attempt attempt) =>
    [
        .. AvEncoder.CommonSettings(options),
        ("pixel_format", "vaapi"),
        ("g", PicturesOfGroup),
        ("b", options.BitsPerSecondMax.ToString(CultureInfo.InvariantCulture)),
        ("rc_mode", attempt.RateControl),
        ("slices", attempt.Slices.ToString(CultureInfo.InvariantCulture)),
        ("low_power", attempt.IsLowPower ? "1" : "0"),
        ("async_depth", "1"), // 2, the default, holds one picture back
        ("sei", "0"), // the times it would tell are those of pictures that come at an even pace
    ];

    private sealed record Attempt(string RateControl, int Slices, bool IsLowPower)
    {
        public override string ToString() =>
            string.Create(CultureInfo.InvariantCulture, $"{RateControl}, {Slices} {(Slices == 1 ? "slice" : "slices")}{(IsLowPower ? ", low power" : "")}");
    }
}
