namespace Vitrine.Lab.Tests.WeakNetworks;

/// <summary>Tests that run alone: their threads go before those of all others, and they count what the process holds.</summary>
[CollectionDefinition(nameof(RealTimeThreads), DisableParallelization = true)]
public sealed class RealTimeThreads;
