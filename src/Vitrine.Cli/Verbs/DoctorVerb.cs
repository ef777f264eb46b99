using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;
using Vitrine.Capture.X11;
using Vitrine.Cli.Sharing;
using Vitrine.Codecs.H264;
using Vitrine.Frames;
using Vitrine.Imaging.Colour;
using Vitrine.Lab.WeakNetworks;
using Vitrine.Measurement;
using Vitrine.Transports.Quic;

namespace Vitrine.Cli.Verbs;

/// <summary>Tries what sharing needs, and says what mends what does not work.</summary>
internal sealed partial class DoctorVerb : Verb
{
    private readonly Terminal _terminal;
    private readonly Option<bool> _json = new("--json") { Description = "as one JSON object" };

    public DoctorVerb(Terminal terminal)
        : base(
            "doctor",
            "Says what works on this machine, what does not, and the command that mends it. Exit code 0 when vitrine up works, else 3.",
            ("vitrine doctor", "look at this machine"),
            ("vitrine doctor --json | jq '.checks[] | select(.state == \"missing\")'", "what is missing, for scripts"))
    {
        _terminal = terminal;
        Options.Add(_json);
        SetAction(parsed => Run(parsed.GetValue(_json)));
    }

    private int Run(bool asJson)
    {
        List<Check> checks = [.. Examine()];
        bool works = checks.TrueForAll(check => check.State != CheckState.Missing);
        if (asJson)
        {
            _terminal.Output.WriteLine(JsonSerializer.Serialize(new Diagnosis(works, checks), DiagnosisJson.Default.Diagnosis));
            return works ? ExitCode.Done : ExitCode.Missing;
        }

        Print(checks);
        _terminal.Output.WriteLine();
        _terminal.Output.WriteLine(works ? "vitrine up works here." : "vitrine up does not work here yet: mend what is missing.");
        return works ? ExitCode.Done : ExitCode.Missing;
    }

    private static IEnumerable<Check> Examine()
    {
        if (!OperatingSystem.IsLinux())
        {
            yield return new("system", CheckState.Missing, $"{RuntimeInformation.OSDescription}: not run here yet", "Use a Linux machine with an X display.");
            yield break;
        }

        yield return new("system", CheckState.Works, RuntimeInformation.OSDescription, "");
        foreach ((string library, string package, bool isNeeded, string use) in s_libraries)
        {
            bool isThere = NativeLibrary.TryLoad(library, out nint handle);
            if (isThere)
            {
                NativeLibrary.Free(handle);
            }

            yield return new(library, isThere ? CheckState.Works : isNeeded ? CheckState.Missing : CheckState.Lesser, use, isThere ? "" : $"apt-get install {package}");
        }

        bool hasQuic = QuicSupport.TryLoad(out string quic);
        yield return new("QUIC", hasQuic ? CheckState.Works : CheckState.Lesser, hasQuic ? quic : $"{quic}; the other transports go on", hasQuic ? "" : $"apt-get install {QuicSupport.Packages} (Debian 12: ./vitrine up adds its backports for these)");

        bool hasKernels = KernelSets.TryChoose(Environment.GetEnvironmentVariable(KernelSets.EnvironmentVariable), out KernelSet kernels, out string kernelError);
        yield return new(
            "colour", hasKernels ? CheckState.Works : CheckState.Missing, hasKernels ? $"converted with {KernelSets.NameOf(kernels)}" : kernelError,
            hasKernels ? "" : $"unset {KernelSets.EnvironmentVariable}");

        foreach (Check check in ExamineDisplay())
        {
            yield return check;
        }

        foreach (Check check in ExamineVideo())
        {
            yield return check;
        }

        bool hasPages = File.Exists(Path.Combine(AppContext.BaseDirectory, "wwwroot", "index.html"));
        yield return new("web pages", hasPages ? CheckState.Works : CheckState.Missing, hasPages ? "built" : "not built", hasPages ? "" : "Run ./vitrine up in the repository: it builds them.");

        if (Environment.GetEnvironmentVariable("WAYLAND_DISPLAY") is { Length: > 0 } wayland)
        {
            yield return new("Wayland", CheckState.Lesser, $"the session {wayland} cannot be shared yet; only X programs in it", "Log in to an X11 session.");
        }

        foreach ((string name, string[] programs, string package, string use) in s_programs)
        {
            string? found = programs.Select(FindProgram).FirstOrDefault(path => path is not null);
            yield return new(name, found is null ? CheckState.Lesser : CheckState.Works, use, found is null ? $"apt-get install {package}" : "");
        }

        bool binds = false;
        Thread bound = new(() => binds = ThreadScheduling.TryBind(Thread.GetCurrentProcessorId())) { IsBackground = true };
        bound.Start();
        bound.Join();
        foreach (Check check in ExamineProcessors(Environment.ProcessorCount, binds))
        {
            yield return check;
        }

        foreach (Check check in ExamineMachine())
        {
            yield return check;
        }

        NetworkRight network = NetworkRight.Examine();
        yield return new(
            "weak networks", network.State == NetworkRightState.Missing ? CheckState.Lesser : CheckState.Works,
            $"emulated by the laboratory: {network.Detail}", network.Mend);

        yield return new("macOS, Windows", CheckState.Lesser, "not run here", "");
    }

    /// <summary>What follows from the number of processors. <c>vitrine lab playback</c> measures it, on and off.</summary>
    /// <param name="processors">That this process may use, from 1.</param>
    /// <param name="binds">Whether a thread could be bound to one.</param>
    internal static IEnumerable<Check> ExamineProcessors(int processors, bool binds)
    {
        int threads = new H264EncoderOptions { Size = default }.Slices;
        bool isOne = processors == 1;
        yield return new(
            "processors", isOne ? CheckState.Lesser : CheckState.Works,
            isOne ? "one: reading, coding and sending take turns on it" : string.Create(CultureInfo.InvariantCulture, $"{processors} for this process"),
            isOne ? "Give this machine, or this control group, a second one." : "");
        yield return new(
            "thread binding", binds && !isOne ? CheckState.Works : CheckState.Lesser,
            !binds ? "the kernel refuses it: --cpus cannot be used"
                : isOne ? "nothing to choose from: there is one processor"
                : "possible (--cpus); off unless asked for: a bound pacer was neither earlier nor later where it was measured",
            "");
        yield return new(
            "encoder threads", processors >= threads ? CheckState.Works : CheckState.Lesser,
            string.Create(CultureInfo.InvariantCulture, $"{threads} for a picture, as many as it has slices{(processors >= threads ? "" : "; here they take turns, which gains nothing")}"),
            "");
    }

    // What vitrine lab playback measures, on and off. Sharing does without any of it.
    private static IEnumerable<Check> ExamineMachine()
    {
        KernelGrant grant = KernelGrant.NotAsked;
        Thread thread = new(() => grant = ThreadScheduling.TryMakeRealTime()) { IsBackground = true };
        thread.Start();
        thread.Join();
        yield return grant switch
        {
            KernelGrant.Granted => new("real-time priority", CheckState.Works, "granted: frames are paced in time on a busy machine too", ""),
            KernelGrant.Refused => new("real-time priority", CheckState.Lesser, "not granted to this user: frames may be paced late on a busy machine", "LimitRTPRIO=1 in the service, or @USER - rtprio 1 in /etc/security/limits.conf"),
            _ => new("real-time priority", CheckState.Lesser, "the kernel, or the control group, has none to give: frames may be paced late on a busy machine", ""),
        };

        CpuLatencyRequest.TryHold(0, out KernelGrant awake)?.Dispose();
        yield return awake switch
        {
            KernelGrant.Granted => new("processors awake", CheckState.Works, "granted, and not asked for: only a program that paces frames does, for a machine that is idle wakes up late", ""),
            KernelGrant.Refused => new("processors awake", CheckState.Lesser, "not granted to this user: a machine that is idle wakes up late, and a program cannot ask it not to", "KERNEL==\"cpu_dma_latency\", GROUP=\"video\", MODE=\"0660\" in /etc/udev/rules.d/99-vitrine.rules, and this user in that group"),
            _ => new("processors awake", CheckState.Lesser, "the kernel, or the container, has no /dev/cpu_dma_latency: a machine that is idle wakes up late", ""),
        };

        long free = MachineFeatures.FreeHugePages(), size = MachineFeatures.HugePageBytes() >> 20;
        string shared = MachineFeatures.SharedHugePages();
        bool hasHugePages = free > 0 || shared is "always" or "within_size" or "advise" or "force";
        yield return new(
            "huge pages", hasHugePages ? CheckState.Works : CheckState.Lesser,
            string.Create(CultureInfo.InvariantCulture, $"{(free > 0 ? $"{free} of {size} MB are free" : "none reserved")}, for shared memory {(shared.Length > 0 ? shared : "unknown")}; not used: nothing was gained where it was measured"),
            hasHugePages ? "" : "vitrine lab playback measures whether they would help here; sysctl vm.nr_hugepages=64 reserves some");

        int nodes = MachineFeatures.MemoryNodes();
        yield return new(
            "memory nodes", nodes == 1 ? CheckState.Works : CheckState.Lesser,
            nodes == 1 ? "one: all memory is as near as it can be" : string.Create(CultureInfo.InvariantCulture, $"{nodes}: pictures may lie far from the processor that codes them"),
            nodes == 1 ? "" : "numactl --cpunodebind=0 --membind=0 ./vitrine up");

        bool hasCounters = MachineFeatures.HasHardwareCounters(out string reason);
        using RunQueue? queue = RunQueue.TryOpenForThisThread();
        string instead = queue is null ? "the kernel does not count the time that threads wait for a processor either" : "the time that threads wait for a processor is used";
        yield return new(
            "hardware counters", hasCounters ? CheckState.Works : CheckState.Lesser, hasCounters ? "readable" : $"{reason}; {instead}",
            reason.Contains("paranoid", StringComparison.Ordinal) ? "sysctl kernel.perf_event_paranoid=2" : "");
    }

    private static IEnumerable<Check> ExamineDisplay()
    {
        bool hasName = Environment.GetEnvironmentVariable("DISPLAY") is { Length: > 0 };
        X11Connection? connection = null;
        string error = "DISPLAY is not set.";
        if (hasName)
        {
            connection = X11Connection.TryOpen(null, out error);
        }

        VirtualDisplay? own = null;
        try
        {
            if (connection is not null)
            {
                yield return new("X display", CheckState.Works, $"{connection.DisplayName}, {connection.InitialRootSize}: vitrine up shares it", "");
            }
            else
            {
                yield return new("X display", CheckState.Lesser, $"{error} vitrine up starts a private one.", hasName ? LocalDisplays.Describe() : "");
                own = VirtualDisplay.TryStart(new(640, 480), out string failure);
                yield return new("private display", own is null ? CheckState.Missing : CheckState.Works, own is null ? failure : "Xvfb starts", own is null ? "apt-get install xvfb" : "");
                connection = own is null ? null : X11Connection.TryOpen(own.DisplayName, out error);
                if (connection is null)
                {
                    yield break;
                }
            }

            foreach ((X11Extension extension, string lack) in new[]
            {
                (connection.Shm, "pictures go through the socket: about ten times slower"),
                (connection.Damage, "the whole screen is read again and again"),
                (connection.Xfixes, "no cursor shape"),
                (connection.Randr, "one monitor only, and changes of size are not seen"),
                (connection.XInput, "the cursor's motion comes late"),
                (connection.Composite, "windows under others cannot be shared"),
            })
            {
                yield return new(
                    extension.Name.Length > 0 ? extension.Name : "X extension", extension.IsPresent ? CheckState.Works : CheckState.Lesser,
                    extension.IsPresent ? extension.Version.ToString() : $"{extension.Absence}: {lack}", "");
            }

            using X11ScreenSource? source = X11Capture.TryOpenScreen(new() { DisplayName = connection.DisplayName }, out string refusal);
            CaptureStatus status = CaptureStatus.DisplayGone;
            FrameLease? frame = null;
            if (source is not null)
            {
                status = source.Capture(out frame);
            }

            using (frame)
            {
                yield return status == CaptureStatus.Frame
                    ? new("capture", CheckState.Works, $"{source!.BackEnd.Name}: {source.BackEnd.Reason}", "")
                    : new("capture", CheckState.Missing, source is null ? refusal : $"the source answered {status}", "vitrine displays says more.");
            }
        }
        finally
        {
            connection?.Dispose();
            own?.Dispose();
        }
    }

    private static IEnumerable<Check> ExamineVideo()
    {
        H264Report video = H264Support.Probe();
        yield return new(
            "libavcodec", video.Library is null ? CheckState.Lesser : CheckState.Works, video.LibraryReason,
            video.Library is null ? H264Support.InstallCommand : "");
        yield return video.Chosen is { } chosen
            ? new("video encoder", CheckState.Works, $"{chosen.Name}: {chosen.Reason}", "")
            : new("video encoder", CheckState.Lesser, "none works: what moves is sent as tiles", H264Support.InstallCommand);
        foreach (H264EncoderProbe encoder in video.Encoders)
        {
            if (encoder != video.Chosen)
            {
                yield return new($"encoder {encoder.Name}", encoder.Works ? CheckState.Works : CheckState.Lesser, encoder.Reason, "");
            }
        }
    }

    private static readonly (string Library, string Package, bool IsNeeded, string Use)[] s_libraries =
    [
        ("libxcb.so.1", "libxcb1", true, "speaks to the X display"),
        ("libxcb-shm.so.0", "libxcb-shm0", false, "reads the screen through shared memory"),
        ("libxcb-damage.so.0", "libxcb-damage0", false, "tells what changed"),
        ("libxcb-xfixes.so.0", "libxcb-xfixes0", false, "cursor shapes"),
        ("libxcb-randr.so.0", "libxcb-randr0", false, "monitors"),
        ("libxcb-xinput.so.0", "libxcb-xinput0", false, "cursor motion and input"),
        ("libxcb-composite.so.0", "libxcb-composite0", false, "windows"),
        ("liblz4.so.1", "liblz4-1", true, "codes tiles"),
        ("libyuv.so.0", "libyuv0", false, "what vitrine lab convert compares with"),
        ("libpng16.so.16", "libpng16-16", false, "writes pictures (vitrine shot)"),
        ("librdkafka.so.1", "librdkafka1", false, "keeps events on Kafka, for those who set it"),
    ];

    private static readonly (string Name, string[] Programs, string Package, string Use)[] s_programs =
    [
        ("Chromium", ["chromium", "chromium-browser", "google-chrome"], "chromium", "for vitrine test and vitrine lab"),
        ("xrandr", ["xrandr"], "x11-xserver-utils", "for vitrine test and vitrine lab"),
        ("ffmpeg", ["ffmpeg"], "ffmpeg", "what vitrine lab capture compares with"),
        ("C compiler", ["gcc", "cc", "clang"], "gcc libc6-dev libx11-dev libxext-dev", "what vitrine lab capture compares with"),
        ("kcat", ["kcat"], "kcat", "what vitrine lab events compares with"),
        ("x0vncserver", ["x0vncserver", "x0tigervncserver"], "tigervnc-scraping-server", "what vitrine lab latency compares with"),
        (
            "Go", ["go"], "golang-go golang-github-lucas-clemente-quic-go-dev golang-google-grpc-dev golang-goprotobuf-dev golang-golang-x-net-dev protobuf-compiler",
            "builds quic-go, grpc-go and net/http for vitrine test and vitrine lab"),
    ];

    private static string? FindProgram(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    private void Print(IReadOnlyList<Check> checks)
    {
        if (!_terminal.OutputIsTerminal)
        {
            foreach (Check check in checks)
            {
                _terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Word(check.State),-8} {check.Name}: {check.Detail}{(check.Mend.Length > 0 ? $" -> {check.Mend}" : "")}"));
            }

            return;
        }

        IAnsiConsole console = AnsiConsole.Create(new()
        {
            Out = new AnsiConsoleOutput(_terminal.Output),
            ColorSystem = _terminal.OutputHasColour ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
        });
        Table table = new() { Border = TableBorder.Simple };
        table.AddColumns("", "", "", "To mend");
        table.HideHeaders();
        foreach (Check check in checks)
        {
            string colour = check.State switch { CheckState.Works => "green", CheckState.Lesser => "yellow", _ => "red" };
            table.AddRow($"[{colour}]{Word(check.State)}[/]", Markup.Escape(check.Name), Markup.Escape(check.Detail), Markup.Escape(check.Mend));
        }

        console.Write(table);
    }

    private static string Word(CheckState state) => state switch
    {
        CheckState.Works => "works",
        CheckState.Lesser => "without",
        _ => "MISSING",
    };

    internal enum CheckState
    {
        /// <summary>It is there and was tried.</summary>
        [JsonStringEnumMemberName("works")]
        Works,

        /// <summary>It is not there; sharing works without it.</summary>
        [JsonStringEnumMemberName("lesser")]
        Lesser,

        /// <summary>It is not there, and sharing does not work.</summary>
        [JsonStringEnumMemberName("missing")]
        Missing,
    }

    internal sealed record Check(string Name, CheckState State, string Detail, string Mend);

    internal sealed record Diagnosis(bool UpWorks, IReadOnlyList<Check> Checks);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
    [JsonSerializable(typeof(Diagnosis))]
    internal sealed partial class DiagnosisJson : JsonSerializerContext;
}
