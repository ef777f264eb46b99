using Vitrine.Codecs.H264;
using Vitrine.Codecs.Regions;
using Vitrine.Frames;
using Vitrine.Transports;
using Vitrine.Transports.Calls;
using Vitrine.Wire;
using DecodeStatus = Vitrine.Codecs.Tiles.DecodeStatus;

namespace Vitrine.Viewer;

/// <summary>The first connection could not be made.</summary>
public sealed class ViewerConnectException : Exception
{
    /// <summary>Makes one.</summary>
    public ViewerConnectException(ConnectStatus status, string message)
        : base(message) => Status = status;

    /// <summary>Why.</summary>
    public ConnectStatus Status { get; }
}

/// <summary>A cursor's shape.</summary>
/// <param name="Width">0..256 pixels; 0 when hidden.</param>
/// <param name="Height">0..256 pixels.</param>
/// <param name="Hotspot">Within the shape.</param>
/// <param name="Pixels">B, G, R, A, premultiplied; rows from the top.</param>
public sealed record CursorShape(int Width, int Height, DevicePoint Hotspot, byte[] Pixels);

/// <summary>Reads a picture. Pixels are borrowed for the call: B, G, R, X, rows from the top, no padding.</summary>
public delegate void PictureReader(ReadOnlySpan<byte> pixels, DeviceSize size);

/// <summary>A viewer without a window: connects, decodes, acknowledges, and keeps the picture and its figures for whoever asks.</summary>
/// <remarks>One receiving task; all public members may be used from any thread.</remarks>
public sealed class HeadlessViewer : IAsyncDisposable
{
    private const int ClockBurst = 8;
    private const long ClockQuietNs = 10_000_000_000;
    private const int ReconnectMsMin = 250;
    private const int ReconnectMsMax = 2_000;

    private readonly Uri _address;
    private readonly HeadlessViewerOptions _options;
    private readonly TimeProvider _time;
    private readonly PictureDecoder _decoder;
    private readonly Lock _pictureLock = new();
    private readonly Lock _waitersLock = new();
    private readonly List<(Func<HeadlessViewer, bool> Predicate, TaskCompletionSource<bool> Result)> _waiters = [];
    private readonly SemaphoreSlim _sendLock = new(1);
    private readonly byte[] _sendBuffer = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToHost];
    private readonly byte[] _receiveBuffer = new byte[PacketHeader.SizeBytes + PacketHeader.PayloadBytesMaxToViewer];
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _stallLock = new();
    private TaskCompletionSource? _stall;
    private volatile IPacketConnection? _connection;
    private Task _running = Task.CompletedTask;
    private long _frameBytes;
    private long _framesApplied;
    private long _bytesReceived;
    private long _lastShownNs;
    private long _lastClockNs;
    private int _connections;
    private int _isDisposed;

    private HeadlessViewer(Uri address, HeadlessViewerOptions options, TimeProvider time)
    {
        (_address, _options, _time, _decoder) = (address, options, time, new PictureDecoder(time, options.OpenDecoder));
        (IsAcknowledging, WhyNoVideo) = (options.Acknowledge, FindWhyNoVideo(options));
    }

    /// <summary>The host's clock.</summary>
    public HostClock Clock { get; } = new();

    /// <summary>Stages of latency since the start, or since <see cref="ResetLatency"/>.</summary>
    public ViewerLatency Latency { get; private set; } = new();

    /// <summary>First packet of the connection; null before it came.</summary>
    public HelloMessage? Hello { get; private set; }

    /// <summary>Newest topology; null before it came.</summary>
    public TopologyMessage? Topology { get; private set; }

    /// <summary>Newest statistics of the host; null before they came.</summary>
    public StatisticsMessage? Statistics { get; private set; }

    /// <summary>Newest cursor shape; null before it came.</summary>
    public CursorShape? CursorShape { get; private set; }

    /// <summary>Newest cursor position; null before it came.</summary>
    public DevicePoint? CursorPosition { get; private set; }

    /// <summary>What the host said when it closed; null while it has not.</summary>
    public Goodbye? Goodbye { get; private set; }

    /// <summary>What carries the newest connection; empty before the first.</summary>
    public string Transport { get; private set; } = "";

    /// <summary>What is to be known about how the newest connection was made, for people: why it is not over QUIC, although that was asked
    /// for. Empty when there is nothing to say.</summary>
    public string ConnectionNote { get; private set; } = "";

    /// <summary>Why the host is asked for tiles only, for people: no decoder of H.264 opens, or none any more. Empty while H.264 is decoded.</summary>
    public string WhyNoVideo { get; private set; }

    /// <summary>The connection that stands; null when none does. Borrowed.</summary>
    public IPacketConnection? Connection => _connection;

    /// <summary>Whether a connection stands.</summary>
    public bool IsConnected => _connection is not null;

    /// <summary>Connections made so far.</summary>
    public int ConnectionCount => Volatile.Read(ref _connections);

    /// <summary>Frames applied, over all connections.</summary>
    public long FrameCount => Interlocked.Read(ref _framesApplied);

    /// <summary>Bytes of packets received, over all connections.</summary>
    public long BytesReceived => Interlocked.Read(ref _bytesReceived);

    /// <summary>Number of the last complete frame; 0 before the first.</summary>
    public uint LastSequence { get; private set; }

    /// <summary>Whether the host broke the protocol; the connection was closed then.</summary>
    public bool HasSeenMalformed { get; private set; }

    /// <summary>Whether frames are acknowledged. A host sends no more than a few unacknowledged ones.</summary>
    public bool IsAcknowledging { get; set; }

    /// <summary>Whether the viewer has stopped to read from its connection.</summary>
    public bool IsStalled
    {
        get
        {
            lock (_stallLock)
            {
                return _stall is not null;
            }
        }

        set
        {
            lock (_stallLock)
            {
                if (value)
                {
                    _stall ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
                }
                else
                {
                    _stall?.TrySetResult();
                    _stall = null;
                }
            }
        }
    }

    /// <summary>Connects and begins.</summary>
    /// <param name="address">The address the host printed (<c>http://host:port/?t=TOKEN</c>), or that of the stream itself;
    /// see <see cref="PacketConnector.ConnectAsync"/> for what it may say about the transport.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <param name="time">The clock; null: the system's.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="ViewerConnectException">The host cannot be reached or refuses; the message says why.</exception>
    public static async Task<HeadlessViewer> ConnectAsync(
        Uri address, HeadlessViewerOptions? options = null, TimeProvider? time = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(address);
        HeadlessViewer viewer = new(address, options ?? new(), time ?? TimeProvider.System);
        ConnectResult result = await viewer.OpenAsync(cancellationToken);
        if (result.Connection is null)
        {
            await viewer.DisposeAsync();
            throw new ViewerConnectException(result.Status, result.Detail);
        }

        viewer._running = Task.Run(() => viewer.RunAsync(result.Connection), CancellationToken.None);
        return viewer;
    }

    /// <summary>Waits until a condition holds. It is looked at now and after every packet, on the receiving thread.</summary>
    /// <returns>False when the time was over first.</returns>
    public async Task<bool> WaitUntilAsync(Func<HeadlessViewer, bool> condition, TimeSpan timeout)
    {
        ArgumentNullException.ThrowIfNull(condition);
        TaskCompletionSource<bool> result = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_waitersLock)
        {
            if (condition(this))
            {
                return true;
            }

            _waiters.Add((condition, result));
        }

        using CancellationTokenSource deadline = new(timeout, _time);
        using CancellationTokenRegistration registration = deadline.Token.Register(() => result.TrySetResult(false));
        bool holds = await result.Task;
        lock (_waitersLock)
        {
            _waiters.RemoveAll(waiter => waiter.Result == result);
        }

        return holds;
    }

    /// <summary>Lets <paramref name="read"/> look at the picture; no frame is applied meanwhile.</summary>
    public void ReadPicture(PictureReader read)
    {
        ArgumentNullException.ThrowIfNull(read);
        lock (_pictureLock)
        {
            read(_decoder.Picture, _decoder.Size);
        }
    }

    /// <summary>A copy of the picture: B, G, R, X, rows from the top, no padding; empty when there is none.</summary>
    public byte[] CopyPicture()
    {
        lock (_pictureLock)
        {
            return _decoder.Picture.ToArray();
        }
    }

    /// <summary>One pixel as 0x00RRGGBB.</summary>
    public int GetPixel(int x, int y)
    {
        lock (_pictureLock)
        {
            ReadOnlySpan<byte> pixel = _decoder.Picture.Slice(((y * _decoder.Size.Width) + x) * 4, 3);
            return pixel[0] | (pixel[1] << 8) | (pixel[2] << 16);
        }
    }

    /// <summary>Regions of video now.</summary>
    public IReadOnlyList<ShownRegion> Regions
    {
        get
        {
            lock (_pictureLock)
            {
                return _decoder.Regions;
            }
        }
    }

    /// <summary>What was done with video.</summary>
    public VideoDecodeCounts VideoCounts
    {
        get
        {
            lock (_pictureLock)
            {
                return _decoder.Counts;
            }
        }
    }

    /// <summary>Whether a pixel shows video; any other is exact.</summary>
    public bool IsCovered(DevicePoint pixel)
    {
        lock (_pictureLock)
        {
            return _decoder.IsCovered(pixel);
        }
    }

    /// <summary>Starts <see cref="Latency"/> anew.</summary>
    public void ResetLatency() => Latency = new();

    /// <summary>Asks for one monitor, or for <see cref="TopologyMessage.WholePicture"/>.</summary>
    public Task SelectAsync(ushort monitor) => SendAsync(new Select(monitor));

    /// <summary>Asks for everything again.</summary>
    public Task RefreshAsync() => SendAsync(new Refresh());

    /// <summary>This machine has another address. A connection that can follow (<see cref="TransportCapabilities.Migration"/>) does so by itself; any
    /// other is broken off, and made anew when that was asked for (<see cref="HeadlessViewerOptions.Reconnect"/>).</summary>
    public void NoteAddressChange()
    {
        if (_connection is { } connection && !connection.Capabilities.HasFlag(TransportCapabilities.Migration))
        {
            connection.Abort();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }

        if (_connection is { } connection)
        {
            await SendAsync(new Goodbye(GoodbyeReason.Closing, ""));
            await connection.CloseAsync(PacketCloseReason.Normal, TimeSpan.FromSeconds(1));
        }

        await _stop.CancelAsync();
        IsStalled = false;
        await _running;
        _decoder.Dispose();
    }

    private static string FindWhyNoVideo(HeadlessViewerOptions options)
    {
        if (!options.DecodesVideo)
        {
            return "It was not asked for.";
        }

        using H264Decoder? decoder = options.OpenDecoder(out string reason);
        return decoder is null ? reason : "";
    }

    private async Task<ConnectResult> OpenAsync(CancellationToken cancellationToken)
    {
        PacketConnectOptions options = new()
        {
            Timeout = _options.ConnectTimeout,
            CertificateFingerprint = _options.CertificateFingerprint,
            ReceiveBufferBytes = _options.ReceiveBufferBytes,
            QuicPort = _options.QuicPort,
        };
        ConnectResult result = await PacketConnector.ConnectAsync(_address, _options.Transport, options, cancellationToken);
        if (result.Connection is { } connection)
        {
            (Transport, ConnectionNote) = (connection.Transport, result.Detail);
        }

        return result;
    }

    private async Task RunAsync(IPacketConnection connection)
    {
        int delayMs = ReconnectMsMin;
        IPacketConnection? current = connection;
        while (true)
        {
            if (current is not null)
            {
                delayMs = ReconnectMsMin;
                await ServeAsync(current);
            }

            if (!_options.Reconnect || _stop.IsCancellationRequested)
            {
                break;
            }

            try
            {
                await Task.Delay(TimeSpan.FromMilliseconds(delayMs), _time, _stop.Token);
                delayMs = Math.Min(delayMs * 2, ReconnectMsMax);
                current = (await OpenAsync(_stop.Token)).Connection;
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }
    }

    private async Task ServeAsync(IPacketConnection connection)
    {
        Interlocked.Increment(ref _connections);
        (Goodbye, _lastClockNs, _lastShownNs) = (null, 0, _time.GetMonotonicNanoseconds());
        _connection = connection;
        await using CancellationTokenRegistration abort = _stop.Token.Register(connection.Abort); // at once when stopped before
        await SendAsync(new ViewerHello(WhyNoVideo.Length == 0 ? ViewerCapabilities.H264 : ViewerCapabilities.None, _options.Name));
        for (int i = 0; i < ClockBurst; i++)
        {
            await RequestClockAsync();
        }

        await using (_time.CreateTimer(_ => _ = KeepClockAsync(), null, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2)))
        {
            bool isGood = true;
            while (isGood)
            {
                Task? stall;
                lock (_stallLock)
                {
                    stall = _stall?.Task;
                }

                if (stall is not null)
                {
                    await stall;
                }

                PacketReceived received = await connection.ReceiveAsync(_receiveBuffer);
                if (received.Status != PacketReceiveStatus.Packet)
                {
                    HasSeenMalformed |= received.Status is PacketReceiveStatus.TooLarge or PacketReceiveStatus.Malformed;
                    break;
                }

                Interlocked.Add(ref _bytesReceived, received.Bytes);
                isGood = Handle(received.Bytes, out FrameReport? frame, out bool needsHostClock);
                if (frame is { } report)
                {
                    await AcknowledgeAsync(report);
                }

                if (WhyNoVideo.Length == 0 && _decoder.VideoFailure.Length > 0)
                {
                    WhyNoVideo = _decoder.VideoFailure;
                    await SendAsync(new CapabilitiesMessage(ViewerCapabilities.None));
                }

                while (_decoder.TryTakeKeyFrameRequest(out KeyFrameRequest request))
                {
                    await SendAsync(request);
                }

                if (needsHostClock)
                {
                    await RequestClockAsync();
                }

                Notify();
            }

            if (!isGood)
            {
                HasSeenMalformed = true;
                await SendAsync(new Goodbye(GoodbyeReason.ProtocolError, "That was not a packet of this protocol."));
            }
        }

        await connection.CloseAsync(HasSeenMalformed ? PacketCloseReason.ProtocolError : PacketCloseReason.Normal, TimeSpan.FromSeconds(1));
        _connection = null;
        await connection.DisposeAsync();
        Notify();
    }

    private bool Handle(int bytes, out FrameReport? frame, out bool needsHostClock)
    {
        long nowNs = _time.GetMonotonicNanoseconds();
        (frame, needsHostClock) = (null, false);
        ReadOnlySpan<byte> packet = _receiveBuffer.AsSpan(0, bytes);
        if (PacketHeader.TryRead(packet, out PacketHeader header) != WireStatus.Ok || header.PayloadBytes != bytes - PacketHeader.SizeBytes)
        {
            return false;
        }

        ReadOnlySpan<byte> payload = packet[PacketHeader.SizeBytes..];
        switch (header.Type)
        {
            case PacketType.Hello:
                if (HelloMessage.TryRead(payload, out HelloMessage hello) != WireStatus.Ok)
                {
                    return false;
                }

                if (Hello is { } before && before.SessionId != hello.SessionId)
                {
                    Forget();
                    needsHostClock = true;
                }

                Hello = hello;
                return true;
            case PacketType.Topology:
                return TryHandleTopology(payload);
            case PacketType.Tiles or PacketType.Copy or PacketType.Regions or PacketType.Video:
                return TryHandleFrame(header, payload, nowNs, out frame);
            case PacketType.CursorShape:
                if (CursorShapeMessage.TryRead(payload, out CursorShapeMessage shape) != WireStatus.Ok)
                {
                    return false;
                }

                CursorShape = new(shape.Width, shape.Height, new(shape.HotspotX, shape.HotspotY), shape.Pixels.ToArray());
                return true;
            case PacketType.CursorPosition:
                if (CursorPositionMessage.TryRead(payload, out CursorPositionMessage position) != WireStatus.Ok)
                {
                    return false;
                }

                CursorPosition = new(position.X, position.Y);
                return true;
            case PacketType.ClockReply:
                if (ClockReply.TryRead(payload, out ClockReply reply) != WireStatus.Ok)
                {
                    return false;
                }

                Clock.Add(reply.RequestSentNs, reply.RequestReceivedNs, reply.ReplySentNs, nowNs);
                return true;
            case PacketType.Statistics:
                if (StatisticsMessage.TryRead(payload, out StatisticsMessage statistics) != WireStatus.Ok)
                {
                    return false;
                }

                Statistics = statistics;
                return true;
            case PacketType.Goodbye:
                if (Wire.Goodbye.TryRead(payload, out Goodbye goodbye) != WireStatus.Ok)
                {
                    return false;
                }

                Goodbye = goodbye;
                return true;
            default:
                return true; // that is how the protocol grows
        }
    }

    private bool TryHandleTopology(ReadOnlySpan<byte> payload)
    {
        if (TopologyMessage.TryRead(payload, out TopologyMessage? topology) != WireStatus.Ok)
        {
            return false;
        }

        lock (_pictureLock)
        {
            if (topology!.Generation != _decoder.Generation || topology.Size != _decoder.Size)
            {
                _decoder.Reset(topology.Size, topology.Generation);
            }
        }

        Topology = topology;
        return true;
    }

    private bool TryHandleFrame(in PacketHeader header, ReadOnlySpan<byte> payload, long receivedLocalNs, out FrameReport? frame)
    {
        frame = null;
        _frameBytes += PacketHeader.SizeBytes + payload.Length;
        FrameReport report;
        lock (_pictureLock)
        {
            switch (_decoder.Apply(header, payload))
            {
                case DecodeStatus.Malformed:
                    return false;
                case DecodeStatus.Skipped:
                    _frameBytes = 0;
                    return true;
                default:
                    break;
            }

            if (!_decoder.IsFrameComplete)
            {
                return true;
            }

            long decodedLocalNs = _time.GetMonotonicNanoseconds();
            report = new(
                header.Sequence, _decoder.OriginNs, _decoder.CapturedNs, _decoder.EncodedNs, header.SentNs,
                Clock.ToHost(receivedLocalNs), Clock.ToHost(decodedLocalNs), _frameBytes, receivedLocalNs, decodedLocalNs);
        }

        (_frameBytes, LastSequence) = (0, header.Sequence);
        Interlocked.Increment(ref _framesApplied);
        Interlocked.Exchange(ref _lastShownNs, report.DecodedLocalNs);
        if (Clock.Count > 0)
        {
            Latency.Record(report);
        }

        _options.FrameApplied?.Invoke(this, report);
        frame = report;
        return true;
    }

    private void Forget()
    {
        lock (_pictureLock)
        {
            _decoder.Reset(default, 0);
        }

        Clock.Reset();
        (Topology, Statistics, CursorShape, CursorPosition, LastSequence) = (null, null, null, null, 0);
    }

    private Task AcknowledgeAsync(in FrameReport frame) => IsAcknowledging
        ? SendAsync(new Presented(frame.ReceivedNs, frame.DecodedNs, frame.DecodedNs), frame.Sequence)
        : Task.CompletedTask;

    private Task RequestClockAsync()
    {
        long nowNs = _time.GetMonotonicNanoseconds();
        Interlocked.Exchange(ref _lastClockNs, nowNs);
        return SendAsync(new ClockRequest(nowNs));
    }

    /// <summary>Every 2 s while something is shown; every 10 s when nothing has been for 10 s.</summary>
    private Task KeepClockAsync()
    {
        long nowNs = _time.GetMonotonicNanoseconds();
        bool isQuiet = nowNs - Interlocked.Read(ref _lastShownNs) >= ClockQuietNs;
        return isQuiet && nowNs - Interlocked.Read(ref _lastClockNs) < ClockQuietNs - 1_000_000_000
            ? Task.CompletedTask
            : RequestClockAsync();
    }

    /// <summary>One message at a time; what cannot be sent because the connection ends is dropped, the receiver notices the end.</summary>
    private async Task SendAsync<T>(T message, uint sequence = 0)
        where T : IWireMessage
    {
        await _sendLock.WaitAsync(CancellationToken.None);
        try
        {
            if (_connection is { } connection)
            {
                int bytes = Packet.Write(_sendBuffer, message, _time.GetMonotonicNanoseconds(), 0, sequence);
                await connection.SendAsync(_sendBuffer.AsMemory(0, bytes));
            }
        }
        finally
        {
            _sendLock.Release();
        }
    }

    private void Notify()
    {
        lock (_waitersLock)
        {
            for (int i = _waiters.Count - 1; i >= 0; i--)
            {
                if (_waiters[i].Predicate(this))
                {
                    _waiters[i].Result.TrySetResult(true);
                    _waiters.RemoveAt(i);
                }
            }
        }
    }
}
