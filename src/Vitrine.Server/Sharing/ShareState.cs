using Vitrine.Codecs.Tiles;
using Vitrine.Frames;
using Vitrine.Wire;

namespace Vitrine.Server.Sharing;

/// <summary>What is shared at one moment. Immutable: the session's thread replaces it, viewers compare <see cref="Version"/>.</summary>
/// <param name="Version">Grows with every change.</param>
/// <param name="Generation">Of the picture.</param>
/// <param name="State">What became of the source.</param>
/// <param name="Size">Of the picture, or of the last one; 0x0 before the first.</param>
/// <param name="Store">The picture's tiles; null while there is none.</param>
/// <param name="SourceName">For people.</param>
/// <param name="Monitors">In the picture's coordinates.</param>
internal sealed record ShareState(
    int Version,
    uint Generation,
    TopologyState State,
    DeviceSize Size,
    TileStore? Store,
    string SourceName,
    IReadOnlyList<MonitorRecord> Monitors)
{
    /// <summary>The part of the picture that a viewer of a monitor gets; everything for an unknown monitor, or one outside the picture.</summary>
    public DeviceRectangle Interest(ushort selected)
    {
        DeviceRectangle picture = DeviceRectangle.Of(Size);
        if (selected >= Monitors.Count)
        {
            return picture;
        }

        DeviceRectangle monitor = Monitors[selected].Bounds.Intersect(picture);
        return monitor.IsEmpty ? picture : monitor;
    }

    public TopologyMessage ToMessage(ushort selected) => new()
    {
        Generation = Generation,
        State = State,
        Selected = selected < Monitors.Count ? selected : TopologyMessage.WholePicture,
        Size = Size,
        Source = SourceName,
        Monitors = Monitors,
    };
}
