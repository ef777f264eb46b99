using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Tests.Calls;

public class MessageRoomTests
{
    [Fact]
    public async Task NoRoom_WaitsUntilItIsGivenBack_InOrder()
    {
        MessageRoom room = new(100, null);
        await room.TakeAsync(60, default);
        Task second = room.TakeAsync(60, default).AsTask(), third = room.TakeAsync(10, default).AsTask();
        Assert.False(second.IsCompleted);
        Assert.False(third.IsCompleted); // it would fit, but others were first
        room.Release(60);
        await second;
        await third;
        Assert.Equal(70, room.Bytes);
        room.Release(60);
        room.Release(10);
        Assert.Equal(0, room.Bytes);
    }

    [Fact]
    public async Task LargerThanTheRoom_GoesInAlone()
    {
        MessageRoom room = new(100, null);
        Task large = room.TakeAsync(1000, default).AsTask();
        Assert.True(large.IsCompletedSuccessfully);
        Task next = room.TakeAsync(1, default).AsTask();
        Assert.False(next.IsCompleted);
        room.Release(1000);
        await next;
    }

    [Fact]
    public async Task WaitGivenUp_NothingIsTaken_AndOthersGoOn()
    {
        MessageRoom around = new(100, null), room = new(100, around), other = new(100, around);
        await other.TakeAsync(90, default);
        using CancellationTokenSource cancel = new();
        Task waiting = room.TakeAsync(50, cancel.Token).AsTask(); // has room of its own, and waits for what is around
        Assert.False(waiting.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.Equal(0, room.Bytes);
        Assert.Equal(90, around.Bytes);
        Task next = room.TakeAsync(60, default).AsTask();
        other.Release(90);
        await next;
        Assert.Equal(60, around.Bytes);
    }

    [Fact]
    public async Task ManyAtATime_NeverMoreThanTheRoom()
    {
        MessageRoom around = new(1000, null);
        MessageRoom[] rooms = [new(400, around), new(400, around), new(400, around)];
        long most = 0;
        await Parallel.ForEachAsync(Enumerable.Range(0, 10_000), async (i, over) =>
        {
            int bytes = 1 + (i * 7919 % 400);
            MessageRoom room = rooms[i % rooms.Length];
            await room.TakeAsync(bytes, over);
            InterlockedMax(ref most, around.Bytes);
            room.Release(bytes);
        });
        Assert.InRange(most, 1, 1000);
        Assert.Equal(0, around.Bytes);
        Assert.All(rooms, room => Assert.Equal(0, room.Bytes));
    }

    private static void InterlockedMax(ref long most, long value)
    {
        for (long seen = Volatile.Read(ref most); value > seen;)
        {
            seen = Interlocked.CompareExchange(ref most, value, seen) is var found && found == seen ? value : found;
        }
    }
}
