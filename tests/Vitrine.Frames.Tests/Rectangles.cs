using FsCheck;
using FsCheck.Fluent;

namespace Vitrine.Frames.Tests;

internal static class Rectangles
{
    /// <summary>Small ones that often touch, empty ones now and then.</summary>
    public static Gen<DeviceRectangle> Generator { get; } =
        from x in Gen.Choose(-40, 200)
        from y in Gen.Choose(-40, 200)
        from width in Gen.Choose(-1, 60)
        from height in Gen.Choose(-1, 60)
        select new DeviceRectangle(x, y, width, height);

    public static Arbitrary<DeviceRectangle[]> Lists { get; } = Generator.ArrayOf().ToArbitrary();

    public static Arbitrary<(DeviceRectangle First, DeviceRectangle Second)> Pairs { get; } =
        (from first in Generator from second in Generator select (first, second)).ToArbitrary();

    public static IEnumerable<DevicePoint> Points(this DeviceRectangle rectangle) =>
        from y in Enumerable.Range(rectangle.Y, Math.Max(0, rectangle.Height))
        from x in Enumerable.Range(rectangle.X, Math.Max(0, rectangle.Width))
        select new DevicePoint(x, y);
}
