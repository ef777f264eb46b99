using System.Net;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Tests.Calls;

public class PeerLedgerTests
{
    private static readonly IPAddress s_one = IPAddress.Parse("192.0.2.1"), s_other = IPAddress.Parse("192.0.2.2");

    [Fact]
    public void ConnectionsForNothing_PeerIsTurnedAway_UntilTimeHasPassed_OthersAreNot()
    {
        TestTime time = new();
        PeerLedger ledger = new(time);
        int taken = 0;
        while (ledger.TryEnter(s_one) is { } connection)
        {
            connection.Dispose();
            taken++;
        }

        Assert.Equal((int)Math.Ceiling(PeerLedger.CreditMax / (PeerLedger.ConnectionCost + PeerLedger.WasteCost)), taken);
        Assert.False(ledger.MayEnter(s_one));
        Assert.True(ledger.MayEnter(s_other));
        Assert.NotNull(ledger.TryEnter(s_other));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(ledger.MayEnter(s_one));
    }

    [Fact]
    public void ConnectionsThatServe_CostLittle()
    {
        PeerLedger ledger = new(new TestTime());
        for (int i = 0; i < PeerLedger.CreditMax; i++)
        {
            using PeerConnection? connection = ledger.TryEnter(s_one);
            connection!.Served();
        }

        Assert.Null(ledger.TryEnter(s_one));
    }

    [Fact]
    public void Abuse_TurnsAwayForAWhile_AndTheConnectionsThatAreThereGoOn()
    {
        TestTime time = new();
        PeerLedger ledger = new(time);
        using PeerConnection? old = ledger.TryEnter(s_one), abused = ledger.TryEnter(s_one);
        for (int i = 0; i < 5; i++)
        {
            abused!.NoteAbuse();
        }

        Assert.Null(ledger.TryEnter(s_one));
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.Null(ledger.TryEnter(s_one));
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.NotNull(ledger.TryEnter(s_one)); // whatever it did: no longer than 10 s
        Assert.Equal(0, old!.Answers.Bytes);
    }

    [Fact]
    public async Task UnreadAnswers_AreBoundedForAPeer_NotForOthers()
    {
        PeerLedger ledger = new(new TestTime());
        List<PeerConnection> connections = [.. Enumerable.Range(0, 8).Select(_ => ledger.TryEnter(s_one)!)];
        Task[] takes = [.. connections.Select(connection => connection.Answers.TakeAsync((int)PeerLedger.ConnectionUnreadBytesMax, default).AsTask())];
        Assert.Equal(PeerLedger.UnreadBytesMax / PeerLedger.ConnectionUnreadBytesMax, takes.Count(take => take.IsCompleted));
        using PeerConnection? other = ledger.TryEnter(s_other);
        Assert.True(other!.Answers.TakeAsync(1, default).AsTask().IsCompletedSuccessfully);
        for (int i = 0; i < connections.Count; i++)
        {
            await takes[i];
            connections[i].Answers.Release((int)PeerLedger.ConnectionUnreadBytesMax);
        }
    }

    [Fact]
    public void Ipv6_TheNetworkIsThePeer_AndMappedIpv4IsIpv4()
    {
        PeerLedger ledger = new(new TestTime());
        Empty(IPAddress.Parse("2001:db8:1:2::1"));
        Assert.False(ledger.MayEnter(IPAddress.Parse("2001:db8:1:2:ffff::9")));
        Assert.True(ledger.MayEnter(IPAddress.Parse("2001:db8:1:3::1")));
        Empty(s_one);
        Assert.False(ledger.MayEnter(s_one.MapToIPv6()));

        void Empty(IPAddress address)
        {
            while (ledger.TryEnter(address) is { } connection)
            {
                connection.Dispose();
            }
        }
    }

    [Fact]
    public void VeryManyPeers_AreForgottenWhenThereIsNothingToRemember_AndShareWhenThereIsNoMoreRoom()
    {
        TestTime time = new();
        PeerLedger ledger = new(time);
        for (int i = 0; i < PeerLedger.PeersMax + 100; i++)
        {
            ledger.TryEnter(new IPAddress(i + 1L))?.Dispose();
        }

        Assert.Equal(PeerLedger.PeersMax, ledger.Count);
        time.Advance(TimeSpan.FromSeconds(10));
        ledger.TryEnter(s_one)?.Dispose();
        Assert.Equal(1, ledger.Count);
    }
}
