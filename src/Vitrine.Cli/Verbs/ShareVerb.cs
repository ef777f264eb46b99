using Vitrine.Cli.Settings;
using Vitrine.Cli.Sharing;

namespace Vitrine.Cli.Verbs;

/// <summary>Shares what the flags name.</summary>
internal sealed class ShareVerb : SettingsVerb
{
    public ShareVerb(Terminal terminal)
        : base(
            terminal,
            "share",
            "Shares a screen, a monitor, a region or a window with browsers.",
            Setting.Some("display", "monitor", "region", "window", "fps", "video", "encoder", "bitrate", "bitrate-min", "trace", "backend", "listen", "port", "token", "token-file", "cert", "key", "max-viewers", "administer", "quic", "quic-threads", "events", "events-folder", "events-thumbnails", "cpus", "ready-file"),
            ("vitrine share --monitor DP-1", "one monitor, for this machine only"),
            ("vitrine share --region 1280x720+0+0 --fps 30", "a part of the screen"),
            ("vitrine share --listen 0.0.0.0 --port 0", "on the network, over TLS, on a free port"))
    {
        SetAction((parsed, _) =>
        {
            if (ReadSettings(parsed) is not { } settings)
            {
                return Task.FromResult(ExitCode.Usage);
            }

            ShareRun run = new(terminal, settings, Display, "", parsed.GetValue(CommandTree.Verbose));
            return run.RunAsync();

            string? Display(out string error)
            {
                string? name = settings.Display ?? Environment.GetEnvironmentVariable("DISPLAY");
                error = name is { Length: > 0 } ? "" : $"DISPLAY is not set. {LocalDisplays.Describe()}";
                return name is { Length: > 0 } ? name : null;
            }
        });
    }
}
