using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.X11;

/// <summary>The screen of an X display, or a part of it.</summary>
public sealed class X11ScreenSource : X11Source
{
    internal X11ScreenSource(X11Connection connection, X11CaptureOptions options)
        : base(connection, options)
    {
    }

    /// <summary>The part of the screen that is captured, in device pixels of the screen.</summary>
    public DeviceRectangle Region => Area;

    private protected override string PoolName => "vitrine-screen";

    private protected override bool ReadSurvivesChange => false;

    /// <summary>Subscribes to what is needed, and finds a back end that works.</summary>
    internal bool TryStart(out string error)
    {
        // First the events, then the size: a change in between is known twice, not missed.
        LibXcb.xcb_change_window_attributes(
            Connection.Handle, Connection.Root, LibXcb.CwEventMask, [LibXcb.EventMaskStructureNotify]);
        if (!TrySelectInput(out error))
        {
            return false;
        }

        Track(Connection.Root, default);
        if (!Connection.TryGetRootSize(out DeviceSize size))
        {
            error = $"The X display {Connection.DisplayName} closed the connection.";
            return false;
        }

        return TryAim(RegionWithin(size), Connection.Root, Connection.RootDepth, out error);
    }

    private protected override void OnEvent(in X11Event next)
    {
        if (next.Type == LibXcb.ConfigureNotify)
        {
            ref readonly XcbConfigureNotifyEvent configured = ref next.As<XcbConfigureNotifyEvent>();
            if (configured.Window == Connection.Root)
            {
                IsChanged = RegionWithin(new DeviceSize(configured.Width, configured.Height)) != Area;
            }
        }
    }

    private protected override bool HasChangedUnseen() => Connection.TryGetRootSize(out DeviceSize size) && RegionWithin(size) != Area;

    private protected override CaptureStatus Change()
    {
        NeedWhole();
        if (!Connection.TryGetRootSize(out DeviceSize size))
        {
            return CaptureStatus.DisplayGone;
        }

        IsChanged = false;
        DeviceRectangle region = RegionWithin(size);
        if (region == Area)
        {
            return CaptureStatus.FormatChanged; // there and back again: the pool still fits
        }

        IsHidden = region.IsEmpty;
        if (IsHidden)
        {
            Area = region;
            return CaptureStatus.Hidden;
        }

        return TryAim(region, Connection.Root, Connection.RootDepth, out _) ? CaptureStatus.FormatChanged
            : Connection.IsBroken ? CaptureStatus.DisplayGone
            : CaptureStatus.SourceClosed;
    }

    private DeviceRectangle RegionWithin(DeviceSize size) =>
        Options.Region?.Intersect(DeviceRectangle.Of(size)) ?? DeviceRectangle.Of(size);
}
