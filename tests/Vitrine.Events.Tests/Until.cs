namespace Vitrine.Events.Tests;

/// <summary>Waits for what gives no signal of its own.</summary>
internal static class Until
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    /// <summary>Looks every 5 ms.</summary>
    /// <exception cref="OperationCanceledException">It did not hold in 30 s.</exception>
    public static async Task HoldsAsync(Func<bool> condition)
    {
        using CancellationTokenSource late = new(s_patience);
        while (!condition())
        {
            await Task.Delay(5, late.Token);
        }
    }
}
