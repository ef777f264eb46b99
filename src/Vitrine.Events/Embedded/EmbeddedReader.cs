using System.Runtime.CompilerServices;
using System.Text;

namespace Vitrine.Events.Embedded;

/// <summary>Reads the events of a log in their order, from an offset on.</summary>
/// <remarks>One thread at a time. Any number of readers; none holds up who writes. What a reader gets from its own process's log is
/// durable; beside another process it may see what is about to be.</remarks>
public sealed class EmbeddedReader : IDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);

    private readonly EmbeddedLog? _log;
    private readonly string _folder;
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

    private EmbeddedReader(EmbeddedLog? log, string folder, long from) => (_log, _folder, _next) = (log, folder, from);

    /// <summary>Of the event that comes next, at least.</summary>
    public long Offset => _next;

    /// <summary>What did not read up to now, and was passed over.</summary>
    public IReadOnlyList<LogDamage> Damage => _damage;

    /// <summary>Events that it did not read because they were damaged, or too old and removed.</summary>
    public long Missed { get; private set; }

    /// <summary>Reads this process's log.</summary>
    /// <param name="log">The log; stays open as long.</param>
    /// <param name="from">The first offset; an older one than is kept begins with the oldest.</param>
    public static EmbeddedReader Open(EmbeddedLog log, long from)
    {
        ArgumentNullException.ThrowIfNull(log);
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        return new(log, log.Options.Folder, from);
    }

    /// <summary>Reads this process's log from a time on.</summary>
    /// <param name="log">The log; stays open as long.</param>
    /// <param name="time">Of the first event, at least.</param>
    public static EmbeddedReader Open(EmbeddedLog log, DateTimeOffset time)
    {
        ArgumentNullException.ThrowIfNull(log);
        return FromTime(new(log, log.Options.Folder, log.OffsetBefore(time)), time);
    }

    /// <summary>Reads the log of another process, or of none.</summary>
    /// <param name="folder">Where it is.</param>
    /// <param name="from">The first offset; an older one than is kept begins with the oldest.</param>
    /// <exception cref="EventLogException">There is no log.</exception>
    public static EmbeddedReader Open(string folder, long from)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        return Directory.Exists(folder) && LogSegment.List(folder).Count > 0
            ? new(null, folder, from)
            : throw new EventLogException(EventLogFailure.NotALog, $"There are no events in {folder}.");
    }

    /// <summary>Reads the next event that is there.</summary>
    /// <param name="record">Valid until the next call.</param>
    /// <returns>False: there is none now.</returns>
    /// <exception cref="EventLogException">The files cannot be read.</exception>
    public bool TryRead(out EventRecord record)
    {
        record = default;
        try
        {
            while (true)
            {
                while (LogFrame.TryTake(ref _body, out LogEntry entry))
                {
                    if (entry.Kind == EventBatch.EventKind && _offset++ >= _next)
                    {
                        _next = _offset;
                        record = new(_offset - 1, _time, TopicOf(entry.Name.Span), entry.Key, entry.Value);
                        return true;
                    }
                }

                if (!TryReadFrame())
                {
                    return false;
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EventLogException(EventLogFailure.Storage, $"Events in {_folder} cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Reads the next event, and waits for it.</summary>
    /// <exception cref="EventLogException">The files cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The log was closed.</exception>
    public async ValueTask<EventRecord> ReadAsync(CancellationToken cancellationToken = default)
    {
        EventRecord record;
        while (!TryRead(out record))
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

        return record;
    }

    /// <summary>All events from here on, without end.</summary>
    /// <param name="cancellationToken">Ends it.</param>
    public async IAsyncEnumerable<EventRecord> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            yield return await ReadAsync(cancellationToken);
        }
    }

    /// <summary>Closes its file.</summary>
    public void Dispose() => _scanner?.Dispose();

    private static EmbeddedReader FromTime(EmbeddedReader reader, DateTimeOffset time)
    {
        long offset = reader._next;
        while (reader.TryRead(out EventRecord record) && record.Time < time)
        {
            offset = record.Offset + 1;
        }

        reader.Dispose();
        return new(reader._log, reader._folder, offset);
    }

    private bool TryReadFrame()
    {
        if (!IsMore() || (_scanner is null && !TryOpen(SegmentOf(_next))))
        {
            return false;
        }

        while (true)
        {
            FrameState state = _scanner!.TryRead(out LogFrame frame, out _body);
            if (state == FrameState.Whole)
            {
                _brokenAt = -1;
                (_offset, _time) = (frame.FirstOffset, EmbeddedLog.ToTime(frame.TimeMicros));
                if (_offset > _next)
                {
                    Missed += _offset - _next;
                    _next = _offset;
                }

                return true;
            }

            LogSegment? after = SegmentAfter(_segment!); // first: once there is one, this file does not grow
            (long position, long length) = (_scanner.Position, _scanner.Length);
            if (position < length && !MayBeBeingWritten(position, after))
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
