using System.Text.Json;
using Vitrine.Transports.Calls;

namespace Vitrine.Lab.Transport;

/// <summary>Keeps streams of answers flowing (<see cref="SteadyStreams"/>) in a process of its own. Reads one <see cref="StreamOrder"/> a
/// line, and writes one <see cref="StreamResult"/>.</summary>
public static class StreamAgent
{
    /// <summary>Works until the input ends.</summary>
    public static async Task RunAsync(TextReader input, TextWriter output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        SteadyStreams? streams = null;
        try
        {
            while (await input.ReadLineAsync(cancellationToken) is { } line)
            {
                StreamResult result = new();
                try
                {
                    StreamOrder order = JsonSerializer.Deserialize(line, EchoJson.Default.StreamOrder) ?? throw new JsonException("null");
                    if (order.Open is not null)
                    {
                        await (streams?.DisposeAsync() ?? default);
                        streams = null;
                        streams = await SteadyStreams.OpenAsync(order.Open, cancellationToken);
                    }

                    if (order.Seconds > 0)
                    {
                        result = await (streams ?? throw new ArgumentException("No streams are open."))
                            .MeasureAsync(TimeSpan.FromSeconds(order.Seconds), order.Stalls, cancellationToken);
                    }

                    if (order.Closes && streams is not null)
                    {
                        await streams.DisposeAsync();
                        streams = null;
                    }
                }
                catch (Exception exception) when (exception is IOException or CallException or JsonException or ArgumentException or FormatException or OperationCanceledException)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    result = new() { Failure = exception.Message };
                }

                await output.WriteLineAsync(JsonSerializer.Serialize(result, EchoJson.Default.StreamResult));
                await output.FlushAsync(cancellationToken);
            }
        }
        finally
        {
            await (streams?.DisposeAsync() ?? default);
        }
    }
}
