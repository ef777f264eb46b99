using System.CommandLine;
using System.Globalization;
using System.Net;
using Vitrine.Capture.X11;
using Vitrine.Codecs.H264;
using Vitrine.Events.Hosts;
using Vitrine.Frames;
using Vitrine.Server;
using static System.FormattableString;

namespace Vitrine.Cli.Settings;

/// <summary>One setting of sharing: its flag, its key in <c>vitrine.yaml</c>, its <c>VITRINE_</c> variable, its help and its
/// check all come from here.</summary>
internal sealed partial class Setting
{
    /// <summary>Stands for what nobody is to read.</summary>
    public const string Mask = "********";

    // So much of a value that cannot be used is repeated; a file may hold a long one.
    private const int ShownCharactersMax = 100;

    private static readonly string s_backEnds = string.Join(", ", X11Capture.BackEndNames);
    private static readonly string s_encoders = string.Join(", ", H264Support.ShortNames);

    private Setting(string name, string valueName, string description, string allowed, Func<string, bool> isValid)
    {
        Name = name;
        ValueName = valueName;
        Description = description;
        Allowed = allowed;
        IsValid = isValid;
        Option = new Option<string>("--" + name) { HelpName = valueName, Description = description };
    }

    /// <summary>As in <c>vitrine.yaml</c> and, after <c>--</c>, on the command line.</summary>
    public string Name { get; }

    /// <summary>What help calls its value.</summary>
    public string ValueName { get; }

    public string Description { get; }

    /// <summary>Which values there are, for messages.</summary>
    public string Allowed { get; }

    public Func<string, bool> IsValid { get; }

    /// <summary>Its flag; null for passwords, which ps would show.</summary>
    public Option<string>? Option { get; private init; }

    /// <summary>The value it has when it is not given; null: none, or one of <see cref="ShareSettings"/>.</summary>
    public string? Default { get; private init; }

    /// <summary>Values that a mistyped one may be meant to be.</summary>
    public IReadOnlyList<string> Choices { get; private init; } = [];

    /// <summary>Its value is printed nowhere.</summary>
    public bool IsSecret { get; private init; }

    /// <summary>Its value is a file that holds a secret.</summary>
    public bool IsSecretFile { get; private init; }

    /// <summary>Where <c>vitrine events config --help</c> has it, instead of the flags of what shares; null: among the flags.</summary>
    public string? Group { get; private init; }

    /// <summary>Path of the property of <see cref="ShareSettings"/> it is bound to: <c>max-viewers</c> is <c>MaxViewers</c>,
    /// <c>events.kafka.client-id</c> is <c>EventsKafka:ClientId</c>.</summary>
    public string Key
    {
        get
        {
            int section = Name.LastIndexOf('.');
            return section < 0 ? Property(Name) : $"{Property(Name[..section])}:{Property(Name[(section + 1)..])}";

            static string Property(string words) => string.Concat(words.Split('-', '.').Select(word => char.ToUpperInvariant(word[0]) + word[1..]));
        }
    }

    /// <summary>The variable that sets it: <c>VITRINE_MAX_VIEWERS</c>.</summary>
    public string Variable => SettingLayers.VariablePrefix + Name.ToUpperInvariant().Replace('-', '_').Replace('.', '_');

    /// <summary>Every setting, made anew: a command owns its options.</summary>
    public static IReadOnlyList<Setting> All() =>
    [
        new("display", ":N", "X display (default: $DISPLAY)", "an X display such as :0 or host:0.0", IsText(256)),
        new("monitor", "NAME", "one monitor only; vitrine displays lists them", "the name of a monitor", IsText(64)),
        new("region", "WxH+X+Y", "a part of the screen, in device pixels", "WIDTHxHEIGHT+X+Y, such as 800x600+100+50", text => TryParseRegion(text, out _)),
        new("window", "WINDOW", "one window: its number, a part of its title, or «active» for the one that has the focus", "a window number (0x...), a part of a title, or active", IsText(256)),
        new("size", "WxH", "size of the private display that is started when there is none (default: 1920x1080)", "WIDTHxHEIGHT, such as 1920x1080, each side 64 to 16384", text => TryParseSize(text, out _)),
        new("fps", "N", $"most frames a second (default: {ShareSettings.DefaultFps})", $"1 to {ShareSettings.FpsMax}", IsNumber(1, ShareSettings.FpsMax)),
        new("video", "on|off", "whether what keeps moving is sent as video to browsers that decode it (default: on)", "on or off", text => text is "on" or "off"),
        new("encoder", "NAME", $"what encodes video (default: auto, the first that works): auto, {s_encoders}", $"auto, {s_encoders}", text => text is ShareOptions.AnyEncoder || H264Support.FindEncoder(text) is not null) { Choices = [ShareOptions.AnyEncoder, .. H264Support.ShortNames] },
        new("bitrate", "N", $"most Mbit/s of video for one viewer (default: {ShareSettings.DefaultBitrate})", $"1 to {ShareSettings.BitrateMost}", IsNumber(1, ShareSettings.BitrateMost)),
        new("bitrate-min", "N", Invariant($"least Mbit/s of video for one viewer, however slow its link seems (default: {ShareSettings.DefaultBitrateMin})"), Invariant($"{ShareSettings.BitrateMinLeast} to {ShareSettings.BitrateMost}, and no more than bitrate"), IsDecimal(ShareSettings.BitrateMinLeast, ShareSettings.BitrateMost)),
        new("trace", "FILE", "writes why what became video, and what both ways cost, a JSON line a decision", "a file", IsText(4096)),
        new("backend", "NAME", $"how the screen is read (default: auto, the fastest that works): auto, {s_backEnds}", $"auto, {s_backEnds}", text => text is "auto" || X11Capture.BackEndNames.Contains(text)) { Choices = ["auto", .. X11Capture.BackEndNames] },
        new("listen", "ADDRESS", $"address to listen on; other than loopback it is TLS only (default: {ShareSettings.DefaultListen})", "an IP address of this machine, 0.0.0.0 for all", text => IPAddress.TryParse(text, out _)),
        new("port", "N", $"port to listen on; 0 takes a free one (default: {ShareSettings.DefaultPort})", "0 to 65535", IsNumber(0, 65_535)),
        new("token", "TOKEN", "access token instead of a random one; better in a file or in VITRINE_TOKEN, where ps does not show it", "22 to 128 letters, digits, - and _", IsToken) { IsSecret = true },
        new("token-file", "FILE", "file that holds the access token", "a file that exists", File.Exists),
        new("cert", "FILE", "TLS certificate (PEM); made on first use when TLS is needed", "a PEM file that exists", File.Exists),
        new("key", "FILE", "private key of the certificate (PEM)", "a PEM file that exists", File.Exists),
        new("max-viewers", "N", $"most viewers at once (default: {ShareSettings.DefaultMaxViewers})", $"1 to {ShareSettings.MaxViewersMax}", IsNumber(1, ShareSettings.MaxViewersMax)),
        new("administer", "on|off", "makes a second token, for programs, that may also see who looks, and stop and start sharing (default: off)", "on or off", text => text is "on" or "off"),
        new("quic", "on|off|cubic|bbr", "whether programs may also come over QUIC, on the same number of a UDP port, and with which congestion control; on is cubic (default: on)", "on, off, cubic or bbr", text => text is "on" or "off" or "cubic" or "bbr"),
        new("quic-threads", "N", $"threads that speak QUIC, where one processor is not enough for it (default: {ShareSettings.DefaultQuicThreads})", $"1 to {ShareSettings.QuicThreadsMax}", IsNumber(1, ShareSettings.QuicThreadsMax)),
        new("events", "on|off", "whether what happens is kept: vitrine events tail shows it (default: on)", "on or off", text => text is "on" or "off") { Default = "on" },
        new("events-folder", "FOLDER", "where events are kept; one host has it at a time (default: vitrine/events in $XDG_STATE_HOME, else in ~/.local/state)", "a folder", IsText(4096)) { Default = HostEvents.DefaultFolder },
        new("events-thumbnails", "SECONDS", "how often a small picture of what is shared is kept among the events, for walls of many hosts (default: off)", "off, or seconds from 10 to 3600", text => text == "off" || IsNumber(10, 3_600)(text)) { Default = "off" },
        new("cpus", "LIST", "processors to run on (default: all); measure before: it rarely helps", $"numbers below {ThreadScheduling.ProcessorsMax} and ranges, such as 0-3,6", text => TryParseProcessors(text, out _)),
        new("ready-file", "FILE", "written once viewers can come: {\"url\", \"token\", \"pid\"}, with administer on \"administerToken\" too", "a file", IsText(4096)),
        .. OfKafka(),
    ];

    /// <summary>Those of <see cref="All"/> with the given names, and those below them.</summary>
    public static IReadOnlyList<Setting> Some(params string[] names) =>
        [.. All().Where(setting => names.Any(name => setting.Name == name || setting.Name.StartsWith(name + '.', StringComparison.Ordinal)))];

    /// <summary>Says that a value is none of this setting.</summary>
    public SettingError Refuse(SettingValue value)
    {
        string nearest = NearestName.Find(value.Text, Choices) is { } name ? $"Did you mean {name}? " : "";
        return new($"«{Show(value.Text)}» is not a value of {Name}.", $"It comes from {value.Origin}.", $"{nearest}Allowed: {Allowed}.");
    }

    /// <summary>A value as people may see it.</summary>
    public string Show(string text)
    {
        int at = text.LastIndexOf('@');
        return IsSecret ? Mask
            : at > text.IndexOf(':') && text.Contains(':') ? Mask + text[at..] // name:password@ of an address
            : text.Length > ShownCharactersMax ? text[..ShownCharactersMax] + "…"
            : text;
    }

    /// <summary>Parses <c>WxH+X+Y</c>; X and Y may be negative (<c>800x600-100+0</c>).</summary>
    public static bool TryParseRegion(string text, out DeviceRectangle region)
    {
        region = default;
        int at = text.IndexOfAny(['+', '-']);
        if (at < 0 || !TryParseSides(text.AsSpan(0, at), 1, FrameFormat.SidePixelsMax, out DeviceSize size))
        {
            return false;
        }

        int second = text.IndexOfAny(['+', '-'], at + 1);
        if (second < 0
            || !int.TryParse(text.AsSpan(at, second - at), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int x)
            || !int.TryParse(text.AsSpan(second), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int y)
            || Math.Abs((long)x) > FrameFormat.SidePixelsMax || Math.Abs((long)y) > FrameFormat.SidePixelsMax)
        {
            return false;
        }

        region = new(x, y, size.Width, size.Height);
        return true;
    }

    /// <summary>Parses <c>WxH</c> of a private display.</summary>
    public static bool TryParseSize(string text, out DeviceSize size) => TryParseSides(text, 64, 16_384, out size) && FrameFormat.IsSupported(size);

    /// <summary>Parses processors as the kernel lists them: <c>0-3,6</c>.</summary>
    public static bool TryParseProcessors(string text, out int[] processors)
    {
        processors = [];
        SortedSet<int> all = [];
        foreach (string part in text.Split(','))
        {
            string[] ends = part.Split('-');
            if (ends.Length > 2
                || !int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out int first)
                || !int.TryParse(ends[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int last)
                || first > last || last >= ThreadScheduling.ProcessorsMax)
            {
                return false;
            }

            all.UnionWith(Enumerable.Range(first, last - first + 1));
        }

        processors = [.. all];
        return true;
    }

    private static bool TryParseSides(ReadOnlySpan<char> text, int least, int most, out DeviceSize size)
    {
        size = default;
        int cross = text.IndexOf('x');
        if (cross < 0
            || !int.TryParse(text[..cross], NumberStyles.None, CultureInfo.InvariantCulture, out int width)
            || !int.TryParse(text[(cross + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int height)
            || width < least || height < least || width > most || height > most)
        {
            return false;
        }

        size = new(width, height);
        return true;
    }

    private static Func<string, bool> IsNumber(int least, int most) =>
        text => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most;

    private static Func<string, bool> IsDecimal(double least, double most) =>
        text => double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) && number >= least && number <= most;

    private static Func<string, bool> IsText(int lengthMax) =>
        text => text.Length >= 1 && text.Length <= lengthMax && !text.Any(char.IsControl);

    /// <summary>Whether the text can be an access token.</summary>
    public static bool IsToken(string text) =>
        text.Length is >= 22 and <= 128 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
}
