using Google.Protobuf;

namespace Vitrine.Events.Processing;

/// <summary>Works on the events of one partition. What it does must follow from the events, their order and the times it is given alone.</summary>
/// <remarks>One thread at a time.</remarks>
/// <typeparam name="TIn">What it reads.</typeparam>
/// <typeparam name="TOut">What comes of it.</typeparam>
public abstract class EventWorker<TIn, TOut>
    where TOut : class, IMessage<TOut>, new()
{
    /// <summary>Knows again what <see cref="Save"/> wrote down.</summary>
    /// <param name="state">From whoever worked on the partition before.</param>
    /// <exception cref="InvalidProtocolBufferException">It is none.</exception>
    public abstract void Restore(ReadOnlySpan<byte> state);

    /// <summary>Writes down what it knows, at most <see cref="EventBatch.StateBytesMax"/> bytes.</summary>
    public abstract byte[] Save();

    /// <summary>Works on an event.</summary>
    /// <param name="input">The event.</param>
    /// <param name="record">As it stands in the log.</param>
    /// <param name="outputs">Takes what comes of it.</param>
    /// <exception cref="EventProcessingException">The event is to be put aside. The worker is as it was before.</exception>
    public abstract void Work(TIn input, in EventRecord record, IEventOutputs<TOut> outputs);

    /// <summary>Time has passed, and all events that are there have been worked on. What the worker knows changes only where something comes of it.</summary>
    /// <param name="now">By the wall clock.</param>
    /// <param name="outputs">Takes what comes of it.</param>
    public virtual void PassTime(DateTimeOffset now, IEventOutputs<TOut> outputs)
    {
    }
}

/// <summary>Takes what comes of events.</summary>
public interface IEventOutputs<TOut>
{
    /// <summary>Adds an event.</summary>
    /// <param name="topic">What it belongs to.</param>
    /// <param name="key">Events of one key keep their order.</param>
    /// <param name="output">The event.</param>
    void Add(string topic, ReadOnlySpan<byte> key, TOut output);
}
