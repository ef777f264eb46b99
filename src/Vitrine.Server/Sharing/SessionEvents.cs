using Google.Protobuf;
using Vitrine.Events.Hosts;
using Vitrine.Frames;
using Vitrine.Wire;
using Vitrine.Wire.V1;

namespace Vitrine.Server.Sharing;

/// <summary>Says what happens in a session as events.</summary>
/// <remarks>Thread-safe; costs nothing where nobody keeps them.</remarks>
/// <param name="recorder">Keeps them; null: nobody does.</param>
internal sealed class SessionEvents(EventRecorder? recorder)
{
    /// <summary>While nobody looks figures are told as often: that the host lives.</summary>
    public static readonly TimeSpan HeartbeatInterval = TimeSpan.FromSeconds(10);

    /// <summary>Whether somebody keeps them.</summary>
    public bool AreKept => recorder is not null;

    public void HostStarted(string address) => Record(EventTopics.Sessions, happened => happened.HostStarted = new() { Address = address });

    public void HostStopped(string reason) => Record(EventTopics.Sessions, happened => happened.HostStopped = new() { Reason = reason });

    public void SharingStopped(string sourceName) =>
        Record(EventTopics.Sessions, happened => happened.SharingChanged = new() { State = SharingChanged.Types.State.Stopped, SourceName = sourceName });

    public void Changed(TopologyState state, string sourceName, DeviceSize size) => Record(EventTopics.Sessions, happened => happened.SharingChanged = new()
    {
        State = state switch
        {
            TopologyState.Live => SharingChanged.Types.State.Live,
            TopologyState.DisplayGone => SharingChanged.Types.State.DisplayGone,
            TopologyState.Hidden => SharingChanged.Types.State.Hidden,
            _ => SharingChanged.Types.State.Closed,
        },
        SourceName = sourceName,
        WidthPixels = (uint)size.Width,
        HeightPixels = (uint)size.Height,
    });

    public void Joined(ViewerSession viewer) => Record(EventTopics.Sessions, happened => happened.ViewerJoined = new()
    {
        ViewerId = (ulong)viewer.Id,
        Name = viewer.Name,
        Peer = viewer.Peer,
        Transport = viewer.Transport,
        Grants = { Enum.GetValues<ViewerGrants>().Where(grant => grant != 0 && viewer.Grants.HasFlag(grant)).Select(grant => Enum.GetName(grant)!.ToLowerInvariant()) },
        DecodesVideo = viewer.DecodesVideo,
    });

    public void Left(ViewerSession viewer, long nowNs) => Record(EventTopics.Sessions, happened => happened.ViewerLeft = new()
    {
        ViewerId = (ulong)viewer.Id,
        Name = viewer.Name,
        Peer = viewer.Peer,
        Reason = viewer.EndReason,
        ConnectedSeconds = (nowNs - viewer.JoinedNs) * 1e-9,
        FramesSent = (ulong)viewer.FramesSent,
        BytesSent = (ulong)viewer.BytesSent,
        FramesMerged = (ulong)viewer.FramesMerged,
    });

    public void Error(string part, string message) =>
        Record(EventTopics.Errors, happened => happened.ErrorOccurred = new() { Part = part, Message = message });

    public void Thumbnail(byte[] png, DeviceSize size) => Record(
        EventTopics.Thumbnails,
        happened => happened.Thumbnail = new() { Png = UnsafeByteOperations.UnsafeWrap(png), WidthPixels = (uint)size.Width, HeightPixels = (uint)size.Height });

    public void Told(SharingStatistics statistics) => Record(EventTopics.Statistics, happened => happened.SharingStatistics = statistics);

    private void Record(string topic, Action<Event> what)
    {
        if (recorder is not null)
        {
            Event happened = recorder.Stamp.New();
            what(happened);
            recorder.Record(topic, happened);
        }
    }
}
