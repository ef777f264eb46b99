using System.Diagnostics;
using Vitrine.Events.Embedded;

namespace Vitrine.Events.Tests.Embedded;

public sealed class EmbeddedLogTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-events-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Appended_IsReadInItsOrder_AlsoAfterReopening()
    {
        await using (EmbeddedLog log = Open())
        {
            Assert.Equal(0, await AppendAsync(log, 0, 3));
            Assert.Equal(3, await AppendAsync(log, 3, 2));
            Assert.Equal([0, 1, 2, 3, 4], Numbers.Read(log));
        }

        await using (EmbeddedLog log = Open())
        {
            Assert.Empty(log.Damage);
            Assert.Equal((0, 5), (log.BeginOffset, log.EndOffset));
            Assert.Equal(5, await AppendAsync(log, 5, 1));
            Assert.Equal([2, 3, 4, 5], Numbers.Read(log, from: 2));
        }

        using EmbeddedReader reader = EmbeddedReader.Open(_folder, EventStart.Oldest);
        Assert.True(reader.TryRead(out EventRecord record));
        Assert.Equal((0, "numbers", 8, 8), (record.Offset, record.Topic, record.Key.Length, record.Value.Length));
        Assert.InRange(record.Time, DateTimeOffset.UtcNow - s_patience, DateTimeOffset.UtcNow);
    }

    [Fact]
    public async Task ManyAtATime_AllDurableOnce()
    {
        await using EmbeddedLog log = Open();
        long[] offsets = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => Task.Run(async () => await AppendAsync(log, i, 1))));
        Assert.Equal(Enumerable.Range(0, 200).Select(i => (long)i), offsets.Order());
        Assert.Equal(Enumerable.Range(0, 200).Select(i => (long)i), Numbers.Read(log).Order());
    }

    [Fact]
    public async Task MoreThanMayWait_WaitsAndIsKept()
    {
        await using EmbeddedLog log = Open(options => options with { PendingBytesMax = 1000 });
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Task.Run(async () => await AppendAsync(log, i, 30))));
        Assert.Equal(1500, Numbers.Read(log).Count);
    }

    [Fact]
    public async Task TornAtEveryByteOfTheLastFrame_WhatWasBeforeIsThere()
    {
        await using (EmbeddedLog log = Open())
        {
            await AppendAsync(log, 0, 2);
            await AppendAsync(log, 2, 3);
        }

        string file = Assert.Single(Files());
        byte[] whole = await File.ReadAllBytesAsync(file);
        int last = whole.AsSpan().LastIndexOf(LogFrame.Mark);
        for (int length = last + 1; length < whole.Length; length += 7)
        {
            await File.WriteAllBytesAsync(file, whole[..length]);
            await using EmbeddedLog log = Open();
            Assert.Equal(new LogDamage(file, last, length, IsTorn: true), Assert.Single(log.Damage));
            Assert.Equal([0, 1], Numbers.Read(log));
            Assert.Equal(2, await AppendAsync(log, 2, 1));
            Assert.Equal([0, 1, 2], Numbers.Read(log));
        }
    }

    [Fact]
    public async Task RoomAtTheEnd_IsNoDamage_AndGoesOnBeingUsed()
    {
        await using EmbeddedLog log = Open();
        await AppendAsync(log, 0, 2);
        string file = Assert.Single(Files());
        long length = new FileInfo(file).Length;
        Assert.True(length > 1 << 20);
        using EmbeddedReader beside = EmbeddedReader.Open(_folder, EventStart.Oldest);
        Assert.Equal([0, 1], Numbers.Read(beside));
        Assert.Empty(Numbers.Read(beside));
        await AppendAsync(log, 2, 3);
        Assert.Equal(length, new FileInfo(file).Length);
        Assert.Equal([2, 3, 4], Numbers.Read(beside));
        Assert.Equal((0, 0), (beside.Missed, beside.Damage.Count));

        // As it is found when its owner was killed; whole, and with the last frame torn.
        foreach (int torn in (int[])[0, 20])
        {
            string folder = Path.Combine(_folder, $"killed-{torn}"), copy = Path.Combine(folder, Path.GetFileName(file));
            Directory.CreateDirectory(folder);
            byte[] left = await File.ReadAllBytesAsync(file);
            left.AsSpan(left.AsSpan().LastIndexOfAnyExcept((byte)0) + 1 - torn).Clear();
            await File.WriteAllBytesAsync(copy, left);
            await using EmbeddedLog next = EmbeddedLog.Open(new() { Folder = folder });
            Assert.Equal(torn > 0, next.Damage is [{ IsTorn: true }]);
            Assert.Equal(torn > 0 ? 2 : 5, next.EndOffset);
            long first = next.EndOffset;
            Assert.Equal(first, await AppendAsync(next, first, 1));
            Assert.Equal(Enumerable.Range(0, (int)first + 1).Select(i => (long)i), Numbers.Read(next));
        }
    }

    [Fact]
    public async Task Closed_LeavesNoRoom()
    {
        await using (EmbeddedLog log = Open())
        {
            await AppendAsync(log, 0, 2);
        }

        Assert.InRange(new FileInfo(Assert.Single(Files())).Length, 1, 1000);
    }

    [Fact]
    public async Task AFileThatIsFilledFast_HasTheNextOneMadeMeanwhile()
    {
        const int FileBytes = 1_000_000;
        await using (EmbeddedLog log = Open(options => options with { SegmentBytes = FileBytes }))
        {
            long number = 0;
            for (int files = 2; files <= 4; files++)
            {
                while (Files().Length < files)
                {
                    await AppendAsync(log, number, 100);
                    number += 100;
                }

                FileInfo next = new(Path.Combine(_folder, "next"));
                await AssertSoonAsync(() => { next.Refresh(); return next.Exists && next.Length == FileBytes; }, "The next file is not made.");
                if (files > 2)
                {
                    Assert.Equal(FileBytes, new FileInfo(Files()[^1]).Length);
                }
            }

            using EmbeddedReader beside = EmbeddedReader.Open(_folder, EventStart.Oldest);
            Assert.Equal(number, Numbers.Read(beside).Count);
            Assert.Equal((0, 0), (beside.Missed, beside.Damage.Count));
        }

        Assert.DoesNotContain(Directory.GetFiles(_folder), file => Path.GetFileName(file) == "next");
        Assert.All(Files(), file => Assert.InRange(new FileInfo(file).Length, 1, FileBytes));
        Assert.InRange(new FileInfo(Files()[^1]).Length, 1, FileBytes / 2);
    }

    [Fact]
    public async Task ANextFileThatAKilledOwnerLeft_IsRemoved()
    {
        string left = Path.Combine(_folder, "next");
        await File.WriteAllBytesAsync(left, new byte[1000]);
        await using EmbeddedLog log = Open();
        Assert.False(File.Exists(left));
        Assert.Equal((0, 0), (log.EndOffset, log.Damage.Count));
    }

    [Fact]
    public async Task DamageInTheMiddle_IsToldAndPassedOver()
    {
        await using (EmbeddedLog log = Open())
        {
            for (int i = 0; i < 5; i++)
            {
                await AppendAsync(log, 2 * i, 2);
            }
        }

        string file = Assert.Single(Files());
        byte[] whole = await File.ReadAllBytesAsync(file);
        int frame = LogFrame.HeadBytes + (2 * (EventBatch.EntryHeadBytes + "numbers".Length + 16)), third = whole.Length - (3 * frame);
        for (int at = third; at < third + frame; at += 5)
        {
            byte[] broken = [.. whole];
            broken[at] ^= 0x20;
            await File.WriteAllBytesAsync(file, broken);
            await using EmbeddedLog log = Open();
            Assert.Equal(new LogDamage(file, third, third + frame, IsTorn: false), Assert.Single(log.Damage));
            using EmbeddedReader reader = EmbeddedReader.Open(log, EventStart.Oldest);
            Assert.Equal([0, 1, 2, 3, 6, 7, 8, 9], Numbers.Read(reader));
            Assert.Equal(2, reader.Missed);
            Assert.Equal(log.Damage, reader.Damage);
            Assert.Equal(10, await AppendAsync(log, 10, 1));
            Assert.Equal([10], Numbers.Read(reader));
        }
    }

    [Fact]
    public async Task Places_AreKeptWithTheEventsThatWentWithThem()
    {
        await using (EmbeddedLog log = Open(options => options with { SegmentBytes = 500 }))
        {
            for (int i = 0; i < 20; i++)
            {
                EventBatch batch = Numbers.Batch(i, 1);
                batch.AddPlace("aggregates", new(i, i + 1));
                batch.AddPlace($"group {i % 3}", EventPlace.At(i));
                await log.AppendAsync(batch);
            }

            Assert.True(Files().Length > 3);
        }

        await using EmbeddedLog again = Open();
        Assert.True(again.TryGetPlace("aggregates", out EventPlace place));
        Assert.Equal(new EventPlace(19, 20), place);
        Assert.True(again.TryGetPlace("group 0", out place));
        Assert.Equal(EventPlace.At(18), place);
        Assert.False(again.TryGetPlace("nobody", out _));
    }

    [Fact]
    public async Task BrokenBeginningOfTheLastFile_PlacesComeFromTheOneBefore()
    {
        await using (EmbeddedLog log = Open(options => options with { SegmentBytes = 500 }))
        {
            for (int i = 0; i < 20; i++)
            {
                EventBatch batch = Numbers.Batch(i, 1);
                batch.AddPlace("group", EventPlace.At(i));
                await log.AppendAsync(batch);
            }
        }

        string last = Files()[^1];
        byte[] bytes = await File.ReadAllBytesAsync(last);
        bytes[20] ^= 1;
        await File.WriteAllBytesAsync(last, bytes);
        await using EmbeddedLog again = Open();
        Assert.Equal(last, Assert.Single(again.Damage).Path);
        Assert.True(again.TryGetPlace("group", out EventPlace place));
        Assert.Equal(EventPlace.At(19), place);
        Assert.Equal(20, again.EndOffset);
        Assert.Equal(20, Numbers.Read(again).Count);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(10, 0)]
    [InlineData(39, 0)]
    [InlineData(0, 5_000)]
    [InlineData(10, 5_000)]
    [InlineData(20, 5_000)]
    public async Task OwnerThatEndedWhileItBeganAFile_LeavesPlacesToTheNextOnes(int headBytes, int roomBytes)
    {
        byte[] head;
        await using (EmbeddedLog log = Open())
        {
            EventBatch batch = Numbers.Batch(0, 3);
            batch.AddPlace("asleep", EventPlace.At(2));
            await log.AppendAsync(batch);
            head = await File.ReadAllBytesAsync(Files()[^1]);
        }

        await File.WriteAllBytesAsync(Path.Combine(_folder, $"{3:D20}.events"), [.. head[..headBytes], .. new byte[roomBytes]]);
        using EmbeddedReader reader = EmbeddedReader.Open(_folder, EventStart.Oldest);
        Assert.Equal([0, 1, 2], Numbers.Read(reader));
        for (int i = 3; i < 6; i++)
        {
            await using EmbeddedLog next = Open();
            Assert.Equal(i, next.EndOffset);
            Assert.True(next.TryGetPlace("asleep", out EventPlace place));
            Assert.Equal(EventPlace.At(2), place);
            await AppendAsync(next, i, 1);
            Assert.Equal([i], Numbers.Read(reader));
        }

        Assert.Equal((2, 0), (Files().Length, reader.Missed));
    }

    [Fact]
    public async Task OldFiles_AreRemoved_AndReadersToldWhatTheyMissed()
    {
        await using EmbeddedLog log = Open(options => options with { SegmentBytes = 500, RetentionBytes = 2_000 });
        using EmbeddedReader early = EmbeddedReader.Open(log, EventStart.Oldest);
        for (int i = 0; i < 100; i++)
        {
            await AppendAsync(log, i, 1);
        }

        await AssertSoonAsync(() => Files().Sum(LengthOf) is >= 1 and <= 2_500, "Old files are still there.");
        Assert.InRange(log.BeginOffset, 1, 99);
        using EmbeddedReader late = EmbeddedReader.Open(log, EventStart.Oldest);
        List<long> numbers = Numbers.Read(late);
        Assert.Equal(log.BeginOffset, numbers[0]);
        Assert.Equal(100 - log.BeginOffset, numbers.Count);
        Assert.Equal(log.BeginOffset, late.Missed);
    }

    [Fact]
    public async Task AFileOfTheRightAge_IsRemoved()
    {
        SetClock clock = new();
        await using EmbeddedLog log = Open(options => options with { SegmentBytes = 500, RetentionAge = TimeSpan.FromDays(2), Time = clock });
        for (int day = 0; day < 10; day++)
        {
            clock.Now += TimeSpan.FromDays(1);
            for (int i = 0; i < 6; i++)
            {
                await AppendAsync(log, (10 * day) + i, 1);
            }
        }

        await AssertSoonAsync(() => Numbers.Read(log)[0] >= 60, "Files that are too old are still there.");
        List<long> kept = Numbers.Read(log);
        Assert.Equal(95, kept[^1]);
        Assert.InRange(kept[0], 60, 80);
    }

    [Fact]
    public async Task AClockThatIsSetBack_DoesNotSetTheLogBack_AndTimesAreFound()
    {
        SetClock clock = new();
        await using EmbeddedLog log = Open(options => options with { SegmentBytes = 300, Time = clock });
        DateTimeOffset begun = clock.Now;
        for (int i = 0; i < 30; i++)
        {
            await AppendAsync(log, i, 1);
            clock.Now += TimeSpan.FromSeconds(i == 15 ? -100 : 1);
        }

        using EmbeddedReader all = EmbeddedReader.Open(log, EventStart.Oldest);
        DateTimeOffset before = DateTimeOffset.MinValue;
        while (all.TryRead(out EventRecord record))
        {
            Assert.True(record.Time >= before);
            before = record.Time;
        }

        using EmbeddedReader some = EmbeddedReader.Open(log, EventStart.Since(begun + TimeSpan.FromSeconds(7.5)));
        Assert.Equal(8, Numbers.Read(some)[0]);
        using EmbeddedReader none = EmbeddedReader.Open(log, EventStart.Since(begun + TimeSpan.FromDays(1)));
        Assert.Empty(Numbers.Read(none));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AReaderThatFollows_GetsAllOnce(bool isOwn)
    {
        await using EmbeddedLog log = Open(options => options with { SegmentBytes = 20_000 });
        await AppendAsync(log, 0, 1);
        using EmbeddedReader reader = isOwn ? EmbeddedReader.Open(log, EventStart.Oldest) : EmbeddedReader.Open(_folder, EventStart.Oldest);
        Task<List<long>> reading = Task.Run(async () =>
        {
            using CancellationTokenSource late = new(s_patience);
            List<long> numbers = [];
            while (numbers.Count < 5001)
            {
                numbers.Add(Numbers.Of(await reader.ReadAsync(late.Token)));
            }

            return numbers;
        });
        for (int i = 1; i <= 5000; i += 10)
        {
            await AppendAsync(log, i, 10);
        }

        Assert.Equal(Enumerable.Range(0, 5001).Select(i => (long)i), await reading);
        Assert.Equal((0, 0), (reader.Missed, reader.Damage.Count));
    }

    [Fact]
    public async Task AReaderThatIsAlwaysAtTheEnd_GetsAllOnce()
    {
        const int Count = 4000;
        await using EmbeddedLog log = Open(options => options with { SegmentBytes = 500 });
        await AppendAsync(log, 0, 1);
        using EmbeddedReader reader = EmbeddedReader.Open(_folder, EventStart.Oldest);
        Task<List<long>> reading = Task.Run(() =>
        {
            List<long> numbers = [];
            for (long until = Environment.TickCount64 + (long)s_patience.TotalMilliseconds; numbers.Count < Count && reader.Missed == 0 && Environment.TickCount64 < until;)
            {
                if (reader.TryRead(out EventRecord record))
                {
                    numbers.Add(Numbers.Of(record));
                }
            }

            return numbers;
        });
        for (int i = 1; i < Count; i++)
        {
            await AppendAsync(log, i, 1);
        }

        Assert.Equal(Enumerable.Range(0, Count).Select(i => (long)i), await reading);
        Assert.Equal((0, 0), (reader.Missed, reader.Damage.Count));
    }

    [Fact]
    public async Task AReaderOfATornEnd_GoesOnWithWhatTheNextOwnerWrites()
    {
        await using (EmbeddedLog log = Open())
        {
            await AppendAsync(log, 0, 2);
            await AppendAsync(log, 2, 3);
        }

        string file = Assert.Single(Files());
        byte[] whole = await File.ReadAllBytesAsync(file);
        await File.WriteAllBytesAsync(file, whole[..^20]);
        using EmbeddedReader reader = EmbeddedReader.Open(_folder, EventStart.Oldest);
        Assert.Equal([0, 1], Numbers.Read(reader));
        Assert.Empty(Numbers.Read(reader)); // a second and a third look do not pass it over
        Assert.Empty(Numbers.Read(reader));
        await using EmbeddedLog next = Open();
        await AppendAsync(next, 10, 4);
        Assert.Equal([10, 11, 12, 13], Numbers.Read(reader));
        Assert.Equal((0, 0), (reader.Missed, reader.Damage.Count));
    }

    [Fact]
    public async Task ASecondOwner_IsRefused()
    {
        await using EmbeddedLog log = Open();
        EventLogException refused = Assert.Throws<EventLogException>(() => Open());
        Assert.Equal(EventLogFailure.InUse, refused.Failure);
        Assert.Contains(_folder, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFolderThatCannotBe_IsRefused()
    {
        string file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "");
        Assert.Equal(EventLogFailure.NotALog, Assert.Throws<EventLogException>(() => EmbeddedLog.Open(new() { Folder = Path.Combine(file, "log") })).Failure);
        Assert.Equal(EventLogFailure.NotALog, Assert.Throws<EventLogException>(() => EmbeddedReader.Open(_folder, EventStart.Oldest)).Failure);
    }

    [Fact]
    public async Task Closed_WritesWhatWaits()
    {
        EmbeddedLog log = Open();
        Task<long>[] appended = [.. Enumerable.Range(0, 20).Select(i => AppendAsync(log, i, 1))];
        await log.DisposeAsync();
        Assert.Equal(20, (await Task.WhenAll(appended)).Length);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => AppendAsync(log, 20, 1));
        await using EmbeddedLog again = Open();
        Assert.Equal(20, again.EndOffset);
    }

    [RootFact]
    public Task AFullDisk_RefusesAndGoesOnWhenThereIsRoom() => FillDiskAsync(new EmbeddedLogOptions { Folder = "" }.SegmentBytes);

    [RootFact]
    public Task AFullDiskWithFilesThatAreFilledFast_RefusesAndGoesOnWhenThereIsRoom() => FillDiskAsync(50_000);

    [Fact]
    public async Task AnAppend_MakesNothing()
    {
        await using EmbeddedLog log = Open();
        EventBatch batch = Numbers.Batch(1, 1);
        for (int i = 0; i < 200; i++)
        {
            await log.AppendAsync(batch);
        }

        Assert.Equal(0, Allocation.BytesOf(() =>
        {
            for (int i = 0; i < 20; i++)
            {
                ValueTask<EventPosition> appended = log.AppendAsync(batch);
                while (!appended.IsCompleted)
                {
                    Thread.Yield();
                }

                _ = appended.Result;
            }
        }));
    }

    private async Task FillDiskAsync(int fileBytes)
    {
        string disk = Path.Combine(_folder, "disk");
        Directory.CreateDirectory(disk);
        await RunAsync("mount", "-t", "tmpfs", "-o", "size=256k", "none", disk);
        try
        {
            await using EmbeddedLog log = EmbeddedLog.Open(new() { Folder = Path.Combine(disk, "log"), SegmentBytes = fileBytes });
            string ballast = Path.Combine(disk, "ballast");
            await File.WriteAllBytesAsync(ballast, new byte[100 << 10]);
            EventBatch batch = new();
            batch.Add("large", default, new byte[20 << 10]);
            int kept = 0;
            EventLogException? full = null;
            while (full is null)
            {
                full = (EventLogException?)await Record.ExceptionAsync(async () => await log.AppendAsync(batch));
                kept += full is null ? 1 : 0;
            }

            Assert.Equal(EventLogFailure.DiskFull, full.Failure);
            Assert.Contains(disk, full.Message, StringComparison.Ordinal);
            Assert.InRange(kept, 2, 10);
            File.Delete(ballast);
            Assert.Equal(EventPosition.Embedded(kept), await log.AppendAsync(batch));
            using EmbeddedReader reader = EmbeddedReader.Open(log, EventStart.Oldest);
            int read = 0;
            while (reader.TryRead(out _))
            {
                read++;
            }

            Assert.Equal((kept + 1, 0L, 0), (read, reader.Missed, reader.Damage.Count));
        }
        finally
        {
            await RunAsync("umount", disk);
        }
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    private static async Task<long> AppendAsync(EmbeddedLog log, long first, int count) => (await log.AppendAsync(Numbers.Batch(first, count))).Offset;

    private EmbeddedLog Open(Func<EmbeddedLogOptions, EmbeddedLogOptions>? change = null)
    {
        EmbeddedLogOptions options = new() { Folder = _folder };
        return EmbeddedLog.Open(change?.Invoke(options) ?? options);
    }

    private static async Task AssertSoonAsync(Func<bool> condition, string otherwise)
    {
        for (long until = Environment.TickCount64 + (long)s_patience.TotalMilliseconds; !condition();)
        {
            Assert.True(Environment.TickCount64 < until, otherwise);
            await Task.Delay(5);
        }
    }

    private static long LengthOf(string file)
    {
        try
        {
            return new FileInfo(file).Length;
        }
        catch (FileNotFoundException)
        {
            return 0; // removed this moment
        }
    }

    private string[] Files() => [.. Directory.GetFiles(_folder, "*.events").Order()];
}
