namespace Vitrine.Measurement.Tests;

public sealed class MachineFeaturesTests
{
    [Fact]
    public void EveryLook_Answers()
    {
        Assert.True(MachineFeatures.FreeHugePages() >= 0);
        Assert.True(MachineFeatures.HugePageBytes() is 0 or >= 1 << 16);
        Assert.DoesNotContain(' ', MachineFeatures.SharedHugePages());
        Assert.True(MachineFeatures.MemoryNodes() >= 1);
        Assert.Equal(MachineFeatures.HasHardwareCounters(out string reason), reason.Length == 0);
    }

    [Fact]
    public void LookingForCounters_LeavesNoDescriptor()
    {
        MachineFeatures.HasHardwareCounters(out _);
        ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample before);
        for (int i = 0; i < 50; i++)
        {
            MachineFeatures.HasHardwareCounters(out _);
        }

        ProcessProbe.TryRead(Environment.ProcessId, out ProcessSample after);
        Assert.InRange(after.Descriptors, 0, before.Descriptors + 20);
    }
}
