using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Vitrine.Events.Hosts;
using Vitrine.Events.Processing;
using Vitrine.Events.Schemas;
using Vitrine.Wire.V1;

namespace Vitrine.Events.Tests.Processing;

/// <summary>Makes an event of each: its text, and how many there were before. «poison» it refuses.</summary>
internal sealed class CountingWorker(EventStamp stamp) : EventWorker<Event, Event>
{
    public const string Topic = "alerts";

    private long _count;

    public override void Restore(ReadOnlySpan<byte> state) => _count = BinaryPrimitives.ReadInt64LittleEndian(state);

    public override byte[] Save()
    {
        byte[] state = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(state, _count);
        return state;
    }

    [MethodImpl(MethodImplOptions.NoInlining)] // a test looks for it in a stack
    public override void Work(Event input, in EventRecord record, IEventOutputs<Event> outputs)
    {
        string text = input.ErrorOccurred.Message;
        if (text == "poison")
        {
            throw new EventProcessingException("It cannot be counted.", new InvalidOperationException("because of what it is"));
        }

        Event output = stamp.New();
        output.ErrorOccurred = new() { Part = _count.ToString(CultureInfo.InvariantCulture), Message = text };
        _count++;
        outputs.Add(Topic, Encoding.UTF8.GetBytes(text), output);
    }

    public static ExactlyOnceProcessor<Event, Event> Processor(IEventLog log, EventFormat<Event> format, EventStamp stamp, TimeSpan stateInterval) =>
        new(log, format, format, new("counting", [EventTopics.Errors], () => new CountingWorker(stamp), new DeadLetters(stamp, "counting").Add)
        {
            StateInterval = stateInterval,
            TickInterval = TimeSpan.FromMilliseconds(20),
        });
}
