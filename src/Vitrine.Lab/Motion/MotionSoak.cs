using System.Globalization;
using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Lab.Content;
using Vitrine.Lab.Soak;
using Vitrine.Measurement;
using Vitrine.Viewer;

namespace Vitrine.Lab.Motion;

/// <summary>Every load by turns for a long time with one viewer: what the host allocates for a frame, how long its collections stop it,
/// and what it holds more of at the end than at the beginning, each time with nobody watching.</summary>
internal static class MotionSoak
{
    /// <summary>After this a load has found its form: its regions and their encoders are there.</summary>
    private static readonly TimeSpan s_settle = TimeSpan.FromSeconds(2);

    /// <summary>What the collector's generations breathe; an encoder that is kept, or a few pictures, are more.</summary>
    private const double GrowthBytesMax = 2 << 20;

    private const int LoadsInARound = 6;

    public static async Task RunAsync(
        RunBuilder run, PrivateDisplay display, VideoLoop film, ShareProcess share, LabOptions options, Action<double> report, CancellationToken cancellationToken)
    {
        TimeProvider time = options.Time;
        TimeSpan duration = options.Quick ? TimeSpan.FromSeconds(6) : options.MotionSoakDuration;
        TimeSpan turn = options.Quick ? TimeSpan.FromSeconds(1) : TimeSpan.FromSeconds(8);
        using var metrics = new HostMetrics(share.Url);

        // Everything once, and hot: what is made on first use is there, and the code is compiled as it will stay.
        await PlayAsync(TimeSpan.FromSeconds(options.Quick ? 0 : Math.Min(40, duration.TotalSeconds / 2)), null, [], []);
        Holdings before = await Holdings.SettleAsync(display, share, null, options, cancellationToken);
        HostMetrics.Page settledBefore = await metrics.ReadAsync(cancellationToken);

        var pauses = new LatencyHistogram();
        List<double> anonymousBytes = [];
        Dictionary<string, double> most = [];
        Played played = await PlayAsync(duration, pauses, anonymousBytes, most);
        Holdings after = await Holdings.SettleAsync(display, share, before, options, cancellationToken);
        HostMetrics.Page settledAfter = await metrics.ReadAsync(cancellationToken);

        // What grows without end is larger in the last third than in the middle one; what only had to find its size is not.
        // Each load holds something else: whole rounds of all of them are compared.
        double[] rounds = [.. anonymousBytes.Chunk(LoadsInARound).Where(round => round.Length == LoadsInARound).Select(round => round.Average())];
        int third = Math.Max(1, rounds.Length / 3);
        double middleBytes = rounds.SkipLast(third).TakeLast(third).DefaultIfEmpty(double.NaN).Average();
        double lastBytes = rounds.TakeLast(third).DefaultIfEmpty(double.NaN).Average();

        const string Name = "motion-soak/host";
        var figures = new Dictionary<string, double>
        {
            ["seconds"] = played.Seconds,
            ["frames"] = played.All.Frames,
            ["allocatedBytes"] = played.All.AllocatedBytes,
            ["allocatedBytesPerFrame"] = played.All.BytesPerFrame,
            ["framePathAllocatedBytesPerFrame"] = played.All.FramePathBytesPerFrame,
            ["restAllocatedBytesPerFrame"] = played.All.BytesPerFrame - played.All.FramePathBytesPerFrame,
            ["collections"] = played.All.Collections,
            ["gcPauseMsP99"] = pauses.P99Ns / 1e6,
            ["gcPauseMsMax"] = pauses.MaxNs / 1e6,
            ["descriptorsBefore"] = before.Descriptors,
            ["descriptorsAfter"] = after.Descriptors,
            ["threadsBefore"] = before.Threads,
            ["threadsAfter"] = after.Threads,
            ["mappedPicturesBefore"] = before.MappedPictures,
            ["mappedPicturesAfter"] = after.MappedPictures,
            ["xServerDescriptorsBefore"] = before.ServerDescriptors,
            ["xServerDescriptorsAfter"] = after.ServerDescriptors,
            ["xResourcesBefore"] = before.Resources,
            ["xResourcesAfter"] = after.Resources,
            ["residentBytesBefore"] = before.ResidentBytes,
            ["residentBytesAfter"] = after.ResidentBytes,
            ["anonymousBytesMiddleThird"] = middleBytes,
            ["anonymousBytesLastThird"] = lastBytes,
            ["anonymousBytesBefore"] = before.AnonymousBytes,
            ["anonymousBytesAfter"] = after.AnonymousBytes,
        };
        if (played.Steady.Frames > 0)
        {
            figures["steadyFrames"] = played.Steady.Frames;
            figures["steadyAllocatedBytesPerFrame"] = played.Steady.BytesPerFrame;
            figures["steadyFramePathAllocatedBytesPerFrame"] = played.Steady.FramePathBytesPerFrame;
            figures["steadyRestAllocatedBytesPerFrame"] = played.Steady.BytesPerFrame - played.Steady.FramePathBytesPerFrame;
        }

        foreach ((string gauge, double value) in settledAfter.Gauges)
        {
            figures[gauge + "Before"] = settledBefore.Gauges.GetValueOrDefault(gauge);
            figures[gauge + "After"] = value;
            figures[gauge + "Most"] = most.GetValueOrDefault(gauge);
        }

        run.Add(new CaseRecord { Name = Name, Metrics = figures });
        run.AddGoal($"{Name} allocatedBytesPerFrame", played.All.BytesPerFrame, 0);
        run.AddGoal($"{Name} framePathAllocatedBytesPerFrame", played.All.FramePathBytesPerFrame, 0);
        run.AddGoal($"{Name} gcPauseMsP99", pauses.P99Ns / 1e6, 2);
        run.AddGoal($"{Name} descriptors", after.Descriptors - before.Descriptors, 0);
        run.AddGoal($"{Name} threads", after.Threads - before.Threads, 0);
        run.AddGoal($"{Name} mappedPictures", after.MappedPictures - before.MappedPictures, 0);
        run.AddGoal($"{Name} xServerDescriptors", after.ServerDescriptors - before.ServerDescriptors, 0);
        if (before.Resources >= 0)
        {
            run.AddGoal($"{Name} xResources", after.Resources - before.Resources, 0);
        }

        if (double.IsFinite(middleBytes))
        {
            run.AddGoal($"{Name} anonymousBytes last over middle third", lastBytes - middleBytes, GrowthBytesMax);
        }
        else
        {
            run.NotMeasured($"{Name} anonymousBytes: it takes a longer run.");
        }

        foreach ((string gauge, double value) in settledAfter.Gauges)
        {
            run.AddGoal($"{Name} {gauge}", value - settledBefore.Gauges.GetValueOrDefault(gauge), 0);
        }

        async Task<Played> PlayAsync(TimeSpan playing, LatencyHistogram? into, List<double> anonymous, Dictionary<string, double> gaugesMost)
        {
            // A connection of its own: what the loads leave on the X server, their fonts, goes with it.
            using X11Connection painting = X11Connection.TryOpen(display.Name, out string error) ?? throw new LaboratoryException(error);
            await using HeadlessViewer viewer = await HeadlessViewer.ConnectAsync(share.Url, new HeadlessViewerOptions { Name = "soak" }, time, cancellationToken);
            await viewer.WaitUntilAsync(seen => seen.FrameCount > 0, TimeSpan.FromSeconds(20));
            // To ask costs the host memory too: it is asked twice a load, and what one question costs, asked first, is taken off.
            HostMetrics.Page first = await metrics.ReadAsync(cancellationToken), last = await metrics.ReadAsync(cancellationToken);
            double askingBytes = last.AllocatedBytes - first.AllocatedBytes;
            Counted all = default, steady = default;
            long begun = 0, turns = 0;
            Func<MotionLoad>[] loads =
            [
                () => new FilmLoad(painting, film, LoadRounds.FilmWindow, 30),
                () => new TypingLoad(painting, new(213, 127, 900, 700), 10),
                () => new FilmLoad(painting, film, DeviceRectangle.Of(display.Server.Size), 30),
                () => new ScrollingLoad(painting, new(213, 77, 1000, 800), 30),
                () => new DraggingLoad(painting, display.Server.Size, new(600, 400), 30),
                () => new FilmLoad(painting, film, new(1000, 101, 320, 240), 60),
            ];
            // The first round is not counted: the buffers of this connection find their size with it.
            for (; turns <= LoadsInARound || time.GetElapsedTime(begun) < playing; turns++)
            {
                if (turns == LoadsInARound)
                {
                    (all, steady, begun) = (default, default, time.GetTimestamp());
                    anonymous.Clear();
                    into?.Clear();
                }

                using MotionLoad load = loads[turns % LoadsInARound]();
                using var painter = new MotionPainter(painting, load, time);
                painter.Start();
                long turnBegun = time.GetTimestamp();
                await LookAfterAsync(turn < s_settle ? turn : s_settle);
                if (turn - time.GetElapsedTime(turnBegun) is var left && left > TimeSpan.Zero)
                {
                    steady += await LookAfterAsync(left);
                }

                painter.Stop();
                anonymous.Add(Holdings.ReadAnonymousBytes(share.ProcessId));
                if (into is not null && turns >= LoadsInARound)
                {
                    report(Math.Min(1, time.GetElapsedTime(begun) / playing));
                }
            }

            if (!viewer.IsConnected)
            {
                throw new LaboratoryException("The viewer lost its connection.");
            }

            return new(all, steady, time.GetElapsedTime(begun).TotalSeconds);

            async Task<Counted> LookAfterAsync(TimeSpan wait)
            {
                await Task.Delay(wait, time, cancellationToken);
                HostMetrics.Page now = await metrics.ReadAsync(cancellationToken);
                var counted = new Counted(
                    now.FramesSent - last.FramesSent, now.AllocatedBytes - last.AllocatedBytes - askingBytes,
                    now.FramePathBytes - last.FramePathBytes, now.Collections - last.Collections);
                // Several collections between two looks count with their mean.
                for (int i = 0; i < counted.Collections; i++)
                {
                    into?.Record((long)((now.PauseSeconds - last.PauseSeconds) / counted.Collections * 1e9));
                }

                foreach ((string gauge, double value) in now.Gauges)
                {
                    gaugesMost[gauge] = Math.Max(value, gaugesMost.GetValueOrDefault(gauge));
                }

                all += counted;
                last = now;
                return counted;
            }
        }
    }

    /// <summary>What the host did between looks, without what a look costs.</summary>
    private readonly record struct Counted(double Frames, double AllocatedBytes, double FramePathBytes, double Collections)
    {
        public double BytesPerFrame => AllocatedBytes / Math.Max(1, Frames);

        public double FramePathBytesPerFrame => FramePathBytes / Math.Max(1, Frames);

        public static Counted operator +(Counted left, Counted right) => new(
            left.Frames + right.Frames, left.AllocatedBytes + right.AllocatedBytes, left.FramePathBytes + right.FramePathBytes, left.Collections + right.Collections);
    }

    /// <summary>All of it, the parts where a load had found its form, and how long it took.</summary>
    private readonly record struct Played(Counted All, Counted Steady, double Seconds);

    /// <summary>The page of figures that the host serves.</summary>
    private sealed class HostMetrics(Uri share) : IDisposable
    {
        private readonly HttpClient _client = new();
        private readonly Uri _address = new UriBuilder(share) { Path = "/metrics", Query = share.Query }.Uri;

        public async Task<Page> ReadAsync(CancellationToken cancellationToken)
        {
            var values = new Dictionary<string, double>();
            var gauges = new Dictionary<string, double>();
            var types = new Dictionary<string, string>();
            foreach (string line in (await _client.GetStringAsync(_address, cancellationToken)).Split('\n'))
            {
                string[] words = line.Split(' ');
                if (words is ["#", "TYPE", var named, var type])
                {
                    types[named] = type;
                }
                else if (words.Length == 2 && double.TryParse(words[1], CultureInfo.InvariantCulture, out double value))
                {
                    values[words[0]] = value;
                    // What a host holds of its own: all but the process's figures, which are looked at from outside.
                    if (types.GetValueOrDefault(words[0]) == "gauge" && words[0].StartsWith("vitrine", StringComparison.Ordinal))
                    {
                        gauges[words[0]] = value;
                    }
                }
            }

            return new Page(
                values.GetValueOrDefault("dotnet_allocated_bytes_total"), values.GetValueOrDefault("vitrine_frame_path_allocated_bytes_total"),
                values.GetValueOrDefault("vitrine_frames_sent_total"),
                values.GetValueOrDefault("dotnet_gc_collections_total"), values.GetValueOrDefault("dotnet_gc_pause_seconds_total"), gauges);
        }

        public void Dispose() => _client.Dispose();

        /// <summary>What is used of it.</summary>
        internal sealed record Page(double AllocatedBytes, double FramePathBytes, double FramesSent, double Collections, double PauseSeconds, IReadOnlyDictionary<string, double> Gauges);
    }
}
