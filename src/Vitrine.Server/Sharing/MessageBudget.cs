namespace Vitrine.Server.Sharing;

/// <summary>How many messages a viewer may send: <see cref="PerSecond"/>, with bursts of as many. An honest viewer sends one a
/// frame (at most 240 a second) and a clock request every 2 s.</summary>
internal struct MessageBudget
{
    public const int PerSecond = 1000;

    private long _lastNs;
    private double _left;

    public MessageBudget(long nowNs) => (_lastNs, _left) = (nowNs, PerSecond);

    /// <summary>Takes one; false when none is left.</summary>
    public bool TryTake(long nowNs)
    {
        _left = Math.Min(PerSecond, _left + ((nowNs - _lastNs) * 1e-9 * PerSecond));
        _lastNs = nowNs;
        if (_left < 1)
        {
            return false;
        }

        _left--;
        return true;
    }
}
