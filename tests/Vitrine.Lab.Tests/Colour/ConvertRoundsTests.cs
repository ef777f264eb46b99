using Vitrine.Frames;
using Vitrine.Imaging.Colour;
using Vitrine.Interop;
using Vitrine.Lab.Colour;
using Vitrine.Measurement;

namespace Vitrine.Lab.Tests.Colour;

public sealed class ConvertRoundsTests
{
    [Fact]
    public void EveryConversion_SameWorkAsThePeer_NothingAllocated()
    {
        nint library = LibYuv.TryLoad();
        Assert.True(library != 0, $"{LibYuv.Library} is missing: apt-get install {LibYuv.Package}");
        using PictureMemory memory = new(new DeviceSize(128, 32));
        RunBuilder run = new("convert", new LabOptions());
        foreach (Conversion conversion in Conversion.All)
        {
            // The run time itself allocates when it compiles a path anew; a kernel that did would do so again.
            Assert.True(Allocated(conversion, run) == 0 || Allocated(conversion, new RunBuilder("convert", new LabOptions())) == 0);
        }

        double Allocated(Conversion conversion, RunBuilder into)
        {
            ConvertRounds rounds = new(conversion, memory, library, TimeProvider.System);
            rounds.Run(rounds: 2, passes: 2, CancellationToken.None);
            rounds.Run(rounds: 3, passes: 2, CancellationToken.None);
            return rounds.Report(into, isBand: true);
        }

        RunDocument document = run.Build("none");
        foreach (KernelSet set in KernelSets.Available)
        {
            CaseRecord record = document.FindCase($"bgra-i420.bt601.limited.{KernelSets.NameOf(set)}/128x32")!;
            Assert.True(record.Metrics["samples"] > 0);
            Assert.Contains(document.Ratios, ratio => ratio.Name == record.Name + " vs libyuv");
        }

        // Its coefficients have a bit less, and BT.709's for blue (2.11 * 64) ends at 127 or 128; another matrix would differ by dozens.
        Assert.Equal(Conversion.All.Count * (KernelSets.Available.Count + 1), document.Cases.Count);
        Assert.All(
            document.Cases.Where(record => !record.Name.Contains("libyuv", StringComparison.Ordinal)),
            record => Assert.InRange(record.Metrics["maxLevelsFromLibyuv"], 0, 12));
        Assert.Equal("ARGBToI420", document.FindCase("bgra-i420.bt601.limited.libyuv/128x32")!.Parameters["function"]);
    }
}
