using System.Diagnostics.Metrics;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports;

/// <summary>Puts a <see cref="PeerLedger"/> in front of a web server's end point.</summary>
public static class PeerLimits
{
    // A client that is turned away and comes again at once would cost an accept each time: it waits instead, so many of them.
    private const int WaitingMax = 256;

    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(1);
    private static readonly Meter s_meter = new("vitrine", typeof(PeerLimits).Assembly.GetName().Version?.ToString(3));
    private static readonly Counter<long> s_limits = s_meter.CreateCounter<long>("vitrine.peer.limits", "{refusal}", "Connections and requests that were not taken, or had to wait, because of what their peer did; see the limit.");
    private static readonly KeyValuePair<string, object?> s_credit = new("limit", "credit");
    private static readonly KeyValuePair<string, object?> s_requestBytes = new("limit", "request-bytes");
    private static readonly KeyValuePair<string, object?> s_requestWait = new("limit", "request-wait");

    private static int s_waiting;

    /// <summary>Turns connections away whose peer has no credit. Before TLS: the first middleware.</summary>
    public static ListenOptions UsePeerLimits(this ListenOptions listen, PeerLedger ledger)
    {
        ArgumentNullException.ThrowIfNull(listen);
        ArgumentNullException.ThrowIfNull(ledger);
        listen.Use(next => context => context.RemoteEndPoint is IPEndPoint peer ? ServeAsync(next, context, ledger, peer.Address) : next(context));
        return listen;
    }

    /// <summary>A connection was not taken.</summary>
    internal static void Refused() => s_limits.Add(1, s_credit);

    /// <summary>A request waits because its peer has no room for it.</summary>
    internal static void RequestWaits() => s_limits.Add(1, s_requestWait);

    /// <summary>A request was refused because its peer had no room for it for too long.</summary>
    internal static void RequestRefused() => s_limits.Add(1, s_requestBytes);

    /// <summary>The connection of a request; null where no ledger is kept.</summary>
    internal static PeerConnection? Of(HttpContext context) =>
        context.Features.Get<IConnectionItemsFeature>()?.Items.TryGetValue(typeof(PeerConnection), out object? connection) == true ? (PeerConnection)connection! : null;

    /// <summary>A request was served: its connection was not for nothing.</summary>
    public static void Served(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        Of(context)?.Served();
    }

    private static async Task ServeAsync(ConnectionDelegate next, ConnectionContext context, PeerLedger ledger, IPAddress address)
    {
        using PeerConnection? connection = ledger.TryEnter(address);
        if (connection is not null)
        {
            context.Items[typeof(PeerConnection)] = connection;
            await next(context);
            return;
        }

        Refused();
        if (Interlocked.Increment(ref s_waiting) <= WaitingMax)
        {
            await Task.Delay(s_wait, context.ConnectionClosed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        Interlocked.Decrement(ref s_waiting);
        context.Abort();
    }
}
