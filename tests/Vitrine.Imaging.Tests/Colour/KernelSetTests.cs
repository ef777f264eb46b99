using System.Diagnostics;
using Vitrine.Imaging.Colour;

namespace Vitrine.Imaging.Tests.Colour;

public sealed class KernelSetTests
{
    [Fact]
    public void NothingForced_FastestChosen()
    {
        Assert.True(KernelSets.TryChoose(null, out KernelSet set, out _));
        Assert.Equal(KernelSets.Available[^1], set);
        Assert.True(KernelSets.TryChoose("", out set, out _));
        Assert.Equal(KernelSets.Available[^1], set);
        Assert.Equal(KernelSet.Scalar, KernelSets.Available[0]);
    }

    [Theory]
    [InlineData("sse9")]
    [InlineData("2")]
    [InlineData("avx2,avx512")]
    public void UnknownName_RefusedWithWhatThereIs(string name)
    {
        Assert.False(KernelSets.TryChoose(name, out _, out string error));
        Assert.Contains($"VITRINE_KERNELS is «{name}»", error, StringComparison.Ordinal);
        Assert.Contains("scalar", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(KernelSet.Scalar)]
    [InlineData(KernelSet.Vector128)]
    [InlineData(KernelSet.Avx2)]
    [InlineData(KernelSet.Avx512)]
    public void Forced_ChosenOrRefused(KernelSet wanted)
    {
        bool chosen = KernelSets.TryChoose(KernelSets.NameOf(wanted).ToUpperInvariant(), out KernelSet set, out string error);

        Assert.Equal(KernelSets.Available.Contains(wanted), chosen);
        Assert.Equal(wanted, set);
        Assert.Equal(chosen, error.Length == 0);
        if (chosen)
        {
            Assert.Equal(wanted, ColourKernels.Of(wanted).Set);
        }
    }

    // The variable is read once in a process, so each value needs its own: this test's assembly, started as a program.
    [Theory]
    [InlineData("scalar", "", "Scalar")]
    [InlineData("vector128", "", "Vector128")]
    [InlineData("avx9", "", "VITRINE_KERNELS is «avx9», which is no set of kernels. This machine has scalar")]
    [InlineData("avx2", "DOTNET_EnableAVX2", "VITRINE_KERNELS asks for avx2, which this machine lacks. It has scalar, vector128.")]
    public void EnvironmentVariable_ObeyedByAProcess(string value, string without, string expected)
    {
        Assert.StartsWith(expected, Run("kernels", new() { [KernelSets.EnvironmentVariable] = value, [without] = "0" }), StringComparison.Ordinal);
    }

    // What newer processors do in fewer instructions, done without them. On an older machine both runs are the same.
    [Theory]
    [InlineData("DOTNET_EnableAVXVNNI", "VNNI False")]
    [InlineData("DOTNET_EnableAVX512v2", "VBMI False")]
    public void WithoutNewerInstructions_SameAsScalar(string without, string expected)
    {
        string said = Run("compare", new() { [without] = "0" });

        Assert.StartsWith("Same.", said, StringComparison.Ordinal);
        Assert.Contains(expected, said, StringComparison.Ordinal);
    }

    private static string Run(string what, Dictionary<string, string> variables)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            ArgumentList = { "exec", typeof(KernelSetTests).Assembly.Location, what },
        };
        foreach ((string name, string value) in variables.Where(variable => variable.Key.Length > 0))
        {
            start.Environment[name] = value;
        }

        using Process child = Process.Start(start)!;
        string said = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        return said;
    }
}
