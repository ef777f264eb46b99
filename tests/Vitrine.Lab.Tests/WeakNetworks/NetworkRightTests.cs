using System.Runtime.InteropServices;
using Vitrine.Lab.WeakNetworks;

namespace Vitrine.Lab.Tests.WeakNetworks;

[Collection(nameof(RealTimeThreads))] // what a thread without rights starts has none either: nothing else runs meanwhile
public sealed partial class NetworkRightTests
{
    private const uint CapabilityVersion3 = 0x2008_0522;

    [Fact]
    public void WithoutTheRight_SaysSoAndNamesTheCommand()
    {
        NetworkRight? right = null;
        Exception? refusal = null;
        var thread = new Thread(() =>
        {
            DropCapabilities();
            right = NetworkRight.Examine();
            refusal = Record.Exception(() => WeakNetwork.Create(NetworkProfiles.Clean, seed: 1).Dispose());
        });
        thread.Start();
        thread.Join();
        Assert.NotEqual(NetworkRightState.Granted, right!.State);
        Assert.Contains("may make no network namespace", right.Detail, StringComparison.Ordinal);
        Assert.Matches("sudo|unshare --user --map-root-user -- COMMAND", right.Mend);
        MissingRequirementException missing = Assert.IsType<MissingRequirementException>(refusal);
        Assert.Contains(right.Detail, missing.Message, StringComparison.Ordinal);
        Assert.Contains(right.Mend, missing.Message, StringComparison.Ordinal);
    }

    [WeakNetworkFact]
    public void WithTheRight_SaysSo() => Assert.Equal((NetworkRightState.Granted, ""), (NetworkRight.Examine().State, NetworkRight.Examine().Mend));

    // Of the calling thread, and what it starts; root without capabilities is anybody (capabilities(7)).
    private static void DropCapabilities()
    {
        uint[] header = [CapabilityVersion3, 0], nothing = new uint[6];
        Assert.Equal(0, capset(header, nothing));
    }

    [LibraryImport("libc")]
    private static partial int capset(uint[] header, uint[] data);
}
