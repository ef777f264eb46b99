using System.Globalization;
using System.Net;
using Vitrine.Capture.X11;
using Vitrine.Cli.Settings;
using Vitrine.Codecs.H264;
using Vitrine.Events.Hosts;
using Vitrine.Events.Kafka;
using Vitrine.Frames;
using Vitrine.Imaging.Colour;
using Vitrine.Server;
using Vitrine.Server.Access;
using Vitrine.Transports.Quic;
using Vitrine.Wire.V1;

namespace Vitrine.Cli.Sharing;

/// <summary>Shares until Ctrl-C: opens the source, listens, says where, says goodbye.</summary>
/// <param name="terminal">Takes what people read.</param>
/// <param name="settings">Checked.</param>
/// <param name="display">Gives the name of the display at every opening, or null with an error.</param>
/// <param name="note">A sentence for people before the address; empty for none.</param>
/// <param name="isVerbose">Whether to say what was chosen and why.</param>
internal sealed class ShareRun(Terminal terminal, ShareSettings settings, ShareRun.DisplayFinder display, string note, bool isVerbose)
{
    /// <summary>Names the display to open, or says why there is none.</summary>
    public delegate string? DisplayFinder(out string error);

    // The whole of a graceful end; after it, what still holds on is left to the system.
    private static readonly TimeSpan s_goodbyeTimeout = TimeSpan.FromSeconds(2);

    private BackEndChoice _backEnd = new("", "");
    private readonly ScreenSources _sources = new(settings);
    private DeviceSize _size;

    /// <summary>Runs to the end.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync()
    {
        string? token = settings.Token;
        if (settings.TokenFile is { } tokenFile)
        {
            token = ReadToken(tokenFile, out string tokenError);
            if (token is null)
            {
                return terminal.Fail(ExitCode.Usage, tokenError, "It comes from token-file.", "The file holds one line: 22 to 128 letters, digits, - and _.");
            }
        }

        // Else the first video would end the session.
        if (!KernelSets.TryChoose(Environment.GetEnvironmentVariable(KernelSets.EnvironmentVariable), out _, out string kernelError))
        {
            return terminal.Fail(ExitCode.Usage, kernelError);
        }

        // Else what moves would be tiles, and nobody had asked for that.
        if (settings.Video == "on" && H264Support.FindEncoder(settings.Encoder) is { } encoder && TryFindFault(encoder, out string fault, out string usable))
        {
            return terminal.Fail(ExitCode.Missing, $"The encoder {settings.Encoder} does not work here.", fault, usable);
        }

        // Before the session's threads start: they inherit it.
        if (settings.Cpus is { } cpus && Setting.TryParseProcessors(cpus, out int[] processors) && !ThreadScheduling.TryBindProcess(processors))
        {
            return terminal.Fail(ExitCode.Usage, $"None of the processors {cpus} can be used.", "It comes from cpus.", $"This process may use {Environment.ProcessorCount} of them: «taskset -pc $$» lists which.");
        }

        ServerOptions options = new()
        {
            Listen = IPAddress.Parse(settings.Listen),
            Port = settings.Port,
            ViewersMax = settings.MaxViewers,
            Token = token,
            Administer = settings.Administer == "on",
            Quic = settings.Quic != "off",
            QuicCongestion = settings.Quic == "bbr" ? QuicCongestionControl.Bbr : QuicCongestionControl.Cubic,
            QuicThreads = settings.QuicThreads,
            CertificatePath = settings.Cert,
            CertificateKeyPath = settings.Key,
        };
        if (options.Validate() is [var invalid, ..])
        {
            return terminal.Fail(ExitCode.Usage, invalid.ToString());
        }

        KafkaOptions? kafka = null;
        if (settings.Events == "on" && KafkaSettings.TryMakeOptions(settings, out kafka) is { } error)
        {
            return terminal.Fail(ExitCode.Usage, error.What, error.Origin, error.Mend);
        }

        RegionTrace? trace = null;
        try
        {
            trace = settings.Trace is { } tracePath
                ? new RegionTrace(tracePath, reason => terminal.Warn("Tracing has ended, sharing goes on.", reason))
                : null;
        }
        catch (Exception unwritable) when (unwritable is IOException or UnauthorizedAccessException)
        {
            return terminal.Fail(
                unwritable is UnauthorizedAccessException ? ExitCode.Refused : ExitCode.Failed, $"The trace file {settings.Trace} cannot be written.", unwritable.Message);
        }

        using (trace)
        {
            return await ShareAsync(options, kafka, trace).ConfigureAwait(false);
        }
    }

    private static bool TryFindFault(string encoder, out string fault, out string usable)
    {
        IReadOnlyList<H264EncoderProbe> probes = H264Support.Probe().Encoders;
        H264EncoderProbe wanted = probes.First(probe => probe.Name == encoder);
        string[] works = [.. H264Support.ShortNames.Where((_, i) => probes[i].Works)];
        (fault, usable) = (wanted.Reason, works.Length > 0 ? $"Usable here: {string.Join(", ", works)}; auto takes the first." : $"None is: {H264Support.InstallCommand}");
        return !wanted.Works;
    }

    private async Task<int> ShareAsync(ServerOptions options, KafkaOptions? kafka, RegionTrace? trace)
    {
        using StopSignal stop = new();
        HostEvents? events = settings.Events == "on" ? KeepEvents(options, kafka) : null;
        try
        {
            return await ShareAsync(options with { Events = events }, trace, stop.Token).ConfigureAwait(false);
        }
        finally
        {
            await EndAsync(events).ConfigureAwait(false);
        }
    }

    private HostEvents? KeepEvents(ServerOptions options, KafkaOptions? kafka)
    {
        try
        {
            EventSource source = new()
            {
                HostId = HostIdentity.Load(options.ConfigDirectory),
                HostName = Environment.MachineName,
                SessionId = Guid.NewGuid().ToString("N"),
                ProcessId = (uint)Environment.ProcessId,
                Version = typeof(ShareRun).Assembly.GetName().Version?.ToString(3) ?? "",
            };
            return HostEvents.Start(settings.EventsFolder ?? HostEvents.DefaultFolder, source, TimeProvider.System, NotKept, kafka);
        }
        catch (Exception unusable) when (unusable is IOException or UnauthorizedAccessException)
        {
            NotKept(unusable.Message);
            return null;
        }
    }

    private void NotKept(string reason) =>
        terminal.Warn(
            "Sharing goes on, and something about its events does not work.", reason,
            settings.EventsKafka.Bootstrap is null ? "--events-folder FOLDER keeps them elsewhere, --events off not at all." : "--events off keeps none.");

    // A disk that hangs does not hold up the end, nor do brokers while a group is joined or left: what it had not done, others do.
    private async Task EndAsync(HostEvents? events)
    {
        try
        {
            await (events?.DisposeAsync().AsTask() ?? Task.CompletedTask).WaitAsync(s_goodbyeTimeout).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            if (!events!.Recorder.IsOver)
            {
                terminal.Warn("The last events are not kept.", settings.EventsKafka.Bootstrap is null ? "The disk does not answer." : "Kafka does not answer.");
            }
        }
    }

    private async Task<int> ShareAsync(ServerOptions options, RegionTrace? trace, CancellationToken stop)
    {
        await using ShareSession session = new(Open, new ShareOptions
        {
            Events = options.Events?.Recorder,
            ThumbnailInterval = settings.EventsThumbnails == "off" ? null : TimeSpan.FromSeconds(int.Parse(settings.EventsThumbnails, CultureInfo.InvariantCulture)),
            FramesPerSecondMax = settings.Fps,
            Video = settings.Video == "on",
            Encoder = settings.Encoder,
            VideoBitsPerSecondMax = settings.Bitrate * 1_000_000,
            VideoBitsPerSecondMin = (int)(settings.BitrateMin * 1e6),
            Trace = trace is null ? null : trace.Write,
            TraceQuality = trace is null ? null : trace.Write,
            VideoFailed = reason => terminal.Warn("What moves is sent as exact tiles: video does not work.", reason, "It is tried again every ten seconds. vitrine doctor tries every encoder."),
        });

        // The web server takes as long to start as the display: both at once.
        Task<VitrineServer> starting = VitrineServer.StartAsync(session, options);
        try
        {
            await session.StartAsync().ConfigureAwait(false);
        }
        catch (SourceUnavailableException unavailable)
        {
            await IgnoreAsync(starting).ConfigureAwait(false);
            return terminal.Fail(ExitCode.Missing, "There is nothing to share.", unavailable.Message);
        }

        VitrineServer server;
        try
        {
            server = await starting.ConfigureAwait(false);
        }
        catch (ServerStartException failure)
        {
            return terminal.Fail(failure.Failure == ServerStartFailure.InvalidOptions ? ExitCode.Usage : ExitCode.Failed, "The server did not start.", failure.Message);
        }

        await using (server)
        {
            return await ServeAsync(session, server, options, stop).ConfigureAwait(false);
        }
    }

    private async Task<int> ServeAsync(ShareSession session, VitrineServer server, ServerOptions options, CancellationToken stop)
    {
        ReadyFile? ready = null;
        try
        {
            ready = settings.ReadyFile is { } path ? ReadyFile.Write(path, server.Url, server.Token, server.AdministerToken) : null;
            Announce(server, options);
        }
        catch (Exception unwritable) when (unwritable is IOException or UnauthorizedAccessException)
        {
            return terminal.Fail(
                unwritable is UnauthorizedAccessException ? ExitCode.Refused : ExitCode.Failed, $"The ready file {settings.ReadyFile} cannot be written.", unwritable.Message);
        }

        using (ready)
        {
            TaskCompletionSource stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
            using CancellationTokenRegistration registration = stop.Register(stopped.SetResult);
            if (await Task.WhenAny(stopped.Task, session.Ended).ConfigureAwait(false) == stopped.Task)
            {
                await server.StopAsync(s_goodbyeTimeout).ConfigureAwait(false);
                return ExitCode.Done;
            }
        }

        if (session.Ended.IsFaulted)
        {
            Exception bug = session.Ended.Exception.InnerException ?? session.Ended.Exception;
            return terminal.Fail(ExitCode.Failed, "Sharing ended by an error of ours.", isVerbose ? bug.ToString() : bug.Message, "Please report it, with the output of --verbose.");
        }

        terminal.Output.WriteLine("What was shared was closed.");
        await server.StopAsync(s_goodbyeTimeout).ConfigureAwait(false);
        return ExitCode.Done;
    }

    private void Announce(VitrineServer server, ServerOptions options)
    {
        string text = note.Length > 0 ? note + "\n" : "";
        text += $"Sharing {_sources.Name}, {_size} ({_backEnd.Name}{(isVerbose ? ": " + _backEnd.Reason : "")})\n\n";
        text += $"  {terminal.Strong(server.Url.AbsoluteUri)}   {terminal.Muted("open this in a browser")}\n\n";
        if (server.CertificateFingerprint is { } fingerprint)
        {
            text += $"The browser will warn of a certificate it does not know; compare its SHA-256:\n{fingerprint}\n";
        }

        text += IPAddress.IsLoopback(options.Listen)
            ? "Only this machine can open it. To share on the network: --listen 0.0.0.0 (with TLS, by itself).\n"
            : "Whoever has this address can look.\n";
        if (server.AdministerToken is { } administerToken)
        {
            text += $"Token of programs that may also see who looks, and stop and start sharing: {administerToken}\n";
        }

        if (server.EventsUrl is { } eventsUrl)
        {
            text += $"What happened, for whoever administers: {eventsUrl.AbsoluteUri}\n";
        }

        if (isVerbose && options.Quic)
        {
            text += server.QuicEndPoint is { } quic ? $"QUIC: UDP port {quic.Port}.\n"
                : server.QuicFailure.Length > 0 ? $"QUIC is not spoken: {server.QuicFailure}\n"
                : "QUIC: from when a viewer on this machine asks for it.\n";
        }

        terminal.Output.WriteLine(text + "Ctrl-C stops.");
        terminal.Output.Flush();
    }

    private IFrameSource? Open(ISourceObserver observer, out string error)
    {
        // Asked anew at every opening: a private display that died is another one now, a monitor may have moved.
        string? name = display(out error);
        if (name is null)
        {
            return null;
        }

        X11Source? frames = _sources.TryOpen(name, out error);
        if (frames is null)
        {
            return null;
        }

        (_backEnd, _size) = (frames.BackEnd, frames.Format.Size);
        return X11Sharing.Create(Opened, name, _sources.Name)(observer, out error);

        IFrameSource? Opened(out string why)
        {
            why = "";
            return frames;
        }
    }

    private static string? ReadToken(string path, out string error)
    {
        try
        {
            using StreamReader reader = new(path);
            char[] start = new char[256];
            int length = reader.ReadBlock(start); // a token has at most 128 characters
            string token = new string(start, 0, length).Trim();
            error = $"{path} holds no access token.";
            return Setting.IsToken(token) ? token : null;
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            error = unreadable.Message;
            return null;
        }
    }

    // The source's failure was told already; the server's would be told twice.
    private static async Task IgnoreAsync(Task<VitrineServer> starting)
    {
        try
        {
            await (await starting.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
        catch (ServerStartException)
        {
            // Nothing to stop.
        }
    }
}
