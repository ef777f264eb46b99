using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vitrine.Imaging.Colour;

/// <summary>Which instructions the loops over pixels use. The results never differ.</summary>
public enum KernelSet
{
    /// <summary>One pixel at a time: the definition of every result.</summary>
    Scalar,

    /// <summary>128 bits, only what every processor with vectors has (SSE2 to SSE4, NEON).</summary>
    Vector128,

    /// <summary>256 bits.</summary>
    Avx2,

    /// <summary>512 bits: AVX-512F, BW and VL.</summary>
    Avx512,
}

/// <summary>What this machine has, and which of it is used.</summary>
public static class KernelSets
{
    /// <summary>Forces one: <c>scalar</c>, <c>vector128</c>, <c>avx2</c> or <c>avx512</c>.</summary>
    public const string EnvironmentVariable = "VITRINE_KERNELS";

    /// <summary>What this machine can run, the fastest last.</summary>
    public static IReadOnlyList<KernelSet> Available { get; } = [.. Enum.GetValues<KernelSet>().Where(IsAvailable)];

    /// <summary>Chooses the fastest, or what is forced.</summary>
    /// <param name="forced">A name; null or empty: the fastest.</param>
    /// <param name="set">The choice.</param>
    /// <param name="error">For the user, when the answer is false: no such name, or the machine lacks it.</param>
    public static bool TryChoose(string? forced, out KernelSet set, out string error)
    {
        error = "";
        set = Available[^1];
        if (string.IsNullOrEmpty(forced))
        {
            return true;
        }

        string available = string.Join(", ", Available.Select(NameOf));
        if (!Enum.TryParse(forced, ignoreCase: true, out set) || !string.Equals(NameOf(set), forced, StringComparison.OrdinalIgnoreCase))
        {
            error = $"{EnvironmentVariable} is «{forced}», which is no set of kernels. This machine has {available}.";
            return false;
        }

        if (!IsAvailable(set))
        {
            error = $"{EnvironmentVariable} asks for {NameOf(set)}, which this machine lacks. It has {available}.";
            return false;
        }

        return true;
    }

    /// <summary>The name that <see cref="EnvironmentVariable"/> and run documents use.</summary>
    /// <param name="set">Any.</param>
    public static string NameOf(KernelSet set) => set switch
    {
        KernelSet.Scalar => "scalar",
        KernelSet.Vector128 => "vector128",
        KernelSet.Avx2 => "avx2",
        KernelSet.Avx512 => "avx512",
        _ => "",
    };

    // Vector512.IsHardwareAccelerated says whether the runtime prefers 512 bits everywhere, and is false on many processors
    // that run these loops fastest with them; the instructions themselves are what counts.
    private static bool IsAvailable(KernelSet set) => set switch
    {
        KernelSet.Scalar => true,
        KernelSet.Vector128 => Vector128.IsHardwareAccelerated,
        KernelSet.Avx2 => Avx2.IsSupported,
        KernelSet.Avx512 => Avx2.IsSupported && Avx512BW.IsSupported && Avx512BW.VL.IsSupported,
        _ => false,
    };
}
