using System.Globalization;
using Vitrine.Codecs.H264;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Lab.Playback;
using Vitrine.Measurement;

namespace Vitrine.Lab.Machine;

/// <summary>A moving picture coded with one slice and with two, which are two threads: frame for frame in turn, quiet and with busy
/// threads on half of the processors. How many an encoder has is fixed when it is opened: another number costs a key frame.</summary>
internal static class SliceRounds
{
    private const int FramesOfRound = 20, Warm = 4;
    private static readonly DeviceSize[] s_sizes = [new(800, 600), new(1920, 1080)];

    public static void Run(RunBuilder run, LabOptions options, CancellationToken cancellationToken)
    {
        byte[] texture = Texture();
        foreach (string load in (ReadOnlySpan<string>)["", "-busy"])
        {
            using BusyThreads? busy = load.Length == 0 ? null : new(Math.Max(1, Environment.ProcessorCount / 2));
            foreach (DeviceSize size in s_sizes)
            {
                string name = $"{size}{load}";
                using H264Encoder? one = Open(size, 1, out _), two = Open(size, 2, out string reason);
                if (one is null || two is null)
                {
                    run.NotMeasured($"slices/{name}: {reason}");
                    continue;
                }

                RoundSeries[] series = [new(), new()];
                long[] cpuNs = [0, 0];
                int frames = (options.Quick ? 1 : 25) * FramesOfRound;
                var pause = new DeadlineTimer(spinNsMax: 0);
                for (int frame = -Warm; frame < frames; frame++)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    for (int i = 0; i < 2; i++)
                    {
                        int which = (frame + i) & 1;
                        H264Encoder encoder = which == 0 ? one : two;
                        Paint(encoder.Input, texture, frame + Warm);
                        pause.WaitUntil(pause.NowNs + 1_000_000);
                        ProcessProbe.TryGetCpuNs(Environment.ProcessId, out long cpuBefore);
                        long from = options.Time.GetMonotonicNanoseconds();
                        if (encoder.TryEncode((frame + Warm) * 33_333_333L, forceKeyFrame: false, out _, out _) != EncodeStatus.Encoded)
                        {
                            throw new LaboratoryException($"{encoder.Name} failed: {encoder.FailureReason}");
                        }

                        long tookNs = options.Time.GetMonotonicNanoseconds() - from;
                        ProcessProbe.TryGetCpuNs(Environment.ProcessId, out long cpuAfter);
                        if (frame >= 0)
                        {
                            series[which].Record(tookNs);
                            cpuNs[which] += cpuAfter - cpuBefore;
                        }
                    }

                    if (frame >= 0 && (frame + 1) % FramesOfRound == 0)
                    {
                        Array.ForEach(series, each => each.EndRound());
                    }
                }

                for (int i = 0; i < 2; i++)
                {
                    // The busy threads are of this process: beside them nothing can be said about the encoder's own time.
                    run.Add(series[i].ToCase(
                        string.Create(CultureInfo.InvariantCulture, $"slices-{i + 1}/{name}"), new Dictionary<string, string> { ["encoder"] = one.Name },
                        busy is null ? new Dictionary<string, double> { ["cpuMsPerFrame"] = cpuNs[i] / 1e6 / frames } : null));
                }

                run.AddRatio($"slices-2/{name} vs slices-1", series[1].MediansMs, series[0].MediansMs, goal: null);
            }
        }
    }

    private static H264Encoder? Open(DeviceSize size, int slices, out string reason) =>
        H264Encoder.TryCreate(new() { Size = size, FramesPerSecondMax = 30, BitsPerSecondMax = 12_000_000, Slices = slices }, out reason);

    // Waves and grain, twice as large as the largest picture in both directions: it is moved about.
    private static byte[] Texture()
    {
        var random = new Random(2);
        byte[] texture = new byte[4096 * 2048];
        for (int i = 0; i < texture.Length; i++)
        {
            (int x, int y) = (i % 4096, i / 4096);
            texture[i] = (byte)(125 + (50 * Math.Sin(x / 23.0)) + (40 * Math.Sin((y + (x / 3.0)) / 17.0)) + random.Next(-8, 8));
        }

        return texture;
    }

    private static void Paint(YuvPicture picture, byte[] texture, int frame)
    {
        for (int y = 0; y < picture.Size.Height; y++)
        {
            texture.AsSpan((((y + (frame * 2)) % 2048) * 4096) + (frame * 3 % 2048), picture.Size.Width).CopyTo(picture.Y[(y * picture.YStrideBytes)..]);
        }
    }
}
