using Google.Protobuf;
using Vitrine.Wire;

namespace Vitrine.Transports.Calls;

/// <summary>A way to one server on which calls are made. Connects when it is needed.</summary>
/// <remarks>Any thread, any number of calls at a time. Disposing it cancels those that run.</remarks>
public interface ICallChannel : IAsyncDisposable
{
    /// <summary>What it can do.</summary>
    TransportCapabilities Capabilities { get; }

    /// <summary>Starts a call. Ends when messages can be written, which may be before the server has seen any of it.</summary>
    /// <param name="method">What to call.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellation">Gives the call up, now or later: reads and writes then throw <see cref="CallStatusCode.Cancelled"/>.</param>
    /// <exception cref="CallException">It cannot be started.</exception>
    ValueTask<ClientCall> StartAsync(CallMethod method, CallOptions options, CancellationToken cancellation = default);

    /// <summary>A whole unary call.</summary>
    /// <param name="method">Of kind <see cref="CallKind.Unary"/>.</param>
    /// <param name="request">Borrowed until the task ends.</param>
    /// <param name="response">Where the answer goes: a new message, or an <see cref="IReusableMessage"/>, which is cleared first.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellation">Gives the call up.</param>
    /// <exception cref="CallException">It did not succeed.</exception>
    async ValueTask CallAsync(CallMethod method, IMessage request, IMessage response, CallOptions options, CancellationToken cancellation = default)
    {
        await using ClientCall call = await StartAsync(method, options, cancellation);
        await call.WriteAsync(request);
        await call.CompleteWritesAsync();
        await call.ReadSingleAsync(response);
    }
}
