namespace Vitrine.Events;

/// <summary>Why a log did not do what it was asked for.</summary>
public enum EventLogFailure
{
    /// <summary>The disk, or the file system, said no: the message says how.</summary>
    Storage,

    /// <summary>The disk is full. What was to be appended is not kept; the log goes on by itself when there is room again.</summary>
    DiskFull,

    /// <summary>Another process has the folder.</summary>
    InUse,

    /// <summary>The folder may not be written, or holds what is no log.</summary>
    NotALog,

    /// <summary>A member of a group was replaced by one that came later: what it commits would undo the other's work.</summary>
    Fenced,

    /// <summary>Brokers cannot be reached, or the way to them is broken.</summary>
    Network,

    /// <summary>Brokers answer, but cannot do it now: a leader moves, too few copies are there.</summary>
    Broker,

    /// <summary>Brokers do not know who we are, or do not let us do it.</summary>
    Authorization,

    /// <summary>The event is larger, or otherwise not as the log allows.</summary>
    BadEvent,

    /// <summary>The topic is not there, or not as it must be.</summary>
    Topic,

    /// <summary>What is needed for this kind of log is not installed, or its settings cannot be used.</summary>
    Unavailable,

    /// <summary>None of these.</summary>
    Unknown,
}

/// <summary>A log did not do what it was asked for.</summary>
/// <param name="failure">Why.</param>
/// <param name="message">For people, with the mend where there is one.</param>
/// <param name="innerException">What was found below.</param>
public sealed class EventLogException(EventLogFailure failure, string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>Why.</summary>
    public EventLogFailure Failure { get; } = failure;
}
