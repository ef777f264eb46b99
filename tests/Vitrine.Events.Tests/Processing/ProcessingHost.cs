using System.Globalization;
using Vitrine.Events.Hosts;

namespace Vitrine.Events.Tests.Processing;

/// <summary>Appends events and works on them until it is killed, and writes a line for each that is acknowledged.</summary>
internal static class ProcessingHost
{
    public static async Task RunAsync(string folder, long first)
    {
        await using SampleEvents events = await SampleEvents.OpenAsync(folder);
        EventStamp stamp = SampleEvents.Stamp(TimeProvider.System);
        Task processing = CountingWorker.Processor(events.Log, events.Format, stamp, TimeSpan.FromMilliseconds(100)).RunAsync(CancellationToken.None);
        for (long number = first; !processing.IsCompleted; number++)
        {
            string text = number.ToString(CultureInfo.InvariantCulture);
            await events.AppendAsync(EventTopics.Errors, stamp, happened => happened.ErrorOccurred = new() { Message = text });
            await Console.Out.WriteLineAsync(text + ".");
            await Console.Out.FlushAsync();
        }

        await processing;
    }
}
