using System.Collections.Concurrent;
using Vitrine.Interop;

namespace Vitrine.Codecs.H264;

/// <summary>Whether an encoder works here.</summary>
/// <param name="Name">One of <see cref="H264Support.EncoderNames"/>.</param>
/// <param name="Works">It was opened and coded pictures, a key frame on demand among them.</param>
/// <param name="Reason">Which it is; or why it does not work.</param>
public sealed record H264EncoderProbe(string Name, bool Works, string Reason);

/// <summary>What there is for H.264 here.</summary>
/// <param name="Library">Which libavcodec; null when there is none that can be used.</param>
/// <param name="LibraryReason">Its version; or why there is none, and what to install.</param>
/// <param name="Encoders">All of <see cref="H264Support.EncoderNames"/>, in that order.</param>
/// <param name="DecoderWorks">Whether viewers without a browser can decode.</param>
public sealed record H264Report(string? Library, string LibraryReason, IReadOnlyList<H264EncoderProbe> Encoders, bool DecoderWorks)
{
    /// <summary>The encoder that is used; null when none works.</summary>
    public H264EncoderProbe? Chosen => Encoders.FirstOrDefault(encoder => encoder.Works);
}

/// <summary>Finds out what works.</summary>
public static class H264Support
{
    private static readonly ConcurrentDictionary<string, H264EncoderProbe> s_hardware = new();

    /// <summary>What is tried, in this order: x264 first, because its quality, rate control and latency were measured; then hardware where it
    /// works; OpenH264 last.</summary>
    public static IReadOnlyList<string> EncoderNames { get; } = ["libx264", "h264_nvenc", VaapiEncoder.Name, "libopenh264"];

    /// <summary>What people call those of <see cref="EncoderNames"/>, in the same order: «x264».</summary>
    public static IReadOnlyList<string> ShortNames { get; } = ["x264", "nvenc", "vaapi", "openh264"];

    /// <summary>One of <see cref="EncoderNames"/>; null when there is none of this short name.</summary>
    public static string? FindEncoder(string shortName)
    {
        for (int i = 0; i < ShortNames.Count; i++)
        {
            if (ShortNames[i] == shortName)
            {
                return EncoderNames[i];
            }
        }

        return null;
    }

    /// <summary>What brings the encoder that is preferred, on Debian 13 or 12.</summary>
    public const string InstallCommand = "apt-get install libavcodec61 || apt-get install libavcodec59";

    /// <summary>Opens everything and codes with it. Takes some tens of milliseconds; nothing stays open.</summary>
    public static H264Report Probe()
    {
        AvLibraries? libraries = AvLibraries.Load(out string reason);
        using H264Decoder? decoder = H264Decoder.TryCreate(out _);
        return new(libraries?.VersionText, reason, [.. EncoderNames.Select(ProbeEncoder)], decoder is not null);
    }

    internal static EncoderBackEnd? TryOpenEncoder(string name, H264EncoderOptions options, out string reason) =>
        name switch
        {
            "libopenh264" => OpenH264Encoder.TryOpen(options, out reason),
            VaapiEncoder.Name => VaapiEncoder.TryOpen(options, out reason),
            _ => AvEncoder.TryOpen(name, options, out reason),
        };

    /// <summary>Why hardware is not to be chosen: it does not open, or does not code what it was asked for. Tried once in a process.</summary>
    /// <returns>Null when it works, and of software.</returns>
    internal static string? FaultOfHardware(string name) =>
        name is "h264_nvenc" or VaapiEncoder.Name && s_hardware.GetOrAdd(name, ProbeEncoder) is { Works: false } probe ? probe.Reason : null;

    /// <summary>Has an encoder code four pictures.</summary>
    /// <returns>What is wrong; null when nothing is.</returns>
    internal static string? FaultOf(H264Encoder encoder)
    {
        for (int i = 0; i < 4; i++)
        {
            bool wantsKeyFrame = i is 0 or 3;
            if (encoder.TryEncode(i * 16_666_667L, wantsKeyFrame, out _, out bool isKeyFrame) != EncodeStatus.Encoded || isKeyFrame != wantsKeyFrame)
            {
                return encoder.FailureReason.Length > 0 ? encoder.FailureReason : "it does not make key frames on demand only";
            }
        }

        return null;
    }

    // Hardware has a smallest size above 64x64.
    private static H264EncoderProbe ProbeEncoder(string name)
    {
        using H264Encoder? encoder = H264Encoder.TryCreate(new() { Size = new(256, 128), Encoder = name }, out string reason);
        string answer = reason.StartsWith(name + ": ", StringComparison.Ordinal) ? reason[(name.Length + 2)..] : reason;
        string? fault = encoder is null ? answer : FaultOf(encoder);
        return new(name, fault is null, fault ?? answer);
    }
}
