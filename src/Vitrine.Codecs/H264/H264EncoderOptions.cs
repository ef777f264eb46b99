using Vitrine.Frames;

namespace Vitrine.Codecs.H264;

/// <summary>What an encoder is to make.</summary>
public sealed record H264EncoderOptions
{
    /// <summary>Smallest side.</summary>
    public const int SidePixelsMin = 16;

    /// <summary>Largest side.</summary>
    public const int SidePixelsMax = 16_384;

    /// <summary>Most luma pixels: what a decoder of ours takes (<see cref="H264Decoder.PixelsMax"/>).</summary>
    public const int PixelsMax = H264Decoder.PixelsMax;

    /// <summary>Of the coded picture: even, each side from <see cref="SidePixelsMin"/> to <see cref="SidePixelsMax"/>.</summary>
    public required DeviceSize Size { get; init; }

    /// <summary>Most pictures a second, 1 to 240. Fewer are no loss: rates are held in time, not in pictures.</summary>
    public int FramesPerSecondMax { get; init; } = 60;

    /// <summary>Most bits a second over half a second, 50,000 to 1,000,000,000.</summary>
    public int BitsPerSecondMax { get; init; } = 12_000_000;

    /// <summary>Parts of a picture that are coded side by side, each by a thread, 1 to 8.</summary>
    public int Slices { get; init; } = 2;

    /// <summary>One of <see cref="H264Support.EncoderNames"/>; null takes the first that opens, and of hardware only what was seen to work.</summary>
    public string? Encoder { get; init; }

    /// <summary>What is wrong with them; null when nothing is.</summary>
    internal string? Fault() => this switch
    {
        { Size: var size } when size.Width < SidePixelsMin || size.Height < SidePixelsMin => $"{size} is smaller than H.264 is coded here: {SidePixelsMin}x{SidePixelsMin}",
        { Size: var size } when size.Width > SidePixelsMax || size.Height > SidePixelsMax || (long)size.Width * size.Height > PixelsMax =>
            $"{size} is larger than H.264 is coded here: sides of {SidePixelsMax}, {PixelsMax} pixels",
        { Size: var size } when ((size.Width | size.Height) & 1) != 0 => $"{size} is odd: 4:2:0 has one chroma sample for 2x2 pixels",
        { FramesPerSecondMax: < 1 or > 240 } => $"{FramesPerSecondMax} pictures a second are not within 1 to 240",
        { BitsPerSecondMax: < RateBitsMin or > RateBitsMax } => $"{BitsPerSecondMax} bits a second are not within {RateBitsMin} to {RateBitsMax}",
        { Slices: < 1 or > 8 } => $"{Slices} slices are not within 1 to 8",
        { Encoder: { } encoder } when !H264Support.EncoderNames.Contains(encoder) => $"there is no encoder {encoder}: {string.Join(", ", H264Support.EncoderNames)}",
        _ => null,
    };

    internal const int RateBitsMin = 50_000;
    internal const int RateBitsMax = 1_000_000_000;
}
