using Vitrine.Imaging.Colour;

namespace Vitrine.Imaging.Tests.Colour;

/// <summary>Says which kernels a process of its own uses; started by <see cref="KernelSetTests"/>.</summary>
internal static class KernelProgram
{
    public static int Main()
    {
        try
        {
            Console.WriteLine(ColourConverter.Kernels);
            return 0;
        }
        catch (PlatformNotSupportedException error)
        {
            Console.WriteLine(error.Message);
            return 1;
        }
    }
}
