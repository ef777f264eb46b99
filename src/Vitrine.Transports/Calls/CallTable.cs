using System.Collections.Frozen;
using System.Text;

namespace Vitrine.Transports.Calls;

/// <summary>Serves one call. Ends when the call is over: normally (status <see cref="CallStatusCode.Ok"/>) or by a
/// <see cref="CallException"/>. An <see cref="OperationCanceledException"/> after <see cref="ServerCall.Cancelled"/> fired is what fired it:
/// deadline or cancellation. Anything else is <see cref="CallStatusCode.Unknown"/> to the caller and a bug here.</summary>
/// <param name="call">Valid until the returned task ends; it is re-used afterwards.</param>
public delegate ValueTask CallHandler(ServerCall call);

/// <summary>A method and what serves it.</summary>
/// <param name="Method">The declaration.</param>
/// <param name="Handler">May run for many calls at a time.</param>
public sealed record CallBinding(CallMethod Method, CallHandler Handler);

/// <summary>The methods a server has, by path. Immutable; any thread.</summary>
public sealed class CallTable
{
    private readonly FrozenDictionary<string, CallBinding> _bindings;
    private readonly FrozenDictionary<string, CallBinding>.AlternateLookup<ReadOnlySpan<char>> _bySpan;
    private readonly int _pathLengthMax;

    /// <summary>Makes a table.</summary>
    /// <exception cref="ArgumentException">Two bindings have one path, or a path is longer than 255 bytes.</exception>
    public CallTable(IEnumerable<CallBinding> bindings)
    {
        ArgumentNullException.ThrowIfNull(bindings);
        Bindings = [.. bindings];
        _bindings = Bindings.ToDictionary(binding => binding.Method.Path, StringComparer.Ordinal).ToFrozenDictionary(StringComparer.Ordinal);
        _bySpan = _bindings.GetAlternateLookup<ReadOnlySpan<char>>();
        _pathLengthMax = Bindings.Select(binding => binding.Method.Path.Length).DefaultIfEmpty(0).Max();
        if (_pathLengthMax > 255)
        {
            throw new ArgumentException("A path is longer than 255 bytes.", nameof(bindings));
        }
    }

    /// <summary>All of them, as they were given.</summary>
    public IReadOnlyList<CallBinding> Bindings { get; }

    /// <summary>Looks up <c>/service/method</c>. Takes no memory.</summary>
    /// <returns>Null when there is none.</returns>
    public CallBinding? Find(ReadOnlySpan<char> path) => path.Length <= _pathLengthMax && _bySpan.TryGetValue(path, out CallBinding? binding) ? binding : null;

    /// <summary>Looks up <c>/service/method</c> as it came from the network. Takes no memory.</summary>
    /// <returns>Null when there is none.</returns>
    public CallBinding? Find(ReadOnlySpan<byte> path)
    {
        Span<char> characters = stackalloc char[255];
        return path.Length <= _pathLengthMax && Encoding.ASCII.GetChars(path, characters) == path.Length ? Find(characters[..path.Length]) : null;
    }
}
