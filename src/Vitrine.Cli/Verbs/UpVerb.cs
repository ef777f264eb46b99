using Vitrine.Capture.X11;
using Vitrine.Cli.Settings;
using Vitrine.Cli.Sharing;
using Vitrine.Frames;

namespace Vitrine.Cli.Verbs;

/// <summary>Shares this desktop, everything at its default; without one, a private display with moving content.</summary>
internal sealed class UpVerb : SettingsVerb
{
    private static readonly DeviceSize s_defaultSize = new(1920, 1080);

    private readonly Terminal _terminal;

    public UpVerb(Terminal terminal)
        : base(
            terminal,
            "up",
            "Shares this desktop with a browser. Without a display, starts a private one with moving content.",
            Setting.Some("monitor", "size", "fps", "video", "encoder", "bitrate", "bitrate-min", "trace", "listen", "port", "token", "token-file", "cert", "key", "max-viewers", "administer", "quic", "quic-threads", "events", "events-folder", "events-thumbnails", "cpus", "ready-file"),
            ("vitrine up", "this desktop, for a browser on this machine"),
            ("vitrine up --listen 0.0.0.0", "for browsers on the network, over TLS"),
            ("env -u DISPLAY vitrine up --size 1280x720", "a private display of that size"))
    {
        _terminal = terminal;
        SetAction((parsed, _) => ReadSettings(parsed) is { } settings ? RunAsync(settings, parsed.GetValue(CommandTree.Verbose)) : Task.FromResult(ExitCode.Usage));
    }

    private async Task<int> RunAsync(ShareSettings settings, bool isVerbose)
    {
        // A file of settings may name what share is to show; up shows the desktop.
        (settings.Region, settings.Window) = (null, null);
        string? name = settings.Display ?? Environment.GetEnvironmentVariable("DISPLAY");
        string why = "There is no display here";
        if (name is { Length: > 0 })
        {
            using X11Connection? connection = X11Connection.TryOpen(name, out string unreachable);
            if (connection is not null)
            {
                return await new ShareRun(_terminal, settings, Named, "", isVerbose).RunAsync().ConfigureAwait(false);
            }

            if (settings.Display is not null)
            {
                return _terminal.Fail(ExitCode.Missing, "There is nothing to share.", unreachable, LocalDisplays.Describe());
            }

            why = $"The display {name} cannot be opened";
        }

        DeviceSize size = settings.Size is { } text && Setting.TryParseSize(text, out DeviceSize asked) ? asked : s_defaultSize;
        using PrivateDesktop own = new(size, TimeProvider.System);
        return await new ShareRun(_terminal, settings, own.TryGetDisplay, $"{why}: a private one was started, with moving content.", isVerbose).RunAsync().ConfigureAwait(false);

        string? Named(out string error)
        {
            error = "";
            return name;
        }
    }
}
