using Google.Protobuf;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Server.Metrics;
using Vitrine.Server.Sharing;
using Vitrine.Transports.Calls;
using Vitrine.Wire;
using Vitrine.Wire.V1;

namespace Vitrine.Server.Service;

/// <summary><c>vitrine.v1.Desktop</c> (<c>protos/vitrine/v1/desktop.proto</c>): one session for programs, whatever transport they come by.</summary>
/// <remarks>Any thread. Grants are checked before a handler runs.</remarks>
internal sealed class DesktopService : IDisposable
{
    /// <summary>Bytes of a picture when the caller names no bound: below what gRPC clients take as they come, 4 MiB.</summary>
    private const int PictureBytesDefault = 4_000_000;

    private const int PictureBytesMax = 64 << 20;

    /// <summary>Pictures taken at a time: one is unpacked while another is compressed. Each holds at most two pictures of the screen.</summary>
    private const int PicturesMax = 2;

    /// <summary>Callers that wait for their picture; more are turned away.</summary>
    private const int PicturesWaitingMax = 16;

    private const uint IntervalDefault = 1_000, IntervalMin = 100, IntervalMax = 60_000;
    private const int ReasonCharactersMax = 512; // cut to 512 bytes when it is sent

    private readonly ShareSession _session;
    private readonly ViewerSeats _seats;
    private readonly TimeProvider _time;
    private readonly long _startedNs;
    private readonly SemaphoreSlim _pictures = new(PicturesMax);
    private int _picturesAsked;

    public DesktopService(ShareSession session, ViewerSeats seats)
    {
        (_session, _seats, _time) = (session, seats, session.Time);
        _startedNs = _time.GetMonotonicNanoseconds();
        Bindings =
        [
            new(Method("ListDisplays", ViewerGrants.View), ListDisplaysAsync),
            new(Method("GetSession", ViewerGrants.View), GetSessionAsync),
            new(Method("ListViewers", ViewerGrants.Administer), ListViewersAsync),
            new(Method("WatchStatistics", ViewerGrants.View), WatchStatisticsAsync),
            new(Method("GetPicture", ViewerGrants.View), GetPictureAsync),
            new(CallPacketConnection.Method, PacketsAsync),
            new(Method("StartSharing", ViewerGrants.Administer), StartSharingAsync),
            new(Method("StopSharing", ViewerGrants.Administer), StopSharingAsync),
        ];
    }

    /// <summary>For a <see cref="CallTable"/>.</summary>
    public IReadOnlyList<CallBinding> Bindings { get; }

    /// <summary>After the last call.</summary>
    public void Dispose() => _pictures.Dispose();

    private static CallMethod Method(string name, ViewerGrants grants) => new(DesktopReflection.Descriptor.Services[0].FindMethodByName(name), grants);

    private async ValueTask ListDisplaysAsync(ServerCall call)
    {
        await call.ReadAsync(new ListDisplaysRequest());
        ListDisplaysResponse response = new();
        response.Displays.AddRange(_session.Monitors.Select(monitor => new Display
        {
            Name = monitor.Name,
            BoundsPixels = ToMessage(monitor.Bounds),
            Scale = monitor.ScaleMilli / 1000.0,
            RotationDegrees = (uint)monitor.RotationDegrees,
            IsPrimary = monitor.IsPrimary,
        }));
        await call.WriteAsync(response);
    }

    private async ValueTask GetSessionAsync(ServerCall call)
    {
        await call.ReadAsync(new GetSessionRequest());
        await call.WriteAsync(Describe(call));
    }

    private async ValueTask ListViewersAsync(ServerCall call)
    {
        await call.ReadAsync(new ListViewersRequest());
        long nowNs = _time.GetMonotonicNanoseconds();
        ListViewersResponse response = new();
        foreach (ViewerSession viewer in _session.Viewers)
        {
            Wire.V1.Viewer message = new()
            {
                ViewerId = (ulong)viewer.Id,
                Name = viewer.Name,
                Peer = viewer.Peer,
                Transport = viewer.Transport,
                ConnectedSeconds = (nowNs - viewer.JoinedNs) * 1e-9,
                BytesSent = (ulong)viewer.BytesSent,
                FramesSent = (ulong)viewer.FramesSent,
                FramesMerged = (ulong)viewer.FramesMerged,
                DecodesVideo = viewer.DecodesVideo,
                VideoBitsPerSecondMax = (ulong)viewer.VideoBitsPerSecond,
            };
            message.Grants.AddRange(ToMessages(viewer.Grants));
            response.Viewers.Add(message);
        }

        await call.WriteAsync(response);
    }

    private async ValueTask WatchStatisticsAsync(ServerCall call)
    {
        WatchStatisticsRequest request = new();
        await call.ReadAsync(request);
        uint milliseconds = request.IntervalMilliseconds == 0 ? IntervalDefault : request.IntervalMilliseconds;
        if (milliseconds is < IntervalMin or > IntervalMax)
        {
            throw new CallException(CallStatusCode.InvalidArgument, $"interval_milliseconds is {IntervalMin} to {IntervalMax}, or 0 for {IntervalDefault}.");
        }

        StatisticsSample before = TakeSample();
        await call.WriteAsync(before.Since(before, _startedNs));
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(milliseconds), _time);
        while (await timer.WaitForNextTickAsync(call.Cancelled))
        {
            StatisticsSample now = TakeSample();
            await call.WriteAsync(now.Since(before, _startedNs));
            before = now;
        }
    }

    private async ValueTask GetPictureAsync(ServerCall call)
    {
        GetPictureRequest request = new();
        await call.ReadAsync(request);
        long bytesMax = request.BytesMax == 0 ? PictureBytesDefault : request.BytesMax;
        if (bytesMax > PictureBytesMax)
        {
            throw new CallException(CallStatusCode.InvalidArgument, $"bytes_max is at most {PictureBytesMax}.");
        }

        if (!Enum.IsDefined(request.Format))
        {
            throw new CallException(CallStatusCode.InvalidArgument, "format is PNG or RAW.");
        }

        DeviceRectangle? region = request.Rectangle is { } asked ? ToRectangle(asked) : null;
        bool isRaw = request.Format == GetPictureRequest.Types.Format.Raw;
        if (Interlocked.Increment(ref _picturesAsked) > PicturesMax + PicturesWaitingMax)
        {
            Interlocked.Decrement(ref _picturesAsked);
            throw new CallException(CallStatusCode.ResourceExhausted, "Too many pictures are being taken. Wait for one before asking for the next.");
        }

        try
        {
            await _pictures.WaitAsync(call.Cancelled);
            try
            {
                TakenPicture taken = Check(await _session.TakePictureAsync(region, call.Cancelled), region);
                await call.WriteAsync(ToMessage(taken, isRaw, bytesMax));
            }
            finally
            {
                _pictures.Release();
            }
        }
        finally
        {
            Interlocked.Decrement(ref _picturesAsked);
        }
    }

    private async ValueTask PacketsAsync(ServerCall call)
    {
        if (!_session.IsSharing)
        {
            ShareMeter.ViewersRefused.Add(1, ShareMeter.Reason("stopped"));
            throw new CallException(CallStatusCode.FailedPrecondition, "Sharing is stopped.");
        }

        if (!_seats.TryTake())
        {
            ShareMeter.ViewersRefused.Add(1, ShareMeter.Reason("full"));
            throw new CallException(CallStatusCode.Unavailable, $"The host has as many viewers as it takes, {_seats.Max}.");
        }

        try
        {
            await using CallPacketConnection connection = new(call);
            await _session.ServeAsync(connection, call.Grants);
        }
        finally
        {
            _seats.Release();
        }
    }

    private async ValueTask StartSharingAsync(ServerCall call)
    {
        await call.ReadAsync(new StartSharingRequest());
        if (_session.Ended.IsCompleted)
        {
            throw new CallException(CallStatusCode.FailedPrecondition, "What was shared is gone for good. Start the host again to share something else.");
        }

        _session.StartSharing();
        await call.WriteAsync(Describe(call));
    }

    private async ValueTask StopSharingAsync(ServerCall call)
    {
        StopSharingRequest request = new();
        await call.ReadAsync(request);
        string reason = request.Reason.Length == 0 ? "Sharing was stopped."
            : request.Reason.Length <= ReasonCharactersMax ? request.Reason : request.Reason[..ReasonCharactersMax];
        _session.StopSharing(reason);
        await call.WriteAsync(Describe(call));
    }

    private Session Describe(ServerCall call)
    {
        ShareStatus status = _session.Status;
        Session session = new()
        {
            SessionId = _session.SessionId.ToString("n"),
            HostName = _session.Name,
            SourceName = status.SourceName,
            State = !status.IsSharing ? Session.Types.State.Stopped : status.State switch
            {
                TopologyState.DisplayGone => Session.Types.State.DisplayGone,
                TopologyState.Hidden => Session.Types.State.Hidden,
                TopologyState.Closed => Session.Types.State.Closed,
                _ => status.IsOpen && status.Viewers > 0 ? Session.Types.State.Live : Session.Types.State.Resting,
            },
            WidthPixels = (uint)status.Size.Width,
            HeightPixels = (uint)status.Size.Height,
            Generation = status.Generation,
            ViewerCount = (uint)status.Viewers,
            ViewersMax = (uint)_seats.Max,
            VideoFailure = status.VideoFailure,
        };
        session.Grants.AddRange(ToMessages(call.Grants));
        return session;
    }

    private StatisticsSample TakeSample()
    {
        ShareStatus status = _session.Status;
        return new(_time.GetMonotonicNanoseconds(), status.Viewers, status.FramesCaptured, _session.Sent, Environment.CpuUsage.TotalTime, Environment.WorkingSet);
    }

    private static TakenPicture Check(in TakenPicture taken, DeviceRectangle? region) => taken.Status switch
    {
        PictureStatus.Taken => taken,
        PictureStatus.Stopped => throw new CallException(CallStatusCode.FailedPrecondition, "Sharing is stopped."),
        PictureStatus.Closed => throw new CallException(CallStatusCode.FailedPrecondition, "What was shared is closed."),
        PictureStatus.Hidden => throw new CallException(CallStatusCode.FailedPrecondition, "The window that is shared is unmapped or minimised."),
        PictureStatus.DisplayGone => throw new CallException(CallStatusCode.Unavailable, "The display is gone, or does not answer."),
        _ => throw new CallException(CallStatusCode.OutOfRange, $"Nothing of the rectangle {region} lies in the picture."),
    };

    private static Wire.V1.Picture ToMessage(in TakenPicture taken, bool isRaw, long bytesMax)
    {
        Imaging.Picture picture = taken.Picture!;
        byte[] data;
        try
        {
            data = isRaw ? picture.Pixels : PngFile.Encode(picture.Pixels, picture.Format);
        }
        catch (DllNotFoundException missing)
        {
            throw new CallException(CallStatusCode.FailedPrecondition, $"The host cannot make a PNG file: {missing.Message}", innerException: missing);
        }

        if (data.Length > bytesMax)
        {
            throw new CallException(CallStatusCode.ResourceExhausted, $"The picture has {data.Length} bytes, more than {bytesMax}. Raise bytes_max, or ask for a smaller rectangle.");
        }

        return new()
        {
            MediaType = isRaw ? "application/octet-stream" : "image/png",
            Data = UnsafeByteOperations.UnsafeWrap(data), // nobody else has it
            BoundsPixels = ToMessage(taken.Bounds),
            Frame = taken.Frame,
            Generation = taken.Generation,
        };
    }

    private static Rectangle ToMessage(in DeviceRectangle rectangle) => new() { X = rectangle.X, Y = rectangle.Y, Width = rectangle.Width, Height = rectangle.Height };

    // Any numbers may have come: borders within these bounds let no arithmetic with rectangles overflow, and there is nothing beyond.
    private static DeviceRectangle ToRectangle(Rectangle rectangle)
    {
        const int most = FrameFormat.SidePixelsMax;
        int left = Math.Clamp(rectangle.X, -most, most), top = Math.Clamp(rectangle.Y, -most, most);
        int right = (int)Math.Clamp((long)rectangle.X + rectangle.Width, -most, most), bottom = (int)Math.Clamp((long)rectangle.Y + rectangle.Height, -most, most);
        return new(left, top, Math.Max(0, right - left), Math.Max(0, bottom - top));
    }

    private static IEnumerable<Grant> ToMessages(ViewerGrants grants)
    {
        if (grants.HasFlag(ViewerGrants.View))
        {
            yield return Grant.View;
        }

        if (grants.HasFlag(ViewerGrants.Control))
        {
            yield return Grant.Control;
        }

        if (grants.HasFlag(ViewerGrants.Administer))
        {
            yield return Grant.Administer;
        }
    }

    private readonly record struct StatisticsSample(long AtNs, int Viewers, long FramesCaptured, SentTotals Sent, TimeSpan ProcessorTime, long ResidentBytes)
    {
        public Statistics Since(in StatisticsSample before, long startedNs)
        {
            double seconds = (AtNs - before.AtNs) * 1e-9, perSecond = seconds > 0 ? 1 / seconds : 0;
            return new()
            {
                RunningSeconds = (AtNs - startedNs) * 1e-9,
                ViewerCount = (uint)Viewers,
                FramesCaptured = (ulong)FramesCaptured,
                FramesSent = (ulong)Sent.Frames,
                BytesSent = (ulong)Sent.Bytes,
                FramesMerged = (ulong)Sent.FramesMerged,
                FramesCapturedPerSecond = (FramesCaptured - before.FramesCaptured) * perSecond,
                FramesSentPerSecond = (Sent.Frames - before.Sent.Frames) * perSecond,
                BytesSentPerSecond = (Sent.Bytes - before.Sent.Bytes) * perSecond,
                ProcessorsUsed = (ProcessorTime - before.ProcessorTime).TotalSeconds * perSecond,
                ResidentMemoryBytes = (ulong)ResidentBytes,
            };
        }
    }
}
