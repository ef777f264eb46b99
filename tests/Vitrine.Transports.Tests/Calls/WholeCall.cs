using Vitrine.Transports.Calls;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests.Calls;

internal static class WholeCall
{
    /// <summary>Reads all answers to one request, and once more after they have failed: a call that has failed fails again.</summary>
    public static async Task ReadAsync(ICallChannel channel, CallMethod method)
    {
        await using ClientCall call = await channel.StartAsync(method, CallOptions.Default);
        await call.WriteAsync(new EchoRequest());
        await call.CompleteWritesAsync();
        try
        {
            while (await call.ReadAsync(new EchoReply()))
            {
            }
        }
        catch (CallException)
        {
            await Assert.ThrowsAsync<CallException>(async () => await call.ReadAsync(new EchoReply()));
            throw;
        }
    }
}
