using System.Runtime.Intrinsics.X86;
using Vitrine.Imaging.Colour;

namespace Vitrine.Imaging.Tests.Colour;

/// <summary>Says which kernels a process of its own uses, or holds all of them against the scalar ones; started by
/// <see cref="KernelSetTests"/>.</summary>
internal static class KernelProgram
{
    public static int Main(string[] arguments)
    {
        try
        {
            if (arguments is ["compare"])
            {
                Compare();
            }

            Console.WriteLine(ColourConverter.Kernels);
            return 0;
        }
        catch (PlatformNotSupportedException error)
        {
            Console.WriteLine(error.Message);
            return 1;
        }
    }

    private static void Compare()
    {
        Random random = new(1);
        foreach (KernelSet set in KernelSets.Available)
        {
            foreach (YuvLayout layout in Enum.GetValues<YuvLayout>())
            {
                for (int width = 1; width < 140; width++)
                {
                    ColourConverterTests.Compare(ColourKernels.Of(set), layout, new(width, 2), random);
                }
            }
        }

        Console.WriteLine($"Same. VNNI {AvxVnni.IsSupported}, VBMI {Avx512Vbmi.IsSupported}");
    }
}
