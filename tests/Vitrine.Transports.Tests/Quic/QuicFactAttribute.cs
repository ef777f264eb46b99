using Vitrine.Transports.Quic;
using Vitrine.Wire.Tests;

namespace Vitrine.Transports.Tests.Quic;

/// <summary>Runs where QUIC's libraries are; in CI they must be.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class QuicFactAttribute : FactAttribute
{
    public QuicFactAttribute()
    {
        Timeout = 600_000 + (int)Mutator.Duration.TotalMilliseconds; // against hanging only: a busy machine takes its time, and so does who is told to
        if (!QuicSupport.TryLoad(out string reason) && Environment.GetEnvironmentVariable("CI") != "true")
        {
            Skip = reason;
        }
    }
}
