using Vitrine.Lab.WeakNetworks;

namespace Vitrine.Lab.Tests.WeakNetworks;

/// <summary>A test that makes network namespaces. Where there is no right to, it is left out and says what it takes; in continuous
/// integration it fails.</summary>
internal sealed class WeakNetworkFactAttribute : FactAttribute
{
    private static readonly Lazy<NetworkRight> s_right = new(NetworkRight.Examine);

    public WeakNetworkFactAttribute()
    {
        if (s_right.Value is { State: not NetworkRightState.Granted } right && Environment.GetEnvironmentVariable("CI") != "true")
        {
            Skip = $"{right.Detail}. To run it: {right.Mend}";
        }
    }
}
