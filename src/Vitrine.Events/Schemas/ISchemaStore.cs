using Google.Protobuf.Reflection;

namespace Vitrine.Events.Schemas;

/// <summary>Keeps the schemas that messages are written with, by number. Thread-safe. Disposing ends its connections, or closes its file.</summary>
public interface ISchemaStore : IDisposable
{
    /// <summary>Takes in a schema, unless it would leave readers unable to understand what was written with an earlier one of the
    /// same subject (<c>BACKWARD_TRANSITIVE</c>). The same schema again gets the same number.</summary>
    /// <param name="subject">What has the schema, such as <c>events-value</c>: 1 to 255 letters, digits, <c>.</c>, <c>_</c> and <c>-</c>.</param>
    /// <param name="schema">The schema. It may import only what is Protobuf's own (<c>google/protobuf/...</c>).</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Its number, from 1.</returns>
    /// <exception cref="IncompatibleSchemaException">It may not follow the earlier ones; nothing has changed.</exception>
    /// <exception cref="SchemaStoreException">The store could not be asked, or has said no.</exception>
    ValueTask<int> RegisterAsync(string subject, FileDescriptor schema, CancellationToken cancellationToken = default);

    /// <summary>Looks one up.</summary>
    /// <param name="id">Its number.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null when there is none of that number, or it is not of Protobuf.</returns>
    /// <exception cref="SchemaStoreException">The store could not be asked.</exception>
    ValueTask<FileDescriptorProto?> FindAsync(int id, CancellationToken cancellationToken = default);
}

/// <summary>Why a store of schemas did not answer.</summary>
public enum SchemaStoreFailure
{
    /// <summary>Nobody is there, or the answer did not come. Worth another try.</summary>
    Unreachable,

    /// <summary>It does not know, or does not allow, who asks.</summary>
    Unauthorized,

    /// <summary>It takes the schema for an invalid one.</summary>
    InvalidSchema,

    /// <summary>It failed itself. Worth another try.</summary>
    Failed,

    /// <summary>What it has kept is damaged.</summary>
    Damaged,
}

/// <summary>A store of schemas did not do what was asked.</summary>
public class SchemaStoreException : Exception
{
    /// <summary>With a failure and, where there is one, its cause.</summary>
    public SchemaStoreException(SchemaStoreFailure failure, string message, Exception? innerException = null)
        : base(message, innerException) => Failure = failure;

    /// <summary>Of which kind.</summary>
    public SchemaStoreFailure Failure { get; }
}

/// <summary>A schema may not follow those that its subject has.</summary>
public sealed class IncompatibleSchemaException : Exception
{
    /// <summary>With what is incompatible, and what the store has said about it.</summary>
    public IncompatibleSchemaException(string subject, IReadOnlyList<SchemaDifference> differences, string said = "")
        : base($"The new schema of {subject} does not understand what was written with an earlier one: {(differences.Count > 0 ? string.Join("; ", differences) : said)}") =>
        (Subject, Differences) = (subject, differences);

    /// <summary>What has the schemas.</summary>
    public string Subject { get; }

    /// <summary>What is incompatible; none when only the store itself knows.</summary>
    public IReadOnlyList<SchemaDifference> Differences { get; }
}
