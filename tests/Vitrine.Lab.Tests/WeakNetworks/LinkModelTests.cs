using Vitrine.Lab.WeakNetworks;

namespace Vitrine.Lab.Tests.WeakNetworks;

public sealed class LinkModelTests
{
    private const long Millisecond = 1_000_000;

    private static readonly LinkProfile s_everything = new()
    {
        Delay = TimeSpan.FromMilliseconds(50),
        Jitter = TimeSpan.FromMilliseconds(40),
        Loss = LossModel.Bursts(0.05, 3),
        ReorderShare = 0.1,
        DuplicateShare = 0.1,
        RateBitsPerSecond = 10_000_000,
        QueueBytesMax = 20_000,
    };

    [Fact]
    public void SameKey_SameFates()
    {
        Assert.Equal(Fates(s_everything, 1), Fates(s_everything, 1));
        Assert.NotEqual(Fates(s_everything, 1), Fates(s_everything, 2));
    }

    [Fact]
    public void AnotherDelayOrTime_SameLuck()
    {
        LinkProfile fast = s_everything with { Delay = TimeSpan.FromSeconds(1), RateBitsPerSecond = 0 };
        LinkProfile slow = s_everything with { Jitter = TimeSpan.Zero, RateBitsPerSecond = 0 };
        LinkModel one = new(fast, 5), other = new(slow, 5);
        for (int i = 0; i < 10_000; i++)
        {
            PacketFate first = one.Decide(i, 100), second = other.Decide(i * Millisecond, 1500);
            Assert.Equal((first.Outcome, first.IsDuplicated), (second.Outcome, second.IsDuplicated));
        }
    }

    [Fact]
    public void Spared_OnlyDelaysAndTheLuckAfterwardsIsTheSame()
    {
        LinkProfile profile = s_everything with { RateBitsPerSecond = 0 };
        LinkModel one = new(profile, 5), spared = new(profile, 5) { IsSpared = true }, shaped = new(s_everything with { RateBitsPerSecond = 1_000 }, 5) { IsSpared = true };
        for (int i = 0; i < 1_000; i++)
        {
            one.Decide(i * Millisecond, 1500);
            Assert.Equal(PacketOutcome.Delivered, spared.Decide(i * Millisecond, 1500).Outcome);
            Assert.InRange(shaped.Decide(i * Millisecond, 1500).DueNs - (i * Millisecond), 10 * Millisecond, 200 * Millisecond);
        }

        spared.IsSpared = false;
        for (int i = 1_000; i < 2_000; i++)
        {
            Assert.Equal(one.Decide(i * Millisecond, 1500).Outcome, spared.Decide(i * Millisecond, 1500).Outcome);
        }
    }

    [Fact]
    public void Jitter_StaysWithinItsBoundsAndUsesThem()
    {
        var model = new LinkModel(new() { Delay = TimeSpan.FromMilliseconds(50), Jitter = TimeSpan.FromMilliseconds(40) }, 3);
        // 200 ms apart: none waits for the one before.
        double[] delays = [.. Enumerable.Range(0, 10_000).Select(i => (model.Decide(i * 200 * Millisecond, 100).DueNs - (i * 200 * Millisecond)) / 1e6)];
        Assert.InRange(delays.Min(), 10, 10.2);
        Assert.InRange(delays.Max(), 89.8, 90);
        Assert.InRange(delays.Average(), 49, 51); // 5 sigma of the mean: 1.2 ms
    }

    [Fact]
    public void JitterInDenseTraffic_KeepsOrderUnlessAskedTo()
    {
        LinkProfile profile = new() { Delay = TimeSpan.FromMilliseconds(50), Jitter = TimeSpan.FromMilliseconds(40) };
        LinkModel kept = new(profile, 3), mixed = new(profile with { JitterReorders = true }, 3);
        long[] inOrder = [.. Enumerable.Range(0, 1_000).Select(i => kept.Decide(i * Millisecond, 100).DueNs)];
        long[] asTheyAre = [.. Enumerable.Range(0, 1_000).Select(i => mixed.Decide(i * Millisecond, 100).DueNs)];
        Assert.Equal(inOrder.Order(), inOrder);
        Assert.NotEqual(asTheyAre.Order(), asTheyAre);
        Assert.All(inOrder.Zip(asTheyAre), pair => Assert.True(pair.First >= pair.Second));
    }

    [Fact]
    public void Rate_SpacesPacketsByTheirBytes()
    {
        var model = new LinkModel(new() { RateBitsPerSecond = 8_000_000, QueueBytesMax = 1 << 20 }, 1);
        Assert.Equal(1_000_000, model.Decide(0, 1000).DueNs);
        Assert.Equal(1_500_000, model.Decide(0, 500).DueNs);
        Assert.Equal(11_000_000, model.Decide(10_000_000, 1000).DueNs); // idle since: no credit gathered
    }

    [Fact]
    public void QueueIsFull_TailDroppedByBytesAndByPackets()
    {
        var byBytes = new LinkModel(new() { RateBitsPerSecond = 8_000_000, QueueBytesMax = 3_000 }, 1);
        Assert.Equal([true, true, true, false, false], Enumerable.Range(0, 5).Select(_ => byBytes.Decide(0, 1000).Outcome == PacketOutcome.Delivered));
        Assert.Equal((3, 3_000L), (byBytes.QueuedPackets, byBytes.QueuedBytes));
        Assert.Equal(PacketOutcome.TailDropped, byBytes.Decide((1 * Millisecond) - 1, 1000).Outcome);
        Assert.Equal(4 * Millisecond, byBytes.Decide(1 * Millisecond, 1000).DueNs); // the first has left

        var byPackets = new LinkModel(new() { RateBitsPerSecond = 8_000_000, QueuePacketsMax = 2 }, 1);
        Assert.Equal([true, true, false], Enumerable.Range(0, 3).Select(_ => byPackets.Decide(0, 10).Outcome == PacketOutcome.Delivered));

        var tiny = new LinkModel(new() { RateBitsPerSecond = 8_000_000, QueueBytesMax = 1 }, 1);
        Assert.Equal([true, false], Enumerable.Range(0, 2).Select(_ => tiny.Decide(0, 1000).Outcome == PacketOutcome.Delivered));
    }

    [Fact]
    public void QueueNeverHoldsMoreThanItsBounds()
    {
        var random = new Random(5);
        var model = new LinkModel(new() { RateBitsPerSecond = 5_000_000, QueueBytesMax = 30_000, QueuePacketsMax = 40 }, 1);
        long now = 0, dropped = 0;
        for (int i = 0; i < 100_000; i++)
        {
            now += random.Next(2_000_000);
            dropped += model.Decide(now, random.Next(20, 1501)).Outcome == PacketOutcome.TailDropped ? 1 : 0;
            Assert.InRange(model.QueuedBytes, 0, 30_000);
            Assert.InRange(model.QueuedPackets, 0, 40);
        }

        Assert.InRange(dropped, 1, 99_999);
        model.Settle(long.MaxValue);
        Assert.Equal((0, 0L), (model.QueuedPackets, model.QueuedBytes));
    }

    [Fact]
    public void ReorderedShare_IsOvertaken()
    {
        LinkProfile profile = new() { Delay = TimeSpan.FromMilliseconds(20), ReorderShare = 0.1, ReorderHold = TimeSpan.FromMilliseconds(5) };
        var model = new LinkModel(profile, 9);
        PacketFate[] fates = [.. Enumerable.Range(0, 10_000).Select(i => model.Decide(i * Millisecond, 100))];
        int held = fates.Where((fate, i) => fate.DueNs == ((i + 25) * Millisecond)).Count();
        Assert.InRange(held, 850, 1150); // 5 sigma: 150
        Assert.Equal(10_000 - held, fates.Where((fate, i) => fate.DueNs == ((i + 20) * Millisecond)).Count());
    }

    [Fact]
    public void Deciding_AllocatesNothing()
    {
        DeliveryTrace trace = DeliveryTrace.Parse(new StringReader("1\n2\n3\n"), "trace");
        LinkModel[] models = [new(s_everything, 1), new(s_everything with { RateBitsPerSecond = 0, Trace = trace }, 1)];
        foreach (LinkModel model in models)
        {
            Decide(model, 1_000);
            Assert.Equal(0, Allocation.BytesOf(() => Decide(model, 10_000)));
        }

        static void Decide(LinkModel model, int count)
        {
            for (int i = 0; i < count; i++)
            {
                model.Decide((model.PacketCount + 1) * 100_000, 700);
            }
        }
    }

    [Fact]
    public void ProfilesOutOfBounds_Refused()
    {
        foreach (LinkProfile profile in (LinkProfile[])
        [
            new() { Jitter = TimeSpan.FromMilliseconds(1) },
            new() { Delay = TimeSpan.FromMinutes(1) },
            new() { Delay = TimeSpan.FromSeconds(-1) },
            new() { RateBitsPerSecond = -5 },
            new() { RateBitsPerSecond = 5 },
            new() { RateBitsPerSecond = 10_000, Trace = DeliveryTrace.Parse(new StringReader("1"), "trace") },
            new() { QueuePacketsMax = 0 },
            new() { QueuePacketsMax = 1 << 20 },
            new() { ReorderShare = 1.5 },
            new() { DuplicateShare = -0.1 },
        ])
        {
            Assert.Throws<ArgumentException>(() => new NetworkProfile("wrong", "", profile).Check());
        }

        Assert.Throws<ArgumentException>(() => new NetworkProfile("none", "", []).Check());
        Assert.Throws<ArgumentException>(() => new NetworkProfile("twice", "", [new("a", new LinkProfile()), new("a", new LinkProfile())]).Check());
        Assert.Throws<ArgumentException>(() => new NetworkProfile("name", "", [new("a/../b", new LinkProfile())]).Check());
    }

    [Fact]
    public void NamedProfiles_AreSoundAndFoundByName()
    {
        Assert.Equal(
            ["clean", "rtt-100", "rtt-200-loss-5", "loss-12-jitter-80", "wifi-to-4g", "dsl", "satellite"], NetworkProfiles.All.Select(profile => profile.Name));
        foreach (NetworkProfile profile in NetworkProfiles.All)
        {
            profile.Check();
            Assert.Same(profile, NetworkProfiles.Find(profile.Name));
        }

        Assert.Null(NetworkProfiles.Find("perfect"));
    }

    private static PacketFate[] Fates(LinkProfile profile, ulong key)
    {
        var model = new LinkModel(profile, key);
        return [.. Enumerable.Range(0, 5_000).Select(i => model.Decide(i * 500_000, 200 + (i * 7 % 1300)))];
    }
}
