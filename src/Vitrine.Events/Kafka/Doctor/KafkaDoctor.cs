using Vitrine.Events.Hosts;

namespace Vitrine.Events.Kafka.Doctor;

/// <summary>Walks the way that a client walks to Kafka, and names the first cause that is in it, with the change to make.</summary>
/// <remarks>What it makes is <c>PREFIXdoctor</c>, a topic for one event, which it removes again; a group of the same name, which ends when it leaves;
/// and a transactional id, which brokers forget by themselves after seven days (transactional.id.expiration.ms). A topic of that name that is there
/// already is used and left.</remarks>
public static class KafkaDoctor
{
    /// <summary>The end of the names of what it makes.</summary>
    public const string ProbeName = "doctor";

    /// <summary>Looks at the way, and at the cluster at its end.</summary>
    /// <param name="options">As an event log would have them.</param>
    /// <param name="probeTopic">Takes one event with the key <c>vitrine-doctor</c>, in place of a topic of its own; null: a topic of its own.</param>
    /// <param name="cancellationToken">Ends it. What it has made by then stays.</param>
    public static Task<Examination> ExamineAsync(KafkaOptions options, string? probeTopic = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        return ExamineAsync(options, probeTopic, new(), new(), TimeProvider.System, cancellationToken);
    }

    internal static async Task<Examination> ExamineAsync(
        KafkaOptions options, string? probeTopic, KafkaNetwork network, KafkaPatience patience, TimeProvider time, CancellationToken cancellationToken)
    {
        await using KafkaExamination examination = new(options, EventTopics.All, probeTopic, network, patience, time, cancellationToken);
        return await examination.RunAsync();
    }
}
