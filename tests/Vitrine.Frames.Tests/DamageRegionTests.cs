using FsCheck;
using FsCheck.Fluent;

namespace Vitrine.Frames.Tests;

public sealed class DamageRegionTests
{
    [Fact]
    public void Add_CoversAtLeastWhatWasAdded_InABoundedNumber() => Prop.ForAll(Rectangles.Lists, added =>
    {
        DamageRegion region = Of(added);
        HashSet<DevicePoint> covered = [.. region.Rectangles.ToArray().SelectMany(Rectangles.Points)];
        return added.SelectMany(Rectangles.Points).All(covered.Contains)
            && region.Rectangles.Length <= DamageRegion.RectanglesMax
            && !region.Rectangles.ToArray().Any(r => r.IsEmpty)
            && region.IsEmpty == added.All(r => r.IsEmpty)
            && region.Bounds == added.Where(r => !r.IsEmpty).Aggregate(default(DeviceRectangle), (a, b) => a.Union(b));
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Add_FewRectangles_CoversNothingElse() => Prop.ForAll(Rectangles.Lists, added =>
    {
        DeviceRectangle[] few = [.. added.Take(DamageRegion.RectanglesMax)];
        return Of(few).Rectangles.ToArray().SelectMany(Rectangles.Points).ToHashSet().SetEquals(few.SelectMany(Rectangles.Points));
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Add_CoveredRectangle_ChangesNothing()
    {
        DamageRegion region = Of([new(0, 0, 100, 100), new(200, 0, 10, 10)]);
        region.Add(new DeviceRectangle(10, 10, 50, 50));
        Assert.Equal([new(0, 0, 100, 100), new(200, 0, 10, 10)], region.Rectangles.ToArray());
    }

    [Fact]
    public void Add_CoveringRectangle_ReplacesTheCovered()
    {
        DamageRegion region = Of([new(0, 0, 10, 10), new(20, 0, 10, 10), new(200, 0, 10, 10)]);
        region.Add(new DeviceRectangle(0, 0, 100, 100));
        Assert.Equal(2, region.Rectangles.Length);
    }

    [Fact]
    public void Add_BeyondTheBound_MergesWithTheNeighbourThatGrowsLeast()
    {
        DamageRegion region = new();
        for (int i = 0; i < DamageRegion.RectanglesMax; i++)
        {
            region.Add(new DeviceRectangle(i * 100, 0, 10, 10));
        }

        region.Add(new DeviceRectangle(3012, 0, 10, 10));
        Assert.Equal(DamageRegion.RectanglesMax, region.Rectangles.Length);
        Assert.Contains(new DeviceRectangle(3000, 0, 22, 10), region.Rectangles.ToArray());
    }

    [Fact]
    public void Clip_KeepsExactlyWhatLiesWithin() => Prop.ForAll(Rectangles.Lists, Rectangles.Generator.ToArbitrary(), (added, bounds) =>
    {
        DeviceRectangle[] few = [.. added.Take(DamageRegion.RectanglesMax)];
        DamageRegion region = Of(few);
        region.Clip(bounds);
        return region.Rectangles.ToArray().SelectMany(Rectangles.Points).ToHashSet()
            .SetEquals(few.SelectMany(Rectangles.Points).Where(bounds.Contains));
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Use_AllocatesNothing()
    {
        DamageRegion region = new(), other = new();
        Use(100);
        Assert.Equal(0, Allocation.BytesOf(() => Use(1_000)));

        void Use(int times)
        {
            for (int i = 0; i < times; i++)
            {
                for (int k = 0; k < 80; k++)
                {
                    region.Add(new DeviceRectangle(k * 13 % 700, k * 29 % 500, 9, 9));
                }

                other.Add(region);
                region.Clip(new DeviceRectangle(0, 0, 300, 300));
                region.Clear();
                other.Clear();
            }
        }
    }

    private static DamageRegion Of(DeviceRectangle[] rectangles)
    {
        DamageRegion region = new();
        foreach (DeviceRectangle rectangle in rectangles)
        {
            region.Add(rectangle);
        }

        return region;
    }
}
