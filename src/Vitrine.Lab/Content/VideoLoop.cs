using System.Runtime.InteropServices;
using Vitrine.Frames;

namespace Vitrine.Lab.Content;

/// <summary>Pictures as films have them, made by arithmetic, the same every time: two scenes of textured ground under a camera that
/// pans, light that moves over it, things that move on it, a little grain; and a cut from one scene to the other now and then.</summary>
/// <remarks>All pictures are made at the start and stay in memory that an X server can map, so that to paint one costs a copy by the
/// server. Each scene is played forwards and backwards, twice, and then the other one: two consecutive frames always differ, and of
/// <c>4 * (frames - 2)</c> frames two are cuts. The upper left corner is for a <see cref="NumberStrip"/>; all else never changes.</remarks>
internal sealed class VideoLoop : IDisposable
{
    private const int Scenes = 2;
    private const int WorldSide = 1024;
    private const int GrainLength = 1 << 14;
    private const int Things = 5;

    /// <summary>Makes the pictures: about 10 ms of all processors for each at 1920x1080.</summary>
    /// <param name="size">Of a picture; at least as wide as a strip.</param>
    /// <param name="pictures">How many to keep, both scenes together; an even number from 4. Each takes width x height x 4 bytes.</param>
    /// <exception cref="InsufficientMemoryException">There is no memory for that many.</exception>
    public VideoLoop(DeviceSize size, int pictures)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pictures, 4);
        ArgumentOutOfRangeException.ThrowIfLessThan(size.Width, NumberStrip.Width);
        (Size, Pictures) = (size, pictures & ~1);
        PictureBytes = size.Width * size.Height * FrameFormat.BytesPerPixel;
        Memory = new MappedMemory("vitrine-lab-video", checked(PictureBytes * Pictures));
        uint[][] worlds = [World(1, 0.55, 0.75, 0.35), World(2, 0.8, 0.5, 0.6)];
        sbyte[] grain = Grain(3);
        Parallel.For(0, Pictures, picture =>
        {
            int scene = picture / (Pictures / Scenes);
            Paint(MemoryMarshal.Cast<byte, uint>(Memory.GetSpan().Slice(picture * PictureBytes, PictureBytes)), worlds[scene], grain, scene, picture % (Pictures / Scenes));
        });
    }

    /// <summary>Of a picture.</summary>
    public DeviceSize Size { get; }

    /// <summary>Pictures kept.</summary>
    public int Pictures { get; }

    /// <summary>Of one picture.</summary>
    public int PictureBytes { get; }

    /// <summary>All pictures, one after the other, packed. Owned by this loop.</summary>
    public MappedMemory Memory { get; }

    /// <summary>Bytes from row to row.</summary>
    public int StrideBytes => Size.Width * FrameFormat.BytesPerPixel;

    /// <summary>Which picture a frame shows. A pure function of the frame's number.</summary>
    public int PictureOf(long frame)
    {
        int each = Pictures / Scenes, thereAndBack = 2 * (each - 1), turn = 2 * thereAndBack;
        int step = (int)(frame % (Scenes * turn)), scene = step / turn, at = step % thereAndBack;
        return (scene * each) + (at < each ? at : thereAndBack - at);
    }

    /// <summary>The picture that a frame shows.</summary>
    public Span<byte> GetPicture(long frame) => Memory.GetSpan().Slice(PictureOf(frame) * PictureBytes, PictureBytes);

    /// <summary>Lets the pictures go. Nobody paints them any more.</summary>
    public void Dispose() => ((IDisposable)Memory).Dispose();

    private void Paint(Span<uint> pixels, uint[] world, sbyte[] grain, int scene, int step)
    {
        // A pan of a little more than two pixels a frame to the right and less than one down, hand-held.
        double panX = (scene * 311) + (step * (scene == 0 ? 2.25 : -3.0)) + (2 * Math.Sin(step * 0.21));
        double panY = (scene * 173) + (step * (scene == 0 ? 0.75 : 0.5)) + (1.5 * Math.Sin(step * 0.17));
        int[] light = new int[Size.Width];
        for (int x = 0; x < light.Length; x++)
        {
            light[x] = (int)Math.Round(22 * Math.Sin((x / 340.0) + (step * 0.05)));
        }

        for (int y = 0; y < Size.Height; y++)
        {
            Span<uint> row = pixels.Slice(y * Size.Width, Size.Width);
            Sample(row, world, panX, panY + y);
            for (int thing = 0; thing < Things; thing++)
            {
                PaintThing(row, y, world, scene, thing, step);
            }

            int rowLight = (int)Math.Round(16 * Math.Sin((y / 260.0) - (step * 0.04)));
            int noise = (int)(Mix((uint)((scene * 7919) + (step * 104729) + y)) % (GrainLength - (uint)Size.Width));
            for (int x = 0; x < row.Length; x++)
            {
                uint pixel = row[x];
                int add = light[x] + rowLight + grain[noise + x];
                row[x] = Clamp((int)(pixel & 255) + add) | (Clamp((int)((pixel >> 8) & 255) + add) << 8) | (Clamp((int)((pixel >> 16) & 255) + add) << 16);
            }
        }

        // A disc with a texture of its own, on a path of its own that turns at the edges.
        void PaintThing(Span<uint> row, int y, uint[] texture, int scene, int thing, int step)
        {
            double radius = Size.Height / 18.0 * (1 + (thing * 0.35));
            double centreX = Bounce((thing * 397) + (scene * 151) + (step * (3.5 + (thing * 1.75))), Size.Width);
            double centreY = Bounce((thing * 211) + (scene * 89) + (step * (1.5 + (thing * 0.9))), Size.Height);
            double half = (radius * radius) - ((y - centreY) * (y - centreY));
            if (half <= 0)
            {
                return;
            }

            half = Math.Sqrt(half);
            int left = Math.Clamp((int)(centreX - half), 0, row.Length), right = Math.Clamp((int)(centreX + half), 0, row.Length);
            if (left < right)
            {
                Sample(row[left..right], texture, 500 + (thing * 137) + left - centreX, 500 + (thing * 71) + y - centreY);
                uint kept = (thing % 3) switch { 0 => 0xFF0000u, 1 => 0x00FF00u, _ => 0x0000FFu };
                for (int x = left; x < right; x++)
                {
                    row[x] = (row[x] & kept) | ((row[x] >> 1) & 0x7F7F7F & ~kept); // of another colour than the ground
                }
            }
        }
    }

    // Bilinear, at a sixteenth of a pixel: what a camera's motion does to a picture.
    private static void Sample(Span<uint> row, uint[] world, double x, double y)
    {
        int fixedX = (int)Math.Floor(x * 16), fixedY = (int)Math.Floor(y * 16);
        uint rightWeight = (uint)(fixedX & 15), lowerWeight = (uint)(fixedY & 15);
        uint a = (16 - rightWeight) * (16 - lowerWeight), b = rightWeight * (16 - lowerWeight), c = (16 - rightWeight) * lowerWeight, d = rightWeight * lowerWeight;
        int column = fixedX >> 4;
        ReadOnlySpan<uint> upper = world.AsSpan(((fixedY >> 4) & (WorldSide - 1)) * WorldSide, WorldSide);
        ReadOnlySpan<uint> lower = world.AsSpan((((fixedY >> 4) + 1) & (WorldSide - 1)) * WorldSide, WorldSide);
        for (int i = 0; i < row.Length; i++)
        {
            int at = (column + i) & (WorldSide - 1), next = (at + 1) & (WorldSide - 1);
            uint p = upper[at], q = upper[next], r = lower[at], s = lower[next];
            uint redBlue = (((p & 0xFF00FF) * a) + ((q & 0xFF00FF) * b) + ((r & 0xFF00FF) * c) + ((s & 0xFF00FF) * d)) >> 8;
            uint green = (((p & 0x00FF00) * a) + ((q & 0x00FF00) * b) + ((r & 0x00FF00) * c) + ((s & 0x00FF00) * d)) >> 8;
            row[i] = (redBlue & 0xFF00FF) | (green & 0x00FF00);
        }
    }

    // Ground that goes on without a seam: noise of every size from a quarter of it down to two pixels, weaker the finer it is, as in
    // photographs, and two materials with a sharp edge between them. Colours vary more slowly than brightness does.
    private static uint[] World(uint seed, double red, double green, double blue)
    {
        double[] brightness = new double[WorldSide * WorldSide], warmth = new double[WorldSide * WorldSide], material = new double[WorldSide * WorldSide];
        for (int cell = 256, octave = 0; cell >= 2; cell /= 2, octave++)
        {
            AddNoise(brightness, cell, 48 * Math.Pow(cell / 256.0, 0.55), seed + (uint)octave);
            if (cell >= 32)
            {
                AddNoise(warmth, cell, 34 * Math.Pow(cell / 256.0, 0.8), seed + 100 + (uint)octave);
            }

            if (cell >= 8)
            {
                AddNoise(material, cell, Math.Pow(cell / 256.0, 0.9), seed + 200 + (uint)octave);
            }
        }

        uint[] world = new uint[WorldSide * WorldSide];
        for (int i = 0; i < world.Length; i++)
        {
            double level = 118 + brightness[i] + Math.Clamp(material[i] * 160, -26, 26);
            world[i] = Clamp((int)((level * (blue + 0.35)) - warmth[i])) | (Clamp((int)(level * (green + 0.35))) << 8) | (Clamp((int)((level * (red + 0.35)) + warmth[i])) << 16);
        }

        return world;
    }

    private static void AddNoise(double[] field, int cell, double amplitude, uint seed)
    {
        int cells = WorldSide / cell;
        Parallel.For(0, WorldSide, y =>
        {
            int cellY = y / cell;
            double v = Smooth((double)(y % cell) / cell);
            for (int x = 0; x < WorldSide; x++)
            {
                int cellX = x / cell;
                double u = Smooth((double)(x % cell) / cell);
                double top = Lattice(cellX, cellY) + (u * (Lattice(cellX + 1, cellY) - Lattice(cellX, cellY)));
                double bottom = Lattice(cellX, cellY + 1) + (u * (Lattice(cellX + 1, cellY + 1) - Lattice(cellX, cellY + 1)));
                field[(y * WorldSide) + x] += amplitude * (top + (v * (bottom - top)));
            }
        });

        double Lattice(int x, int y) => (Mix((seed * 0x9E3779B1) + ((uint)(x % cells) * 0x85EBCA77) + ((uint)(y % cells) * 0xC2B2AE3D)) / (double)uint.MaxValue * 2) - 1;
    }

    private static sbyte[] Grain(uint seed)
    {
        sbyte[] grain = new sbyte[GrainLength];
        for (uint i = 0; i < grain.Length; i++)
        {
            // The sum of four dice of -1, 0 and 1: about a normal distribution of a deviation of 1.6.
            uint bits = Mix(seed + (i * 0x9E3779B1));
            grain[i] = (sbyte)((bits % 3) + (bits / 3 % 3) + (bits / 9 % 3) + (bits / 27 % 3) - 4);
        }

        return grain;
    }

    private static double Bounce(double at, int room)
    {
        double phase = at % (2 * room);
        return phase < room ? phase : (2 * room) - phase;
    }

    private static double Smooth(double at) => at * at * (3 - (2 * at));

    private static uint Clamp(int value) => (uint)Math.Clamp(value, 0, 255);

    // The finaliser of MurmurHash3: every bit of the input moves half of the output's.
    private static uint Mix(uint value)
    {
        value = (value ^ (value >> 16)) * 0x85EBCA6B;
        value = (value ^ (value >> 13)) * 0xC2B2AE35;
        return value ^ (value >> 16);
    }
}
