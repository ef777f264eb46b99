using System.Text;
using Vitrine.Transports.Quic;

namespace Vitrine.Transports.Tests.Quic;

public class ReplayStoreTests
{
    [Fact]
    public void SecondTime_Refused_UntilTheWindowIsOver()
    {
        using ReplayStore store = new(10, TimeSpan.FromSeconds(1));
        Assert.True(store.TryAdd("a"u8, 0));
        Assert.False(store.TryAdd("a"u8, 2_999));
        Assert.True(store.TryAdd("a"u8, 3_000));
        Assert.Equal(1, store.Refused);
    }

    [Fact]
    public void Full_EverythingIsRefused_AndRoomComesBack()
    {
        using ReplayStore store = new(100, TimeSpan.FromSeconds(1));
        for (int i = 0; i < 100; i++)
        {
            Assert.True(store.TryAdd(Encoding.ASCII.GetBytes($"{i}"), 0));
        }

        Assert.False(store.TryAdd("new"u8, 0));
        Assert.True(store.TryAdd("new"u8, 3_000));
    }
}
