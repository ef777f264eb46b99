using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Vitrine.Server.Metrics;

/// <summary>Sends the meter's instruments to an OpenTelemetry collector, when one is named in the environment.</summary>
internal static class OtlpExport
{
    /// <summary>The variable that turns it on; the exporter reads it and its siblings (<c>OTEL_EXPORTER_OTLP_*</c>) itself.</summary>
    public const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>Starts it. Null when no collector is named: nothing of the library is loaded then.</summary>
    public static IDisposable? StartIfAsked() =>
        string.IsNullOrWhiteSpace(Environment.GetEnvironmentVariable(EndpointVariable)) ? null : Start();

    private static MeterProvider Start() => Sdk.CreateMeterProviderBuilder()
        .ConfigureResource(resource => resource.AddService("vitrine", serviceVersion: typeof(OtlpExport).Assembly.GetName().Version?.ToString(3)))
        .AddMeter(ShareMeter.Name, "System.Runtime")
        .AddOtlpExporter()
        .Build();
}
