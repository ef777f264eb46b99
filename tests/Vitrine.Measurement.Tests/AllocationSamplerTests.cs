namespace Vitrine.Measurement.Tests;

public sealed class AllocationSamplerTests
{
    private const int Objects = 2_000_000;

    [Fact(Timeout = 300_000)]
    public async Task ObjectsOfOneType_AreCountedWithinATenth()
    {
        using AllocationSampler sampler = new();
        Marked[]? last = null;
        for (int i = 0; i < Objects; i++)
        {
            last = new Marked[32];
            last[0].Value = i;
        }

        GC.KeepAlive(last);

        // 280 bytes each: some 5,500 of them are seen, so that the estimate is within 10 % by seven standard deviations. They come late.
        double counted;
        do
        {
            await Task.Delay(5);
            counted = sampler.ByType.FirstOrDefault(type => type.Type?.Contains(nameof(Marked), StringComparison.Ordinal) == true).Count;
        }
        while (counted < Objects * 0.9);
        Assert.InRange(counted, Objects * 0.9, Objects * 1.1);
        Assert.True(sampler.CountPerSecond > 0 && sampler.Events > 1_000);
    }

    private struct Marked
    {
        public long Value;
    }
}
