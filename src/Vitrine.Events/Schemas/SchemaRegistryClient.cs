using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Vitrine.Events.Schemas;

/// <summary>A client of Confluent's schema registry, or one that speaks as it does, for Protobuf. Schemas travel as Protobuf's own
/// descriptors in base64, so nothing here reads <c>.proto</c> text.</summary>
/// <remarks>https://docs.confluent.io/platform/current/schema-registry/develop/api.html. What a number means never changes, so it
/// is asked for once. Whether a schema may follow the earlier ones is found out here, whatever the registry is set to, and again
/// by the registry as it is set.</remarks>
public sealed partial class SchemaRegistryClient : ISchemaStore
{
    private const string ContentType = "application/vnd.schemaregistry.v1+json";

    // Numbers come out of messages, so whoever writes them chooses how many there are.
    private const int CachedMax = 4096;
    private const int AnswerBytesMax = 4 * 1024 * 1024;

    private readonly HttpClient _http;
    private readonly ConcurrentDictionary<int, FileDescriptorProto> _schemas = [];
    private readonly ConcurrentDictionary<(string Subject, ByteString Schema), int> _registered = [];

    /// <summary>Connects with the first question.</summary>
    public SchemaRegistryClient(SchemaRegistryOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Address is not { IsAbsoluteUri: true, Scheme: "http" or "https" })
        {
            throw new ArgumentException($"{options.Address} is no address of a registry: http://HOST:PORT or https://HOST:PORT.", nameof(options));
        }

        var tls = new SslClientAuthenticationOptions();
        if (options.TrustedAuthorities.Count > 0)
        {
            tls.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            tls.CertificateChainPolicy.CustomTrustStore.AddRange(options.TrustedAuthorities);
        }

        if (options.ClientCertificate is { } shown)
        {
            tls.ClientCertificates = [shown];
        }

        _http = new HttpClient(new SocketsHttpHandler { SslOptions = tls, AllowAutoRedirect = false })
        {
            // Relative addresses are put behind the last slash.
            BaseAddress = new(options.Address.AbsoluteUri.TrimEnd('/') + "/"),
            Timeout = options.Timeout,
            MaxResponseContentBufferSize = AnswerBytesMax,
        };
        _http.DefaultRequestHeaders.Accept.Add(new(ContentType));
        if (options.Credentials is { } credentials)
        {
            _http.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{credentials.UserName}:{credentials.Password}")));
        }
    }

    /// <inheritdoc/>
    public async ValueTask<int> RegisterAsync(string subject, FileDescriptor schema, CancellationToken cancellationToken = default)
    {
        SchemaSubject.Check(subject, schema);
        if (_registered.TryGetValue((subject, schema.SerializedData), out int known))
        {
            return known;
        }

        // All earlier ones are looked at, whatever the registry is set to hold them to.
        List<FileDescriptorProto> earlier = [];
        foreach (int version in await AskAsync(HttpMethod.Get, $"subjects/{subject}/versions", null, RegistryJson.Default.Int32Array, cancellationToken) ?? [])
        {
            Schema? answer = await AskAsync(HttpMethod.Get, $"subjects/{subject}/versions/{version}?format=serialized", null, RegistryJson.Default.Schema, cancellationToken);
            if (answer is not null)
            {
                earlier.Add(Parse(answer) ?? throw new SchemaStoreException(
                    SchemaStoreFailure.InvalidSchema, $"Version {version} of {subject} is no Protobuf schema: nothing can be said of what may follow it. Take another subject."));
            }
        }

        SchemaSubject.CheckMayFollow(subject, earlier, FileDescriptorProto.Parser.ParseFrom(schema.SerializedData));
        JsonContent body = JsonContent.Create(new Schema(schema.SerializedData.ToBase64(), "PROTOBUF"), RegistryJson.Default.Schema, new(ContentType));
        Registered registered = await AskAsync(HttpMethod.Post, $"subjects/{subject}/versions", body, RegistryJson.Default.Registered, cancellationToken)
            ?? throw new SchemaStoreException(SchemaStoreFailure.Failed, $"The registry at {_http.BaseAddress} has no place for schemas: is it a schema registry?");
        if (registered.Id < 1)
        {
            throw new SchemaStoreException(SchemaStoreFailure.Failed, $"The registry at {_http.BaseAddress} gave the schema of {subject} the number {registered.Id}.");
        }

        return _registered.GetOrAdd((subject, schema.SerializedData), registered.Id);
    }

    /// <inheritdoc/>
    public async ValueTask<FileDescriptorProto?> FindAsync(int id, CancellationToken cancellationToken = default)
    {
        if (id < 1)
        {
            return null;
        }

        if (_schemas.TryGetValue(id, out FileDescriptorProto? known))
        {
            return known;
        }

        Schema? answer = await AskAsync(HttpMethod.Get, $"schemas/ids/{id}?format=serialized", null, RegistryJson.Default.Schema, cancellationToken);
        if (answer is null || Parse(answer) is not { } parsed)
        {
            return null;
        }

        if (_schemas.Count >= CachedMax)
        {
            _schemas.Clear();
        }

        return _schemas.GetOrAdd(id, parsed);
    }

    /// <summary>How many subjects there are: whether it is there, lets us in, and is a schema registry.</summary>
    /// <exception cref="SchemaStoreException">It is not.</exception>
    public async Task<int> CountSubjectsAsync(CancellationToken cancellationToken = default) =>
        (await AskAsync(HttpMethod.Get, "subjects", null, RegistryJson.Default.StringArray, cancellationToken)
            ?? throw new SchemaStoreException(SchemaStoreFailure.Failed, $"The registry at {_http.BaseAddress} has no place for schemas: is it a schema registry?")).Length;

    /// <summary>Closes its connections.</summary>
    public void Dispose() => _http.Dispose();

    // Schemas of other kinds, and text where descriptors were asked for, are none that we could read.
    private static FileDescriptorProto? Parse(Schema answer)
    {
        if (answer is not { SchemaType: "PROTOBUF", Text.Length: > 0 })
        {
            return null;
        }

        byte[] bytes = new byte[answer.Text.Length];
        return Convert.TryFromBase64String(answer.Text, bytes, out int length) ? SchemaSubject.TryParse(bytes[..length]) : null;
    }

    // Null when there is no such thing (404).
    private async Task<T?> AskAsync<T>(
        HttpMethod method, string path, HttpContent? body, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class
    {
        using var request = new HttpRequestMessage(method, path) { Content = body };
        try
        {
            using HttpResponseMessage answer = await _http.SendAsync(request, cancellationToken).ConfigureAwait(false);
            if (answer.StatusCode == HttpStatusCode.NotFound)
            {
                return null;
            }

            if (!answer.IsSuccessStatusCode)
            {
                throw await FailureAsync(answer, path, cancellationToken).ConfigureAwait(false);
            }

            return await answer.Content.ReadFromJsonAsync(type, cancellationToken).ConfigureAwait(false);
        }
        catch (JsonException exception)
        {
            throw new SchemaStoreException(SchemaStoreFailure.Failed, $"What answers at {_http.BaseAddress} is no schema registry: {exception.Message}", exception);
        }
        catch (HttpRequestException exception)
        {
            throw new SchemaStoreException(SchemaStoreFailure.Unreachable, $"The schema registry at {_http.BaseAddress} cannot be reached: {exception.InnerException?.Message ?? exception.Message}", exception);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new SchemaStoreException(SchemaStoreFailure.Unreachable, $"The schema registry at {_http.BaseAddress} did not answer within {_http.Timeout.TotalSeconds} s.", exception);
        }
    }

    private async Task<Exception> FailureAsync(HttpResponseMessage answer, string path, CancellationToken cancellationToken)
    {
        string said;
        try
        {
            said = (await answer.Content.ReadFromJsonAsync(RegistryJson.Default.Problem, cancellationToken).ConfigureAwait(false))?.Message ?? "";
        }
        catch (JsonException)
        {
            said = ""; // a proxy's page: its status says enough
        }

        if (answer.StatusCode == HttpStatusCode.Conflict)
        {
            return new IncompatibleSchemaException(path.Split('/')[1], [], said); // subjects/SUBJECT/versions: nothing else is refused so
        }

        SchemaStoreFailure failure = answer.StatusCode switch
        {
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => SchemaStoreFailure.Unauthorized,
            HttpStatusCode.UnprocessableEntity or HttpStatusCode.BadRequest => SchemaStoreFailure.InvalidSchema,
            _ => SchemaStoreFailure.Failed,
        };
        return new SchemaStoreException(failure, $"The schema registry at {_http.BaseAddress} said {(int)answer.StatusCode}{(said.Length > 0 ? $": {said}" : ".")}");
    }

    internal sealed record Schema([property: JsonPropertyName("schema")] string Text, string? SchemaType);

    internal sealed record Registered(int Id);

    internal sealed record Problem([property: JsonPropertyName("error_code")] int ErrorCode, string? Message);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(Schema))]
    [JsonSerializable(typeof(Registered))]
    [JsonSerializable(typeof(Problem))]
    [JsonSerializable(typeof(int[]))]
    [JsonSerializable(typeof(string[]))]
    private sealed partial class RegistryJson : JsonSerializerContext;
}
