using System.Runtime.InteropServices;
using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Lab.Content;

namespace Vitrine.Lab.Capture;

/// <summary>A change of 200x100 pixels: from its damage event, and from before the draw call, until its pixels are in our frame.</summary>
internal static class DamageRounds
{
    private const string Size = "200x100";
    private const uint ColourStep = 0x01_03_05;

    public static void Run(RunBuilder run, PrivateDisplay display, LabOptions options, CancellationToken cancellationToken)
    {
        int rounds = options.Quick ? 5 : 15, changes = options.Quick ? 40 : 60;
        var place = new DeviceRectangle(300, 300, 200, 100);
        using var window = new PaintedWindow(display.Painter, place, 0, "Vitrine damage");
        window.Show();
        window.Raise();
        display.Painter.Synchronize();
        Contestant[] contestants =
        [
            new(display.Open(X11Capture.Shm, options.Time), X11Capture.Shm),
            new(display.Open(X11Capture.GetImage, options.Time), X11Capture.GetImage),
        ];
        try
        {
            uint colour = 1;
            for (int round = -1; round < rounds; round++)
            {
                foreach (Contestant contestant in contestants)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    contestant.RunRound(display.Painter, window, place, ref colour, changes, options.Time, warm: round < 0);
                }
            }

            foreach (Contestant contestant in contestants)
            {
                run.Add(contestant.FromEvent.ToCase(
                    $"{contestant.BackEnd}-damage/{Size}", null, new Dictionary<string, double> { ["allocatedBytesPerFrame"] = contestant.AllocatedBytesPerFrame, ["dropped"] = contestant.Missed }));
                run.Add(contestant.FromDraw.ToCase($"{contestant.BackEnd}-draw/{Size}"));
            }

            run.AddGoal($"{X11Capture.Shm}-damage/{Size} p50Ms", contestants[0].FromEvent.All.P50Ns / 1e6, 0.1);
            run.AddGoal($"{X11Capture.Shm}-damage/{Size} allocatedBytesPerFrame", contestants[0].AllocatedBytesPerFrame, 0);
        }
        finally
        {
            foreach (Contestant contestant in contestants)
            {
                contestant.Source.Dispose();
            }
        }
    }

    private sealed class Contestant(X11ScreenSource source, string backEnd)
    {
        private long _allocatedBytes;
        private long _frames;

        public X11ScreenSource Source => source;

        public string BackEnd => backEnd;

        public RoundSeries FromEvent { get; } = new();

        public RoundSeries FromDraw { get; } = new();

        /// <summary>Frames that came without the colour drawn last: the change came with the next one.</summary>
        public long Missed { get; private set; }

        public double AllocatedBytesPerFrame => (double)_allocatedBytes / Math.Max(_frames, 1);

        public void RunRound(
            X11Connection painter, PaintedWindow window, DeviceRectangle place, ref uint colour, int changes, TimeProvider time, bool warm)
        {
            DrainPending();
            for (int i = 0; i < changes; i++)
            {
                colour = (colour + ColourStep) & 0xFFFFFF;
                long drawn = time.GetMonotonicNanoseconds();
                window.Fill(new DeviceRectangle(0, 0, place.Width, place.Height), colour);
                painter.Flush();
                long allocated = GC.GetAllocatedBytesForCurrentThread();
                while (true)
                {
                    CaptureStatus status = source.WaitForFrame(TimeSpan.FromSeconds(2), out FrameLease? frame);
                    if (status != CaptureStatus.Frame)
                    {
                        throw new LaboratoryException($"{backEnd} answers {status} to a change.");
                    }

                    bool isThere = Shows(frame!, place, colour);
                    FrameTimes times = frame!.Times;
                    frame.Dispose();
                    if (isThere)
                    {
                        _allocatedBytes += warm ? 0 : GC.GetAllocatedBytesForCurrentThread() - allocated;
                        _frames += warm ? 0 : 1;
                        if (!warm)
                        {
                            FromEvent.Record(times.CapturedNs - times.OriginNs);
                            FromDraw.Record(times.CapturedNs - drawn);
                        }

                        break;
                    }

                    Missed++;
                }
            }

            FromEvent.EndRound();
            FromDraw.EndRound();
        }

        // What the other contestant's round painted.
        private void DrainPending()
        {
            while (source.WaitForFrame(TimeSpan.Zero, out FrameLease? frame) == CaptureStatus.Frame)
            {
                frame!.Dispose();
            }
        }

        // Both ends of the change: its first and its last pixel.
        private static bool Shows(FrameLease frame, DeviceRectangle place, uint colour)
        {
            Span<byte> pixels = frame.Pixels;
            int stride = frame.Format.StrideBytes;
            uint first = MemoryMarshal.Read<uint>(pixels[((place.Y * stride) + (place.X * 4))..]);
            uint last = MemoryMarshal.Read<uint>(pixels[(((place.Bottom - 1) * stride) + ((place.Right - 1) * 4))..]);
            return (first & 0xFFFFFF) == colour && (last & 0xFFFFFF) == colour;
        }
    }
}
