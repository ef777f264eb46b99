using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text.Json;
using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Transports.Quic;
using Vitrine.Viewer;

namespace Vitrine.Lab.Transport;

/// <summary>Watches a shared screen that has a <see cref="NumberStrip"/> in its upper left corner, in a process of its own: on a weak network
/// it lives in the network's namespace. Reads a <see cref="LiveWatch"/>, answers with a <see cref="LiveReady"/>, and watches; to each line
/// <see cref="Glance"/> it answers with a <see cref="LiveGlance"/>, at any other it ends with a <see cref="LiveResult"/>. Again and again. What
/// people should know of how it is connected, such as that it is not over QUIC and why, is told beside that, whenever it changes.</summary>
public static class LiveAgent
{
    /// <summary>Asks how far it is.</summary>
    public const string Glance = "?";

    private static readonly TimeSpan s_firstPicture = TimeSpan.FromSeconds(30);

    /// <summary>Works until the input ends.</summary>
    /// <param name="input">Orders.</param>
    /// <param name="output">Answers.</param>
    /// <param name="notes">For people, a line each.</param>
    /// <param name="cancellationToken">Ends it too.</param>
    public static async Task RunAsync(TextReader input, TextWriter output, TextWriter notes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(notes);
        while (await input.ReadLineAsync(cancellationToken) is { } line)
        {
            string answer;
            try
            {
                LiveWatch watch = JsonSerializer.Deserialize(line, LiveJson.Default.LiveWatch) ?? throw new JsonException("null");
                answer = JsonSerializer.Serialize(await WatchAsync(watch, input, output, notes, cancellationToken), LiveJson.Default.LiveResult);
            }
            catch (Exception exception) when (exception is ViewerConnectException or JsonException or ArgumentException or UriFormatException)
            {
                answer = JsonSerializer.Serialize(new LiveReady(exception.Message, "", 0), LiveJson.Default.LiveReady);
            }

            await output.WriteLineAsync(answer);
            await output.FlushAsync(cancellationToken);
        }
    }

    private static async Task<LiveResult> WatchAsync(LiveWatch watch, TextReader input, TextWriter output, TextWriter notes, CancellationToken cancellationToken)
    {
        long begun = Stopwatch.GetTimestamp();
        TimeSpan cpuBefore = Environment.CpuUsage.TotalTime;
        Look look = new(notes);
        HeadlessViewerOptions options = new()
        {
            Name = "lab",
            Transport = watch.Transport,
            CertificateFingerprint = watch.Fingerprint,
            Reconnect = true,
            ConnectTimeout = s_firstPicture,
            FrameApplied = look.OnFrame,
        };
        await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(new Uri(watch.Url), options, null, cancellationToken);
        bool hasPicture = await viewer.WaitUntilAsync(seen => seen.FrameCount > 0, s_firstPicture);
        string? noVideo = WhyNoVideo(viewer);
        LiveReady ready = new(
            hasPicture ? null : $"No picture came within {s_firstPicture.TotalSeconds} s.", viewer.Transport, Stopwatch.GetElapsedTime(begun).TotalMilliseconds, noVideo,
            viewer.ConnectionNote);
        IPAddress? address = FindAddress();
        NetworkAddressChangedEventHandler moved = (_, _) =>
        {
            if (FindAddress() is { } now && !now.Equals(Interlocked.Exchange(ref address, now)))
            {
                viewer.NoteAddressChange();
            }
        };
        NetworkChange.NetworkAddressChanged += moved;
        try
        {
            await output.WriteLineAsync(JsonSerializer.Serialize(ready, LiveJson.Default.LiveReady));
            await output.FlushAsync(cancellationToken);
            while (await input.ReadLineAsync(cancellationToken) == Glance)
            {
                await output.WriteLineAsync(JsonSerializer.Serialize(new LiveGlance(look.Number), LiveJson.Default.LiveGlance));
                await output.FlushAsync(cancellationToken);
            }
        }
        finally
        {
            NetworkChange.NetworkAddressChanged -= moved;
        }

        return new()
        {
            Sights = look.TakeSights(),
            Unreadable = look.Unreadable,
            Transport = viewer.Transport,
            Note = viewer.ConnectionNote,
            Connections = viewer.ConnectionCount,
            VideoSkipped = viewer.VideoCounts.Skipped,
            UnitsDropped = (viewer.Connection as QuicPacketConnection)?.UnitsDropped ?? 0,
            WhyNoVideo = noVideo is null ? WhyNoVideo(viewer) : null,
            UnitsRepaired = (viewer.Connection as QuicPacketConnection)?.UnitsRepaired ?? 0,
            CpuNs = (long)(Environment.CpuUsage.TotalTime - cpuBefore).TotalNanoseconds,
        };
    }

    private static string? WhyNoVideo(HeadlessViewer viewer) => viewer.WhyNoVideo.Length > 0 ? viewer.WhyNoVideo : null;

    /// <summary>The address that this machine has now; null when it has none.</summary>
    private static IPAddress? FindAddress() => NetworkInterface.GetAllNetworkInterfaces()
        .Where(each => each.OperationalStatus != OperationalStatus.Down && each.NetworkInterfaceType != NetworkInterfaceType.Loopback)
        .SelectMany(each => each.GetIPProperties().UnicastAddresses)
        .Select(each => each.Address)
        .FirstOrDefault(each => each.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(each) && !each.Equals(IPAddress.Any));

    /// <summary>Which numbers the pictures show. Called on the viewer's receiving thread.</summary>
    private sealed class Look
    {
        private readonly Lock _lock = new();
        private readonly List<LiveSight> _sights = [];
        private readonly PictureReader _read;
        private volatile int _number = -1;
        private readonly TextWriter _notes;
        private string _told = "";
        private int _seen;
        private bool _isReadable;
        private long _bytes;

        public Look(TextWriter notes)
        {
            _notes = notes;
            _read = (pixels, size) => _isReadable =
                size.Width >= NumberStrip.Width && size.Height >= NumberStrip.BlockPixels
                && NumberStrip.TryRead(pixels, size.Width * FrameFormat.BytesPerPixel, default, out _seen);
        }

        public long Unreadable { get; private set; }

        public int Number => _number;

        public void OnFrame(HeadlessViewer viewer, FrameReport frame)
        {
            if (viewer.ConnectionNote != _told)
            {
                _told = viewer.ConnectionNote;
                _notes.WriteLine(_told.Length > 0 ? _told : $"Over {viewer.Transport}.");
            }

            viewer.ReadPicture(_read);
            _bytes += frame.Bytes;
            if (!_isReadable)
            {
                Unreadable += _number >= 0 ? 1 : 0;
            }
            else if (_seen != _number)
            {
                _number = _seen;
                lock (_lock)
                {
                    _sights.Add(new(_seen, frame.OriginNs, frame.CapturedNs, frame.EncodedNs, frame.SentNs, frame.ReceivedLocalNs, frame.DecodedLocalNs, _bytes));
                }

                _bytes = 0;
            }
        }

        public IReadOnlyList<LiveSight> TakeSights()
        {
            lock (_lock)
            {
                return [.. _sights];
            }
        }
    }
}
