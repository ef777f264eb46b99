using Google.Protobuf;
using Google.Protobuf.Reflection;
using Vitrine.Wire;

namespace Vitrine.Transports.Calls;

/// <summary>How many messages travel each way.</summary>
public enum CallKind
{
    /// <summary>One request, one answer.</summary>
    Unary = 0,

    /// <summary>Any number of requests, one answer.</summary>
    ClientStream = 1,

    /// <summary>One request, any number of answers.</summary>
    ServerStream = 2,

    /// <summary>Any number both ways, independent of each other.</summary>
    Duplex = 3,
}

/// <summary>A method of a service, as its <c>.proto</c> file declares it. Immutable.</summary>
public sealed class CallMethod
{
    /// <summary>Takes a method from its descriptor.</summary>
    /// <param name="descriptor">From the generated <c>...Reflection.Descriptor.Services</c>.</param>
    /// <param name="grants">What a caller must be granted; all of them.</param>
    public CallMethod(MethodDescriptor descriptor, ViewerGrants grants = ViewerGrants.None)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        (Descriptor, Grants) = (descriptor, grants);
        (Service, Name) = (descriptor.Service.FullName, descriptor.Name);
        Path = $"/{Service}/{Name}";
        Kind = (descriptor.IsClientStreaming, descriptor.IsServerStreaming) switch
        {
            (false, false) => CallKind.Unary,
            (true, false) => CallKind.ClientStream,
            (false, true) => CallKind.ServerStream,
            (true, true) => CallKind.Duplex,
        };
        IsIdempotent = descriptor.GetOptions()?.IdempotencyLevel is MethodOptions.Types.IdempotencyLevel.NoSideEffects or MethodOptions.Types.IdempotencyLevel.Idempotent;
    }

    /// <summary>The declaration itself; reflection answers with its file.</summary>
    public MethodDescriptor Descriptor { get; }

    /// <summary>Full name of the service, <c>vitrine.v1.Echo</c>.</summary>
    public string Service { get; }

    /// <summary>Name of the method in the service.</summary>
    public string Name { get; }

    /// <summary><c>/service/method</c>: where every transport looks for it.</summary>
    public string Path { get; }

    /// <summary>How many messages travel each way.</summary>
    public CallKind Kind { get; }

    /// <summary>Parses requests. Its <c>CreateTemplate</c> makes an empty one.</summary>
    public MessageParser RequestParser => Descriptor.InputType.Parser;

    /// <summary>Parses answers.</summary>
    public MessageParser ResponseParser => Descriptor.OutputType.Parser;

    /// <summary>Whether repeating it changes nothing (<c>idempotency_level</c> of the method): only such a call may travel as early
    /// data, which an attacker can replay.</summary>
    public bool IsIdempotent { get; }

    /// <summary>What a caller must be granted; all of them. <see cref="ViewerGrants.None"/>: anyone may call.</summary>
    public ViewerGrants Grants { get; }

    /// <summary>Whether exactly one request belongs to a call.</summary>
    public bool TakesOneRequest => Kind is CallKind.Unary or CallKind.ServerStream;

    /// <summary>Whether exactly one answer belongs to a call that succeeds.</summary>
    public bool GivesOneResponse => Kind is CallKind.Unary or CallKind.ClientStream;

    /// <inheritdoc/>
    public override string ToString() => Path;
}
