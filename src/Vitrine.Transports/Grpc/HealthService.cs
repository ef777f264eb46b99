using Google.Protobuf.Reflection;
using Vitrine.Transports.Calls;
using Vitrine.Wire.Health.V1;
using ServingStatus = Vitrine.Wire.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Vitrine.Transports.Grpc;

/// <summary><c>grpc.health.v1.Health</c>: whether services serve, for load balancers and service managers. Needs no grant.</summary>
/// <remarks>Any thread. The empty name is the server as a whole.</remarks>
public sealed class HealthService
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, ServingStatus> _statuses;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Makes it; the server as a whole and all services serve.</summary>
    /// <param name="services">Full names.</param>
    public HealthService(IEnumerable<string> services)
    {
        _statuses = services.Append("").Distinct().ToDictionary(service => service, _ => ServingStatus.Serving, StringComparer.Ordinal);
        ServiceDescriptor descriptor = HealthReflection.Descriptor.Services[0];
        Bindings = [new(new(descriptor.FindMethodByName("Check")), CheckAsync), new(new(descriptor.FindMethodByName("Watch")), WatchAsync)];
    }

    /// <summary>For a <see cref="CallTable"/>.</summary>
    public IReadOnlyList<CallBinding> Bindings { get; }

    /// <summary>Says whether a service serves, and tells who watches it.</summary>
    /// <param name="service">Full name; empty: the server as a whole.</param>
    /// <param name="isServing">Whether it does.</param>
    /// <exception cref="ArgumentException">There is no such service.</exception>
    public void Set(string service, bool isServing)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            if (!_statuses.ContainsKey(service))
            {
                throw new ArgumentException($"There is no service {service} here.", nameof(service));
            }

            _statuses[service] = isServing ? ServingStatus.Serving : ServingStatus.NotServing;
            (changed, _changed) = (_changed, new(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        changed.SetResult();
    }

    private async ValueTask CheckAsync(ServerCall call)
    {
        HealthCheckRequest request = new();
        await call.ReadAsync(request);
        (ServingStatus status, _) = Look(request.Service);
        if (status == ServingStatus.ServiceUnknown)
        {
            throw new CallException(CallStatusCode.NotFound, $"There is no service {request.Service} here.");
        }

        await call.WriteAsync(new HealthCheckResponse { Status = status });
    }

    private async ValueTask WatchAsync(ServerCall call)
    {
        HealthCheckRequest request = new();
        await call.ReadAsync(request);
        ServingStatus? told = null;
        while (true)
        {
            (ServingStatus status, Task changed) = Look(request.Service);
            if (told != status)
            {
                await call.WriteAsync(new HealthCheckResponse { Status = status });
                told = status;
            }

            await changed.WaitAsync(call.Cancelled);
        }
    }

    private (ServingStatus Status, Task Changed) Look(string service)
    {
        lock (_lock)
        {
            return (_statuses.GetValueOrDefault(service, ServingStatus.ServiceUnknown), _changed.Task);
        }
    }
}
