using Vitrine.Codecs.H264;
using Vitrine.Codecs.Regions;
using Vitrine.Events.Hosts;

namespace Vitrine.Server;

/// <summary>How something is shared. Keys: <c>name</c>, <c>fps</c>, <c>video</c>, <c>encoder</c>, <c>bitrate</c>, <c>bitrate-min</c>.</summary>
public sealed record ShareOptions
{
    /// <summary>Value of <see cref="Encoder"/> that leaves the choice to the machine.</summary>
    public const string AnyEncoder = "auto";

    /// <summary>Name of the host, shown to viewers; at most 256 bytes of UTF-8 are sent.</summary>
    public string Name { get; init; } = Environment.MachineName;

    /// <summary>Most frames captured a second, 1..240. The first change after rest is captured at once.</summary>
    public int FramesPerSecondMax { get; init; } = 60;

    /// <summary>Whether what keeps moving becomes video for viewers that decode it.</summary>
    public bool Video { get; init; } = true;

    /// <summary>What encodes video: one of <see cref="H264Support.ShortNames"/> and no other, or <see cref="AnyEncoder"/>, the first of them that
    /// works.</summary>
    public string Encoder { get; init; } = AnyEncoder;

    /// <summary>Most bits a second of video for one viewer, 500,000..200,000,000; a slower link gets less.</summary>
    public int VideoBitsPerSecondMax { get; init; } = 20_000_000;

    /// <summary>Least bits a second of video for one viewer, 100,000 to <see cref="VideoBitsPerSecondMax"/>: however slow its link seems, its
    /// video has as many. Below some 250,000 nothing can be made out.</summary>
    public int VideoBitsPerSecondMin { get; init; } = 250_000;

    /// <summary>Told every decision of the region coder, on the session's thread; null: nobody.</summary>
    public Action<RegionDecision>? Trace { get; init; }

    /// <summary>Told every move of a viewer between the qualities of video, on the session's thread; null: nobody.</summary>
    public Action<QualityDecision>? TraceQuality { get; init; }

    /// <summary>Told why what moves is sent as tiles although it should be video (an encoder that failed, or none that opens), for people:
    /// each reason once, at most <see cref="ShareSession.VideoFailuresToldMax"/> of them, on the session's thread; null: nobody.</summary>
    public Action<string>? VideoFailed { get; init; }

    /// <summary>Keeps what happens; borrowed. Null: nobody does.</summary>
    public EventRecorder? Events { get; init; }

    /// <summary>How often a small picture is told as an event; null: never. 10 s to an hour. Key: <c>events-thumbnails</c>.</summary>
    public TimeSpan? ThumbnailInterval { get; init; }

    /// <summary>In place of this machine's encoders; borrowed. Tests bring their own.</summary>
    internal IVideoEncoderSource? Encoders { get; init; }

    /// <summary>What cannot be used; empty when all is well.</summary>
    /// <param name="sourceOf">Says for a key where its value came from; null: «default».</param>
    public IReadOnlyList<OptionError> Validate(Func<string, string>? sourceOf = null)
    {
        OptionCheck check = new(sourceOf);
        check.Require(FramesPerSecondMax is >= 1 and <= 240, "fps", FramesPerSecondMax, "a number from 1 to 240.");
        check.Require(
            Encoder is AnyEncoder || H264Support.FindEncoder(Encoder) is not null, "encoder", Encoder, $"{AnyEncoder}, {string.Join(", ", H264Support.ShortNames)}.");
        check.Require(VideoBitsPerSecondMax is >= 500_000 and <= 200_000_000, "bitrate", VideoBitsPerSecondMax, "bits a second from 500000 to 200000000.");
        check.Require(
            VideoBitsPerSecondMin >= 100_000 && VideoBitsPerSecondMin <= VideoBitsPerSecondMax, "bitrate-min", VideoBitsPerSecondMin,
            $"bits a second from 100000 to what bitrate is, {VideoBitsPerSecondMax}.");
        check.Require(
            ThumbnailInterval is null || (ThumbnailInterval >= TimeSpan.FromSeconds(10) && ThumbnailInterval <= TimeSpan.FromHours(1)), "events-thumbnails",
            ThumbnailInterval?.TotalSeconds ?? 0, "off, or seconds from 10 to 3600.");
        check.Require(!string.IsNullOrWhiteSpace(Name), "name", Name, "a name that is not empty.");
        return check.Errors;
    }
}
