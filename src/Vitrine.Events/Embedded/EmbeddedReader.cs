using System.Text;

namespace Vitrine.Events.Embedded;

/// <summary>Reads the events of a log in their order, from an offset on.</summary>
/// <remarks>One thread at a time. Any number of readers; none holds up who writes. What a reader gets from its own process's log is
/// durable; beside another process it may see what is about to be.</remarks>
public sealed class EmbeddedReader : IEventReader, IDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);

    private readonly EmbeddedLog? _log;
    private readonly string _folder;
    private readonly IReadOnlyList<string> _topics;
    private readonly List<LogDamage> _damage = [];
    private LogSegment? _segment;
    private FrameScanner? _scanner;
    private ReadOnlyMemory<byte> _body; // what is left of the frame that is read
    private DateTimeOffset _time; // of that frame
    private long _offset; // of the next event in that frame
    private long _next; // the first that is wanted
    private long _end; // what is read ahead is durable up to here
    private long _brokenAt = -1;
    private bool _isAtEnd; // of what was there at the last look
    private byte[] _topicBytes = [];
    private string _topic = "";

    private EmbeddedReader(EmbeddedLog? log, string folder, long from, IReadOnlyList<string> topics) => (_log, _folder, _next, _topics) = (log, folder, from, topics);

    /// <summary>Of the event that comes next, at least.</summary>
    public long Offset => _next;

    /// <summary>What did not read up to now, and was passed over.</summary>
    public IReadOnlyList<LogDamage> Damage => _damage;

    /// <inheritdoc/>
    public long Missed { get; private set; }

    /// <inheritdoc/>
    public bool IsAtEnd { get; private set; }

    /// <summary>Reads this process's log.</summary>
    /// <param name="log">The log; stays open as long.</param>
    /// <param name="start">Where it begins.</param>
    /// <param name="topics">What is read; none: all.</param>
    /// <exception cref="EventLogException">The files cannot be read.</exception>
    public static EmbeddedReader Open(EmbeddedLog log, EventStart start, params IReadOnlyList<string> topics)
    {
        ArgumentNullException.ThrowIfNull(log);
        return Open(log, log.Options.Folder, start, topics);
    }

    /// <summary>Reads the log of another process, or of none.</summary>
    /// <param name="folder">Where it is.</param>
    /// <param name="start">Where it begins.</param>
    /// <param name="topics">What is read; none: all.</param>
    /// <exception cref="EventLogException">There is no log, or it cannot be read.</exception>
    public static EmbeddedReader Open(string folder, EventStart start, params IReadOnlyList<string> topics) =>
        Directory.Exists(folder) && LogSegment.List(folder).Count > 0
            ? Open(null, folder, start, topics)
            : throw new EventLogException(EventLogFailure.NotALog, $"There are no events in {folder}.");

    /// <inheritdoc/>
    public bool TryRead(out EventRecord record)
    {
        record = default;
        IsAtEnd = false;
        try
        {
            while (true)
            {
                while (LogFrame.TryTake(ref _body, out LogEntry entry))
                {
                    if (entry.Kind == EventBatch.EventKind && _offset++ >= _next)
                    {
                        _next = _offset;
                        string topic = TopicOf(entry.Name.Span);
                        if (_topics.Count == 0 || _topics.Contains(topic))
                        {
                            record = new(EventPosition.Embedded(_offset - 1), _time, topic, entry.Key, entry.Value);
                            return true;
                        }
                    }
                }

                if (!TryReadFrame())
                {
                    IsAtEnd = true;
                    return false;
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CannotRead(_folder, exception);
        }
    }

    /// <inheritdoc/>
    public async ValueTask WaitAsync(CancellationToken cancellationToken = default)
    {
        if (_log is null)
        {
            await Task.Delay(s_look, cancellationToken);
        }
        else
        {
            await _log.WaitForAsync(_end).WaitAsync(cancellationToken);
        }
    }

    /// <summary>Closes its file.</summary>
    public void Dispose() => _scanner?.Dispose();

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return default;
    }

    private static EmbeddedReader Open(EmbeddedLog? log, string folder, EventStart start, IReadOnlyList<string> topics)
    {
        try
        {
            return new(log, folder, OffsetOf(log, folder, start, topics), topics);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CannotRead(folder, exception);
        }
    }

    private static long OffsetOf(EmbeddedLog? log, string folder, EventStart start, IReadOnlyList<string> topics)
    {
        switch (start)
        {
            case EventStart.AtEnd when log is not null:
                return log.EndOffset;
            case EventStart.AtPositions at:
                return at.Positions switch
                {
                    [] => 0,
                    [{ Stream.Length: 0, Partition: 0, Offset: >= 0 } only] => only.Offset,
                    _ => throw new ArgumentException($"«{at.Positions[0]}» is no position in this log: it has one order of events.", nameof(start)),
                };
            case EventStart.AtOldest:
                return 0;
            case EventStart.AtLast last:
                return OffsetOfLast(log, folder, last.Count, topics);
        }

        // No event from the beginning of that file on is before the time.
        IReadOnlyList<LogSegment> segments = log?.Segments ?? (IReadOnlyList<LogSegment>)LogSegment.List(folder);
        DateTimeOffset time = start is EventStart.AtTime since ? since.Time : DateTimeOffset.MaxValue;
        long offset = segments.LastOrDefault(segment => segment.ReadTime() <= time)?.FirstOffset ?? 0;
        using EmbeddedReader reader = new(log, folder, offset, []);
        while (reader.TryRead(out EventRecord record) && record.Time < time)
        {
            offset = record.Offset + 1;
        }

        return offset;
    }

    // Where events of a topic stand is not written down: all are looked at, as fast as the disk reads.
    private static long OffsetOfLast(EmbeddedLog? log, string folder, int count, IReadOnlyList<string> topics)
    {
        Queue<long> last = new();
        using EmbeddedReader reader = new(log, folder, 0, topics);
        while (reader.TryRead(out EventRecord record))
        {
            last.Enqueue(record.Offset);
            if (last.Count > count)
            {
                last.Dequeue();
            }
        }

        return last.TryPeek(out long oldest) ? oldest : reader.Offset;
    }

    private static EventLogException CannotRead(string folder, Exception exception) =>
        new(EventLogFailure.Storage, $"Events in {folder} cannot be read: {exception.Message}", exception);

    private bool TryReadFrame()
    {
        if (!IsMore() || (_scanner is null && !TryOpen(SegmentOf(_next))))
        {
            return false;
        }

        bool isFinal = false;
        while (true)
        {
            FrameState state = _scanner!.TryRead(out LogFrame frame, out _body);
            if (state == FrameState.Whole)
            {
                _brokenAt = -1;
                (_offset, _time) = (frame.FirstOffset, frame.Time);
                if (_offset > _next)
                {
                    Missed += _offset - _next;
                    _next = _offset;
                }

                return true;
            }

            // Once there is another file, this one does not grow; it may have until then, since it was read.
            LogSegment? after = SegmentAfter(_segment!);
            if (after is not null && !isFinal)
            {
                isFinal = true;
                _scanner.Seek(_scanner.Position);
                continue;
            }

            (long position, long length) = (_scanner.Position, _scanner.Length);
            if (!_scanner.IsAtRoom() && !MayBeBeingWritten(position, after))
            {
                bool isFollowed = _scanner.TryFindNext();
                if (!isFollowed && after is null && _log is null)
                {
                    // Torn when its owner ended; the next one cuts it off, and writes here.
                    _scanner.Seek(position);
                    _isAtEnd = true;
                    return false;
                }

                _damage.Add(new(_segment!.Path, position, isFollowed ? _scanner.Position : length, IsTorn: false));
                if (isFollowed)
                {
                    continue;
                }

                _scanner.Seek(length);
            }

            if (after is null || !TryOpen(after))
            {
                _isAtEnd = true;
                return false;
            }
        }
    }

    /// <summary>Whether it is worth a look. What was read ahead before it was durable is forgotten: it may have been cut off, and written
    /// over.</summary>
    private bool IsMore()
    {
        if (_next < _end && !_isAtEnd)
        {
            return true;
        }

        _isAtEnd = false;
        _end = _log?.EndOffset ?? long.MaxValue;
        _scanner?.Seek(_scanner.Position);
        return _next < _end;
    }

    /// <summary>Beside another process the end of the last file may be a frame that is being written: it is looked at twice.</summary>
    private bool MayBeBeingWritten(long position, LogSegment? after)
    {
        if (_log is not null || after is not null || _brokenAt == position)
        {
            return false;
        }

        _brokenAt = position;
        return true;
    }

    private bool TryOpen(LogSegment segment)
    {
        try
        {
            FrameScanner scanner = new(segment.OpenToRead());
            _scanner?.Dispose();
            (_segment, _scanner) = (segment, scanner);
            return true;
        }
        catch (FileNotFoundException)
        {
            return false; // it was too old, and removed this moment: the next call finds the one after it
        }
    }

    private LogSegment SegmentOf(long offset) => _log?.SegmentOf(offset) ?? LogSegment.List(_folder) switch
    {
        [] => throw new IOException("all files are gone"),
        var all => all.FindLast(segment => segment.FirstOffset <= offset) ?? all[0],
    };

    private LogSegment? SegmentAfter(LogSegment segment) =>
        _log is not null ? _log.SegmentAfter(segment) : LogSegment.List(_folder).Find(each => each.FirstOffset > segment.FirstOffset);

    private string TopicOf(ReadOnlySpan<byte> name)
    {
        if (!name.SequenceEqual(_topicBytes))
        {
            (_topicBytes, _topic) = (name.ToArray(), Encoding.UTF8.GetString(name));
        }

        return _topic;
    }
}
