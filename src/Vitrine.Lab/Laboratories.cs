using Vitrine.Lab.Capture;
using Vitrine.Lab.Colour;
using Vitrine.Lab.Events;
using Vitrine.Lab.Latency;
using Vitrine.Lab.Motion;
using Vitrine.Lab.Playback;
using Vitrine.Lab.Soak;
using Vitrine.Lab.Transport;

namespace Vitrine.Lab;

/// <summary>Every laboratory, in the order in which <c>vitrine lab</c> lists them.</summary>
public static class Laboratories
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<ILaboratory> All { get; } = [new CaptureLaboratory(), new ConvertLaboratory(), new LatencyLaboratory(), new MotionLaboratory(), new TransportLaboratory(), new PlaybackLaboratory(), new EventsLaboratory(), new SoakLaboratory()];

    /// <summary>The laboratory with that name, or null.</summary>
    public static ILaboratory? Find(string name) => All.FirstOrDefault(laboratory => laboratory.Description.Name == name);
}
