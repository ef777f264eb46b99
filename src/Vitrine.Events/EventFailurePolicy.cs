using Vitrine.Events.Processing;
using Vitrine.Events.Schemas;

namespace Vitrine.Events;

/// <summary>What to do about a failure.</summary>
public enum FailureAction
{
    /// <summary>Try again after a pause, for as long as it takes.</summary>
    Retry,

    /// <summary>Put the event aside with the reason, and go on with the next one.</summary>
    DeadLetter,

    /// <summary>Stop, and say why: trying again would do harm, or is of no use.</summary>
    Stop,
}

/// <summary>Classifies failures, and says what to do about each class.</summary>
public static class EventFailurePolicy
{
    private static readonly TimeSpan s_pauseMin = TimeSpan.FromMilliseconds(100), s_pauseMax = TimeSpan.FromSeconds(10);

    /// <summary>What to do about a failure of a log, of a store of schemas, or of an event.</summary>
    public static FailureAction ActionFor(Exception failure) => failure switch
    {
        EventLogException { Failure: EventLogFailure.Storage or EventLogFailure.DiskFull or EventLogFailure.Network or EventLogFailure.Broker } => FailureAction.Retry,
        EventLogException => FailureAction.Stop,
        SchemaStoreException { Failure: SchemaStoreFailure.Unreachable or SchemaStoreFailure.Failed } => FailureAction.Retry,
        SchemaStoreException or IncompatibleSchemaException => FailureAction.Stop,
        EventFormatException or EventProcessingException => FailureAction.DeadLetter,
        _ => FailureAction.Stop,
    };

    /// <summary>How long to wait before another try: twice as long each time, up to 10 s, and then between half of that and all of it, so that those who
    /// failed together do not come again together.</summary>
    /// <param name="attempt">Tries that have failed, from 1.</param>
    /// <param name="random">0 to 1.</param>
    public static TimeSpan PauseBefore(int attempt, double random)
    {
        double longest = Math.Min(s_pauseMax.TotalSeconds, s_pauseMin.TotalSeconds * Math.Pow(2, Math.Min(attempt - 1, 30)));
        return TimeSpan.FromSeconds(longest * (0.5 + (0.5 * random)));
    }
}
