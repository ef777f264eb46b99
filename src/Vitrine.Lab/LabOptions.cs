using Vitrine.Events.Kafka;

namespace Vitrine.Lab;

/// <summary>How a laboratory runs.</summary>
public sealed record LabOptions
{
    /// <summary>End within 45 seconds, with fewer rounds.</summary>
    public bool Quick { get; init; }

    /// <summary>How long the painting part of <c>soak</c> lasts.</summary>
    public TimeSpan SoakDuration { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long the <c>soak</c> of <c>motion</c> lasts.</summary>
    public TimeSpan MotionSoakDuration { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>How long each server is loaded by <c>transport</c>, all rounds together.</summary>
    public TimeSpan TransportDuration { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long the part <c>alarms</c> of <c>events</c> watches a cluster that is well.</summary>
    public TimeSpan EventsDuration { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>Threads that speak QUIC in the echo servers of <c>transport</c>, 1 to <see cref="Transport.EchoServer.QuicThreadsMax"/>.</summary>
    public int QuicThreads { get; init; } = 1;

    /// <summary>How many handshakes <c>transport</c> makes over each way when it is asked for them.</summary>
    public int Handshakes { get; init; } = 100_000;

    /// <summary>Parts of the laboratory to run, of those that it names; none: its usual ones.</summary>
    public IReadOnlyCollection<string> Only { get; init; } = [];

    /// <summary>The host that <c>transport</c> advises about, as it printed its address; null: this machine's loopback.</summary>
    public Uri? AdviseTo { get; init; }

    /// <summary>SHA-256 of that host's certificate; null: the machine's certificate authorities decide.</summary>
    public string? HostFingerprint { get; init; }

    /// <summary>Emulated networks that <c>weak</c>, <c>advice-check</c> and <c>live</c> go over: names, or figures with semicolons between them such as
    /// <c>trace=FILE;rtt=100;loss=5</c> (<see cref="Transport.TransportLaboratory.FaultOfNetworks"/>); none: the usual ones of each.</summary>
    public IReadOnlyCollection<string> Networks { get; init; } = [];

    /// <summary>The Kafka cluster that <c>events</c> measures with; null: librdkafka's cluster for tests.</summary>
    public KafkaOptions? Kafka { get; init; }

    /// <summary>Frames, joins and changes of size in the growth part of <c>soak</c>.</summary>
    public SoakCounts SoakCounts { get; init; } = new(Frames: 100_000, Joins: 1_000, Resizes: 100);

    /// <summary>Frames in the codec part of <c>soak</c>.</summary>
    public int CodecSoakFrames { get; init; } = 100_000;

    /// <summary>How this program is started again as a child: executable and leading arguments.</summary>
    public IReadOnlyList<string> ProgramCommand { get; init; } = DefaultProgramCommand();

    /// <summary>Another build of this program, which <c>motion</c> measures beside this one; null: none.</summary>
    public string? Against { get; init; }

    /// <summary>The command line that repeats the run, for the document.</summary>
    public string CommandLine { get; init; } = string.Join(' ', ["vitrine", .. Environment.GetCommandLineArgs().Skip(1)]);

    /// <summary>Clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    // A framework-dependent program is either started by its own executable or by «dotnet vitrine.dll»; in the second case, and
    // in a test host, the executable of this process is not the program.
    private static string[] DefaultProgramCommand()
    {
        string beside = Path.Combine(AppContext.BaseDirectory, "vitrine.dll");
        string own = Environment.ProcessPath ?? "dotnet";
        return Path.GetFileNameWithoutExtension(own) == "vitrine" ? [own] : [Path.GetFileName(own) == "dotnet" ? own : "dotnet", beside];
    }
}

/// <summary>Sizes of the growth part of <c>soak</c>.</summary>
/// <param name="Frames">Frames captured, coded and shown.</param>
/// <param name="Joins">Viewers that join and leave.</param>
/// <param name="Resizes">Changes of the screen's size.</param>
public readonly record struct SoakCounts(int Frames, int Joins, int Resizes);
