using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Lab.Motion;
using Vitrine.Lab.WeakNetworks;
using Vitrine.Measurement;
using Vitrine.Transports;

namespace Vitrine.Lab.Transport;

/// <summary>A film on all of a shared screen of 1080p, live over networks that lose and delay, by one transport after the other: when each
/// frame was painted, and when it was in a viewer's picture.</summary>
/// <remarks>The host shares a private display from the far side, with its usual settings; the viewer is on the near side. One at a time:
/// to paint, encode and decode takes about a processor.</remarks>
internal static class LiveRounds
{
    public const string Quic = "live-quic", WebSocket = "live-websocket", Http2 = "live-http2";

    private const double FramesPerSecond = 30;

    /// <summary>The beginning is not looked at: some frames go as tiles, megabytes each, until the screen is taken for a film. Meanwhile the
    /// network only delays. It ends when the viewer is no more than <see cref="BehindMax"/> frames behind, or after this.</summary>
    private static readonly TimeSpan s_begin = TimeSpan.FromSeconds(2), s_beginMax = TimeSpan.FromSeconds(20);

    private const long BehindMax = 30;

    /// <summary>Nor is what follows, in which the rate finds that of the network as it is.</summary>
    private static readonly TimeSpan s_warm = TimeSpan.FromSeconds(4);

    /// <summary>For the last frames to arrive.</summary>
    private static readonly TimeSpan s_after = TimeSpan.FromSeconds(2);

    // QUIC sends as the system's TCP does, as far as it can: what is compared is the transport.
    private static readonly string s_congestion = SystemCongestion() == "bbr" ? "bbr" : "cubic";

    private static readonly (string Name, PacketTransport Transport)[] s_transports =
        [(WebSocket, PacketTransport.WebSocket), (Http2, PacketTransport.Http2), (Quic, PacketTransport.Quic)];

    /// <summary>The networks that the goal is for: those that lose much, and the one that changes.</summary>
    private static readonly NetworkProfile[] s_lossy = [NetworkProfiles.Rtt200Loss5, NetworkProfiles.Loss12Jitter80, NetworkProfiles.WifiTo4G];

    public static async Task RunAsync(
        RunBuilder run, EchoCertificate certificate, LabOptions options, Action<string, double> report, CancellationToken cancellationToken)
    {
        NetworkProfile[] profiles = NetworkText.Choose(options.Networks, NetworkProfiles.All);
        report("Making the film", 0);
        DeviceSize screen = MotionLaboratory.Screen;
        using var film = new VideoLoop(screen, options.Quick ? 24 : 60);
        using PrivateDisplay display = PrivateDisplay.Start(screen);
        using X11Connection painting = X11Connection.TryOpen(display.Name, out string error) ?? throw new LaboratoryException(error);
        for (int i = 0; i < profiles.Length; i++)
        {
            int index = i;
            await RunAsync(
                run, profiles[i], display, painting, film, certificate, options, done => report($"A live film over {profiles[index].Name}", (index + done) / profiles.Length), cancellationToken);
        }
    }

    private static async Task RunAsync(
        RunBuilder run, NetworkProfile profile, PrivateDisplay display, X11Connection painting, VideoLoop film, EchoCertificate certificate, LabOptions options,
        Action<double> report, CancellationToken cancellationToken)
    {
        using WeakNetwork? network = WeakRounds.TryCreate(run, profile, options);
        if (network is null)
        {
            return;
        }

        await using LiveProcess agent = LiveProcess.Start(options, (program, arguments) => network.Near.Start(program, arguments));
        var stage = new Stage(network, display, painting, film, certificate, agent, options);
        var series = s_transports.ToDictionary(each => each.Name, each => new LiveSeries($"{each.Name}/{profile.Name}"));
        int rounds = options.Quick ? 1 : 5;
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < s_transports.Length; i++)
            {
                report((round + ((double)i / s_transports.Length)) / rounds);
                (string name, PacketTransport transport) = s_transports[round % 2 == 0 ? i : s_transports.Length - 1 - i];
                if (series.TryGetValue(name, out LiveSeries? own) && await stage.PlayAsync(own, transport, cancellationToken) is { } failure)
                {
                    run.NotMeasured($"{own.Name}: {failure}");
                    series.Remove(name);
                }
            }
        }

        foreach (LiveSeries each in series.Values)
        {
            run.Add(each.ToCase() with
            {
                Parameters = new Dictionary<string, string>
                {
                    ["network"] = profile.Summary,
                    ["congestion control"] = each.Name.StartsWith(Quic, StringComparison.Ordinal) ? s_congestion : SystemCongestion(),
                },
            });
        }

        if (network.CountKernelDrops() is > 0 and long drops)
        {
            run.NotMeasured($"live/{profile.Name}: the machine was too slow, the kernel dropped {drops} packets that the profile did not.");
        }

        AddRatios(run, profile, series);
    }

    private static void AddRatios(RunBuilder run, NetworkProfile profile, Dictionary<string, LiveSeries> series)
    {
        if (!series.TryGetValue(Quic, out LiveSeries? quic) || !series.TryGetValue(WebSocket, out LiveSeries? web))
        {
            return;
        }

        bool isLossy = s_lossy.Contains(profile);
        double[] ratios = [.. quic.P95Ms.Zip(web.P95Ms, (own, other) => own / other)];
        run.Add(RatioRecord.Of($"{quic.Name} p95Ms vs websocket", RoundSeries.Median(ratios), isLossy ? 0.5 : null) with { Rounds = ratios });
        // Fewer: one less at least, none where there is none to lose.
        double[] more = [.. quic.FreezesPerRound.Zip(web.FreezesPerRound, (own, other) => own - other)];
        run.Add(RatioRecord.Of($"{quic.Name} freezes vs websocket, difference", quic.Freezes - web.Freezes, isLossy ? (web.Freezes > 0 ? -1 : 0) : null) with { Rounds = more });
    }

    private static string SystemCongestion() => File.ReadAllText("/proc/sys/net/ipv4/tcp_congestion_control").Trim();

    /// <summary>What rounds over a network have in common.</summary>
    private sealed class Stage(
        WeakNetwork network, PrivateDisplay display, X11Connection painting, VideoLoop film, EchoCertificate certificate, LiveProcess agent, LabOptions options)
    {
        private readonly TimeSpan _measured = TimeSpan.FromSeconds(options.Quick ? 10 : 20);

        /// <summary>A round, with a host of its own, so that none inherits what the one before made of the network.</summary>
        /// <returns>Why it failed; null when it did not.</returns>
        public async Task<string?> PlayAsync(LiveSeries series, PacketTransport transport, CancellationToken cancellationToken)
        {
            await using ShareProcess share = await ShareProcess.StartAsync(
                options,
                [
                    "share", "--display", display.Name, "--listen", network.Far.Address.ToString(), "--cert", certificate.CertificatePath, "--key", certificate.KeyPath,
                    "--quic", s_congestion,
                ],
                null, cancellationToken, (program, arguments) => network.Far.Start(program, arguments));
            network.IsSpared = true;
            // Joined while the screen is black: what rests would be sent exact first, some megabytes of it.
            LiveReady ready = await agent.BeginAsync(
                new() { Url = share.Url.AbsoluteUri, Transport = transport, Fingerprint = certificate.Fingerprint }, cancellationToken);
            if (ready.Failure is not null)
            {
                return ready.Failure;
            }

            if (ready.WhyNoVideo is not null)
            {
                _ = await agent.EndAsync(cancellationToken);
                return NoVideo(ready.WhyNoVideo);
            }

            using var load = new FilmLoad(painting, film, DeviceRectangle.Of(film.Size), FramesPerSecond);
            using var painter = new MotionPainter(painting, load, options.Time);
            painter.Start();
            await Task.Delay(s_begin, options.Time, cancellationToken);
            await WaitForBeginAsync(painter, cancellationToken);
            network.IsSpared = false;
            await Task.Delay(s_warm, options.Time, cancellationToken);
            long fromNs = options.Time.GetMonotonicNanoseconds();
            _ = ProcessProbe.TryGetCpuNs(share.ProcessId, out long cpuBefore);
            bool isMoving = network.Paths.Count > 1;
            await Task.Delay(isMoving ? _measured / 2 : _measured, options.Time, cancellationToken);
            if (isMoving)
            {
                network.ChangePath();
                await Task.Delay(_measured / 2, options.Time, cancellationToken);
            }

            long untilNs = options.Time.GetMonotonicNanoseconds();
            _ = ProcessProbe.TryGetCpuNs(share.ProcessId, out long cpuAfter);
            await Task.Delay(s_after, options.Time, cancellationToken);
            painter.Stop();
            LiveResult result = await agent.EndAsync(cancellationToken);
            if (isMoving)
            {
                network.ChangePath(); // back, for the next one
            }

            if (result.Failure is not null || result.WhyNoVideo is not null)
            {
                return result.Failure ?? NoVideo(result.WhyNoVideo!);
            }

            List<(long PaintedNs, LiveSight Sight)> sights = [];
            Dictionary<long, LiveSight> first = [];
            foreach (LiveSight sight in result.Sights)
            {
                if (painter.Times.TryResolve(sight.Number, out long frame))
                {
                    sights.Add((painter.Times.GetNs(frame), sight));
                    first.TryAdd(frame, sight);
                }
            }

            List<LiveFrame> frames = [];
            for (long frame = 1; frame <= painter.Times.Last; frame++)
            {
                if (painter.Times.GetNs(frame) is var paintedNs && paintedNs >= fromNs && paintedNs < untilNs)
                {
                    frames.Add(new(frame, paintedNs, first.TryGetValue(frame, out LiveSight sight) ? sight : null));
                }
            }

            series.Add(frames, sights, fromNs, untilNs, result, ready, cpuAfter - cpuBefore);
            return null;
        }

        // A film that comes as tiles is another measurement.
        private static string NoVideo(string why) => $"The viewer does not decode H.264: {why}";

        private async Task WaitForBeginAsync(MotionPainter painter, CancellationToken cancellationToken)
        {
            using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(250), options.Time);
            for (long begun = options.Time.GetTimestamp(); options.Time.GetElapsedTime(begun) < s_beginMax; await poll.WaitForNextTickAsync(cancellationToken))
            {
                LiveGlance glance = await agent.GlanceAsync(cancellationToken);
                if (glance.Number >= 0 && painter.Times.TryResolve(glance.Number, out long frame) && painter.Times.Last - frame <= BehindMax)
                {
                    return;
                }
            }
        }
    }
}
