using Vitrine.Frames;

namespace Vitrine.Imaging;

/// <summary>A picture in managed memory: for files and comparisons, not for the frame path.</summary>
/// <param name="Format">Layout of <paramref name="Pixels"/>; packed.</param>
/// <param name="Pixels">Rows from the top, B, G, R and a fourth byte: the alpha of a file that has one (not premultiplied), else 255.</param>
public sealed record Picture(FrameFormat Format, byte[] Pixels);
