using System.Globalization;
using Vitrine.Lab.Peers;

namespace Vitrine.Lab.Tests.Peers;

public sealed class FfmpegEncodePeerTests
{
    // A list of the head, something that fills, the list of pictures, whose length nobody knows yet; a picture of an odd length, one that
    // was left out, sound, another picture.
    private static readonly byte[] s_file =
    [
        .. "RIFF"u8, 0xFF, 0xFF, 0xFF, 0xFF, .. "AVI "u8,
        .. "LIST"u8, 8, 0, 0, 0, .. "hdrl"u8, 1, 2, 3, 4,
        .. "JUNK"u8, 3, 0, 0, 0, 9, 9, 9, 0,
        .. "LIST"u8, 0xFF, 0xFF, 0xFF, 0xFF, .. "movi"u8,
        .. "00dc"u8, 3, 0, 0, 0, 10, 11, 12, 0,
        .. "00dc"u8, 0, 0, 0, 0,
        .. "01wb"u8, 2, 0, 0, 0, 7, 7,
        .. "00dc"u8, 4, 0, 0, 0, 20, 21, 22, 23,
    ];

    [Fact]
    public void AccessUnits_AreReadWholeAndNothingElse()
    {
        using var stream = new MemoryStream(s_file);
        FfmpegEncodePeer.SkipHead(stream);
        byte[] unit = new byte[8];
        Assert.True(FfmpegEncodePeer.TryReadAccessUnit(stream, unit, out int bytes));
        Assert.Equal([10, 11, 12], unit[..bytes]);
        Assert.True(FfmpegEncodePeer.TryReadAccessUnit(stream, unit, out bytes));
        Assert.Equal([20, 21, 22, 23], unit[..bytes]);
        Assert.False(FfmpegEncodePeer.TryReadAccessUnit(stream, unit, out bytes));
    }

    [Fact]
    public void AccessUnitLongerThanTheRoom_IsRefused()
    {
        using var stream = new MemoryStream(s_file);
        FfmpegEncodePeer.SkipHead(stream);
        Assert.Throws<IOException>(() => FfmpegEncodePeer.TryReadAccessUnit(stream, new byte[2], out _));
    }

    [Fact]
    public void AnotherFile_IsRefused() => Assert.Throws<IOException>(() => FfmpegEncodePeer.SkipHead(new MemoryStream(new byte[100])));

    /// <summary>Changed bytes. VITRINE_FUZZ_SECONDS makes it longer.</summary>
    [Fact]
    public void Fuzz_ReadOrRefused()
    {
        double seconds = double.TryParse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SECONDS"), CultureInfo.InvariantCulture, out double asked) ? asked : 0.5;
        var random = new Random(22);
        byte[] unit = new byte[16];
        long started = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(started).TotalSeconds < seconds)
        {
            byte[] file = [.. s_file];
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                file[random.Next(file.Length)] = (byte)random.Next(256);
            }

            using var stream = new MemoryStream(file, 0, random.Next(file.Length + 1));
            try
            {
                FfmpegEncodePeer.SkipHead(stream);
                while (FfmpegEncodePeer.TryReadAccessUnit(stream, unit, out int bytes))
                {
                    Assert.InRange(bytes, 1, unit.Length);
                }
            }
            catch (IOException)
            {
                // what most of it is
            }
        }
    }
}
