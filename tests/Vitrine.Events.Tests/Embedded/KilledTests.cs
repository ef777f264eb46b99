using System.Diagnostics;
using System.Globalization;
using Vitrine.Events.Embedded;

namespace Vitrine.Events.Tests.Embedded;

/// <summary>kill -9 at any moment: what was acknowledged is there, once.</summary>
public sealed class KilledTests : IDisposable
{
    private const int Kills = 15;

    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-events-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task WhatWasAcknowledged_IsThereOnce()
    {
        Random random = new(4);
        Dictionary<long, long> acknowledged = []; // numbers by offset
        Dictionary<string, long> places = [];
        long first = 0;
        for (int kill = 0; kill < Kills; kill++)
        {
            int moment = random.Next(1, 300);
            foreach (string line in await RunAsync(first, moment))
            {
                if (line.Split(' ') is not [string offset, string number, string count, string lane] || !long.TryParse(lane, out _))
                {
                    continue; // torn, as its process was killed
                }

                long at = Parse(offset), value = Parse(number);
                for (int i = 0; i < Parse(count); i++)
                {
                    Assert.True(acknowledged.TryAdd(at + i, value + i), $"Offset {at + i} was given twice.");
                }

                places[$"lane {lane}"] = value + Parse(count);
            }

            await using EmbeddedLog log = EmbeddedLog.Open(new() { Folder = _folder });
            Assert.All(log.Damage, damage => Assert.True(damage.IsTorn, damage.ToString()));
            List<long> numbers = Numbers.Read(log);
            Assert.Equal(numbers.Count, numbers.Distinct().Count());
            Assert.Equal(log.EndOffset, numbers.Count);
            Assert.All(acknowledged, each => Assert.Equal(each.Value, numbers[(int)each.Key]));
            foreach ((string lane, long place) in places)
            {
                // What was durable, but not told, may be there too.
                Assert.True(log.TryGetPlace(lane, out EventPlace durable));
                Assert.True(durable.Done >= place);
                Assert.Contains(durable.Done - 1, numbers);
            }

            first = numbers.Max() + 1000; // of what was never durable, no number is used again
        }

        Assert.True(acknowledged.Count > Kills);
    }

    private static long Parse(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>Kills the process when it has acknowledged so many batches.</summary>
    /// <returns>Its lines.</returns>
    private async Task<List<string>> RunAsync(long first, int moment)
    {
        using Process process = Process.Start(new ProcessStartInfo("dotnet", ["exec", typeof(Appender).Assembly.Location, _folder, first.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true })!;
        List<string> lines = [];
        try
        {
            while (lines.Count < moment && await process.StandardOutput.ReadLineAsync() is { } line)
            {
                lines.Add(line);
            }
        }
        finally
        {
            process.Kill();
        }

        lines.AddRange((await process.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries));
        await process.WaitForExitAsync();
        return lines;
    }
}
