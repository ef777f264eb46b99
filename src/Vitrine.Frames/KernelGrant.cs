namespace Vitrine.Frames;

/// <summary>What the kernel says to somebody who asks to go before others.</summary>
public enum KernelGrant
{
    /// <summary>Nobody asked for it.</summary>
    NotAsked = 0,

    /// <summary>It is so.</summary>
    Granted = 1,

    /// <summary>This user may not.</summary>
    Refused = 2,

    /// <summary>The kernel, or the container or control group that the process is in, has none to give.</summary>
    Unavailable = 3,
}
