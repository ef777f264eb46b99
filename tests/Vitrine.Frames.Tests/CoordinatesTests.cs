using FsCheck;
using FsCheck.Fluent;

namespace Vitrine.Frames.Tests;

public sealed class CoordinatesTests
{
    [Fact]
    public void Intersection_HoldsExactlyTheSharedPixels() => Prop.ForAll(Rectangles.Pairs, pair =>
    {
        DeviceRectangle both = pair.First.Intersect(pair.Second);
        return both.Points().ToHashSet().SetEquals(pair.First.Points().Where(p => pair.Second.Contains(p)))
            && both == pair.Second.Intersect(pair.First)
            && pair.First.Intersects(pair.Second) == !both.IsEmpty;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Union_IsTheSmallestThatHoldsBoth() => Prop.ForAll(Rectangles.Pairs, pair =>
    {
        DeviceRectangle union = pair.First.Union(pair.Second);
        DevicePoint[] points = [.. pair.First.Points(), .. pair.Second.Points()];
        return union.Contains(pair.First) && union.Contains(pair.Second)
            && (points.Length == 0
                ? union.IsEmpty
                : union == new DeviceRectangle(
                    points.Min(p => p.X), points.Min(p => p.Y),
                    points.Max(p => p.X) + 1 - points.Min(p => p.X), points.Max(p => p.Y) + 1 - points.Min(p => p.Y)));
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Contains_MeansEveryPixel() => Prop.ForAll(Rectangles.Pairs, pair =>
        pair.First.Contains(pair.Second) == pair.Second.Points().All(pair.First.Contains)).QuickCheckThrowOnFailure();

    [Fact]
    public void Area_OfTheLargestRectangle_DoesNotOverflow() =>
        Assert.Equal((long)int.MaxValue * int.MaxValue, new DeviceSize(int.MaxValue, int.MaxValue).Area);

    [Fact]
    public void Text_IsTheGeometryOfX11() => Assert.Equal("640x480+10-20", new DeviceRectangle(10, -20, 640, 480).ToString());
}
