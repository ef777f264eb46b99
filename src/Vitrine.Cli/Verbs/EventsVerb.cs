namespace Vitrine.Cli.Verbs;

/// <summary>What hosts keep of what happens.</summary>
internal sealed class EventsVerb : Verb
{
    public EventsVerb(Terminal terminal)
        : base(
            "events",
            "Shows what happened: hosts, viewers, figures, alerts, errors. Hosts keep it without being asked to.",
            ("vitrine events tail", "the last events, and those that come"),
            ("vitrine events tail --json --follow off --since 1h", "those of the last hour, for scripts"),
            ("vitrine events replay --since 1h --speed 10", "the last hour again, in six minutes"),
            ("vitrine events dead-letters", "events that could not be worked on, and why"),
            ("vitrine events health", "whether what keeps them is healthy"),
            ("vitrine events doctor", "whether events can be kept, and what mends it if not"),
            ("vitrine events config", "where they go: every setting of them, and where it came from"))
    {
        Add(new EventsTailVerb(terminal));
        Add(new EventsReplayVerb(terminal));
        Add(new EventsDeadLettersVerb(terminal));
        Add(new EventsHealthVerb(terminal));
        Add(new EventsDoctorVerb(terminal));
        Add(new EventsConfigVerb(terminal));
    }
}
