namespace Vitrine.Events.Hosts;

/// <summary>What events of hosts belong to (<c>protos/vitrine/v1/events.proto</c>).</summary>
public static class EventTopics
{
    /// <summary>Hosts come and go, what they share, and who looks.</summary>
    public const string Sessions = "sessions";

    /// <summary>Figures, and that a host lives.</summary>
    public const string Statistics = "statistics";

    /// <summary>What did not work.</summary>
    public const string Errors = "errors";

    /// <summary>What is worth a look, and what is so no more.</summary>
    public const string Alerts = "alerts";

    /// <summary>Figures of whole minutes.</summary>
    public const string Minutes = "minutes";

    /// <summary>Events that could not be worked on.</summary>
    public const string DeadLetters = "dead-letters";

    /// <summary>Small pictures of what is shared.</summary>
    public const string Thumbnails = "thumbnails";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Sessions, Statistics, Errors, Alerts, Minutes, DeadLetters, Thumbnails];

    /// <summary>Those that minutes and alerts are made of.</summary>
    public static IReadOnlyList<string> OfHosts { get; } = [Sessions, Statistics, Errors];
}
