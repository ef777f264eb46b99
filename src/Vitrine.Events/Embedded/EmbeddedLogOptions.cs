namespace Vitrine.Events.Embedded;

/// <summary>How a log in a folder is kept.</summary>
public sealed record EmbeddedLogOptions
{
    /// <summary>Where; made when it is missing. No other process may write there.</summary>
    public required string Folder { get; init; }

    /// <summary>When a file has as many bytes, another one is begun. What is old is removed a file at a time.</summary>
    public int SegmentBytes { get; init; } = 64 << 20;

    /// <summary>The oldest files are removed while all have more bytes together.</summary>
    public long RetentionBytes { get; init; } = 1L << 30;

    /// <summary>Files whose events are all older are removed.</summary>
    public TimeSpan RetentionAge { get; init; } = TimeSpan.FromDays(30);

    /// <summary>Bytes that may wait to be written; who appends more waits.</summary>
    public int PendingBytesMax { get; init; } = 8 << 20;

    /// <summary>What the time is told by.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
