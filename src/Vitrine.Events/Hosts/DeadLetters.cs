using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Vitrine.Events.Processing;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Hosts;

/// <summary>Puts events aside that a group could not work on, with all that is needed to understand why and to work on them again.</summary>
/// <param name="stamp">Makes the events.</param>
/// <param name="group">Which group.</param>
public sealed class DeadLetters(EventStamp stamp, string group)
{
    /// <summary>Causes that are told, and characters of each text.</summary>
    private const int CausesMax = 8, TextMax = 4096;

    // More is cut off: the batch must have room for it. An event of ours has some hundred bytes.
    private const int PayloadBytesMax = 256 << 10;

    /// <summary>Adds the dead letter of an event.</summary>
    /// <param name="record">The event.</param>
    /// <param name="failure">Why.</param>
    /// <param name="outputs">Takes it.</param>
    public void Add(EventRecord record, Exception failure, IEventOutputs<Event> outputs)
    {
        ArgumentNullException.ThrowIfNull(failure);
        ArgumentNullException.ThrowIfNull(outputs);
        DeadLetter letter = new()
        {
            Reason = failure switch
            {
                EventFormatException { Failure: EventFormatFailure.Schema } => DeadLetter.Types.Reason.Schema,
                EventFormatException => DeadLetter.Types.Reason.Serialisation,
                _ => DeadLetter.Types.Reason.Processing,
            },
            Group = group,
            Topic = record.Topic,
            Position = record.Position.ToString(),
            Taken = Timestamp.FromDateTimeOffset(record.Time),
            Key = ByteString.CopyFrom(record.Key.Span),
            Payload = ByteString.CopyFrom(record.Value.Span[..Math.Min(record.Value.Length, PayloadBytesMax)]),
            PayloadBytes = (uint)record.Value.Length,
        };
        for (Exception? cause = failure; cause is not null && letter.Causes.Count < CausesMax; cause = cause.InnerException)
        {
            letter.Causes.Add(new Cause { Type = cause.GetType().FullName, Message = Cut(cause.Message), Stack = Cut(cause.StackTrace ?? "") });
        }

        Event made = stamp.New();
        made.DeadLetter = letter;
        outputs.Add(EventTopics.DeadLetters, record.Key.Span, made);
    }

    private static string Cut(string text) => text.Length <= TextMax ? text : text[..TextMax];
}
