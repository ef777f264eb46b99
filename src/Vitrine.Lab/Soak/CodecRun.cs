using System.Globalization;
using Vitrine.Codecs.H264;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Interop;
using Vitrine.Measurement;

namespace Vitrine.Lab.Soak;

/// <summary>Many pictures coded and decoded as fast as they go, with all that happens to a stream on the way: key frames on demand, rates
/// that change, encoders that go back to the pool and come again, access units that arrive damaged. Then, what grew.</summary>
internal static class CodecRun
{
    private const int WarmUpMax = 3_000, PatternsCount = 16, KeyFrameEvery = 500, RateEvery = 97, RentEvery = 1_000, DamageEvery = 700;

    // Long enough for everything above to happen in each.
    private const int WindowFrames = 2_000;
    private static readonly DeviceSize s_size = new(320, 192);

    public static async Task RunAsync(RunBuilder run, LabOptions options, IProgress<LabProgress> progress, double from, double to, CancellationToken cancellationToken)
    {
        int frames = options.Quick ? 2_000 : options.CodecSoakFrames;
        // A thread of its own: what it allocates is counted by thread, and x264 works beside it.
        await Task.Factory.StartNew(
            () => Run(run, frames, options.Time, share => progress.Report(new($"{frames} frames through encoder and decoder", from + ((to - from) * share))), cancellationToken),
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private static void Run(RunBuilder run, int frames, TimeProvider time, Action<double> report, CancellationToken cancellationToken)
    {
        using var pool = new H264EncoderPool();
        using H264Decoder decoder = H264Decoder.TryCreate(out string reason) ?? throw new LaboratoryException(reason);
        byte[][] patterns = Patterns();
        List<double> nativeBytes = [];
        Counts counts = default;
        string encoderName = "";
        Code(Math.Min(WarmUpMax, frames));
        Counts warm = counts;
        nativeBytes.Clear();
        Holding before = Holding.Read();
        long started = time.GetTimestamp();
        Code(frames);
        TimeSpan elapsed = time.GetElapsedTime(started);
        Holding after = Holding.Read();

        long decoded = counts.Decoded - warm.Decoded, damaged = counts.Corrupt - warm.Corrupt, allocated = counts.AllocatedBytes - warm.AllocatedBytes;
        const string Name = "codec-soak";
        double[] growths = [.. nativeBytes.Zip(nativeBytes.Skip(1), (one, next) => (next - one) / WindowFrames).Order()];
        run.Add(new CaseRecord
        {
            Name = Name,
            Parameters = new Dictionary<string, string>
            {
                ["encoder"] = encoderName,
                ["size"] = s_size.ToString(),
                ["frames"] = frames.ToString(CultureInfo.InvariantCulture),
            },
            Metrics = new Dictionary<string, double>
            {
                ["frames"] = frames,
                ["seconds"] = elapsed.TotalSeconds,
                ["framesPerSecond"] = frames / elapsed.TotalSeconds,
                ["decoded"] = decoded,
                ["corrupt"] = damaged,
                ["encodersOpened"] = pool.OpenedCount,
                ["encodersReused"] = pool.ReusedCount,
                ["managedBytes"] = allocated,
                ["descriptorsBefore"] = before.Process.Descriptors,
                ["descriptorsAfter"] = after.Process.Descriptors,
                ["threadsBefore"] = before.Process.Threads,
                ["threadsAfter"] = after.Process.Threads,
                ["nativeBytesBefore"] = before.NativeBytes,
                ["nativeBytesAfter"] = after.NativeBytes,
                ["nativeBytesPerFrameMedian"] = growths.Length > 0 ? growths[growths.Length / 2] : 0,
                ["residentBytesBefore"] = before.Process.ResidentBytes,
                ["residentBytesAfter"] = after.Process.ResidentBytes,
            },
        });
        run.AddGoal($"{Name} undecoded", frames - decoded - damaged, 0);
        run.AddGoal($"{Name} managedBytes", allocated, 0);
        run.AddGoal($"{Name} descriptors", after.Process.Descriptors - before.Process.Descriptors, 0);
        run.AddGoal($"{Name} threads", after.Process.Threads - before.Process.Threads, 0);
        // The runtime takes from the same heap and gives back to it, megabytes at a time; what an encoder or decoder loses it loses in
        // every window. So the median of the windows tells.
        if (growths.Length >= 20)
        {
            run.AddGoal($"{Name} nativeBytesPerFrame", growths[growths.Length / 2], 0.5);
        }
        else
        {
            run.NotMeasured($"{Name} nativeBytesPerFrame: too few frames.");
        }

        void Code(int count)
        {
            H264Encoder? encoder = null;
            int share = Math.Max(count / 100, 1);
            bool needsKeyFrame = true;
            for (int i = 0; i < count; i++)
            {
                if (encoder is null || i % RentEvery == 0)
                {
                    if (encoder is not null)
                    {
                        pool.Return(encoder);
                    }

                    encoder = pool.TryRent(new() { Size = s_size with { Width = s_size.Width + (i / RentEvery % 2 * 64) } }, out string why) ?? throw new LaboratoryException(why);
                    encoderName = encoder.Name;
                }

                if (i % WindowFrames == 0)
                {
                    nativeBytes.Add(Holding.ReadNativeBytes());
                }

                if (i % share == 0)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    report((double)i / count);
                }

                long allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
                if (i % RateEvery == 0)
                {
                    _ = encoder.TrySetBitsPerSecondMax(1_000_000 + (i % 7 * 500_000));
                }

                Paint(encoder.Input, patterns[i % PatternsCount]);
                if (encoder.TryEncode(i * 16_666_667L, needsKeyFrame || i % KeyFrameEvery == 0, out ReadOnlySpan<byte> unit, out _) != EncodeStatus.Encoded)
                {
                    throw new LaboratoryException(encoder.FailureReason);
                }

                bool isDamaged = i % DamageEvery == DamageEvery - 1;
                DecodeStatus status = decoder.Decode(isDamaged ? unit[..(unit.Length / 2)] : unit, out _);
                needsKeyFrame = status != DecodeStatus.Decoded;
                counts.Decoded += needsKeyFrame ? 0 : 1;
                counts.Corrupt += needsKeyFrame && isDamaged ? 1 : 0;
                counts.AllocatedBytes += GC.GetAllocatedBytesForCurrentThread() - allocatedBefore;
            }

            if (encoder is not null)
            {
                pool.Return(encoder);
            }
        }
    }

    // Some texture at sixteen places: a picture that moves all over, at the cost of a copy.
    private static byte[][] Patterns()
    {
        byte[][] patterns = new byte[PatternsCount][];
        for (int at = 0; at < PatternsCount; at++)
        {
            patterns[at] = new byte[2 * s_size.Width * s_size.Height];
            for (int i = 0; i < patterns[at].Length; i++)
            {
                int x = (i % s_size.Width) + (at * 3), y = (i / s_size.Width) + at;
                patterns[at][i] = (byte)(128 + (int)(60 * Math.Sin(x / 13.0)) + (y % 31) + ((x * y) & 7));
            }
        }

        return patterns;
    }

    private static void Paint(YuvPicture picture, byte[] pattern)
    {
        for (int y = 0; y < picture.Size.Height; y++)
        {
            pattern.AsSpan(y * s_size.Width, picture.Size.Width).CopyTo(picture.Y[(y * picture.YStrideBytes)..]);
        }
    }

    private struct Counts
    {
        public long Decoded;
        public long Corrupt;
        public long AllocatedBytes;
    }

    private readonly record struct Holding(ProcessSample Process, double NativeBytes)
    {
        public static Holding Read()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            if (!ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample sample))
            {
                throw new LaboratoryException("This process cannot be read in /proc.");
            }

            return new(sample, ReadNativeBytes());
        }

        public static double ReadNativeBytes()
        {
            MallocInformation memory = LibC.mallinfo2();
            return (double)memory.UsedBytes + memory.MappedBytes;
        }
    }
}
