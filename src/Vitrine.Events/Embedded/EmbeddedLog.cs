using System.Diagnostics;
using System.Text;
using System.Threading.Tasks.Sources;
using Microsoft.Win32.SafeHandles;

namespace Vitrine.Events.Embedded;

/// <summary>A durable log in a folder of this machine. What is appended is on the disk when <see cref="AppendAsync"/> says so; what waits at the
/// same time is written together and synchronised once.</summary>
/// <remarks>
/// <para>Thread-safe. One process owns the folder; others may read (<see cref="EmbeddedReader"/>). A thread of its own writes; another one removes what is
/// old with each new file, and makes the one after it where they are filled fast.</para>
/// <para>Each file begins with a frame that has the places of all groups, so that only the last file is read when the log is opened. What
/// is torn at its end was never acknowledged, and is cut off. What does not read elsewhere is left where it is, passed over and told
/// (<see cref="Damage"/>).</para>
/// <para>A disk that is full, or fails, fails what was to be appended, which leaves no trace; the next append tries anew.</para>
/// </remarks>
public sealed class EmbeddedLog : IEventLog
{
    private const string LockName = "lock";
    private const int DiskFullCode = 28; // ENOSPC, as exceptions have it on Linux
    private const int LockedCode = 11; // EWOULDBLOCK

    // Where a file need not grow, its data is all that a disk has to write: two thirds of the time that it takes where the file system writes down, each
    // time, that it has grown. Room for so many writes like the one that has none; at a low rate for hours.
    private const int RoomWrites = 256, RoomBytesMin = 1 << 20;

    // Whoever fills a file faster would wait for room again and again: the next one is made meanwhile, with all its room.
    private static readonly TimeSpan s_fastFile = TimeSpan.FromMinutes(1);

    // Callers who come back come within microseconds of each other; who has not come by then is doing something else.
    private static readonly TimeSpan s_gatherPause = TimeSpan.FromMicroseconds(50);

    private readonly EmbeddedLogOptions _options;
    private readonly FileStream _ownership;
    private readonly Thread _writer;
    private readonly SemaphoreSlim _work = new(0);
    private readonly Lock _lock = new();
    private readonly Dictionary<string, EventPlace> _places; // durable ones; _lock
    private readonly Dictionary<string, byte[]> _states; // likewise
    private readonly Dictionary<string, EmbeddedConsumer> _members = []; // one a group; _lock
    private readonly List<LogSegment> _segments; // _lock
    private readonly Stack<AppendCompletion> _spareCompletions = new();
    private LogSegment? _last; // of the segments; the writer's
    private SafeFileHandle? _file; // of it; likewise
    private long _length; // of it, as far as it is durable
    private long _room; // its length on the disk: zeros up to there, for what comes next
    private long _begunAt; // when the last file was begun; 0: before the log was opened
    private NextFile? _next; // what comes after it, where files are filled fast
    private Task _chores = Task.CompletedTask; // what is done beside the writing of a file, and over before the next one is begun
    private Pending _filling;
    private Pending _writing;
    private TaskCompletionSource? _drained; // while somebody waits for room
    private TaskCompletionSource? _grown; // while somebody waits for events
    private long _nextOffset;
    private long _endOffset;
    private long _timeMicros;
    private TimeSpan _writeTime; // of the last write; the writer's
    private int _expected; // callers that it answered, and those who waited for it to end; the writer's
    private long _writes; // the writer's
    private long _bytesWritten;
    private bool _isClosed;

    private EmbeddedLog(EmbeddedLogOptions options, FileStream ownership, Recovered recovered)
    {
        (_options, _ownership) = (options, ownership);
        (_segments, _places, _states, Damage) = (recovered.Segments, recovered.Places, recovered.States, recovered.Damage);
        _last = _segments is [.., LogSegment last] ? last : null;
        (_nextOffset, _endOffset, _timeMicros, _length) = (recovered.NextOffset, recovered.NextOffset, recovered.TimeMicros, recovered.Length);
        (_filling, _writing) = (new(options.PendingBytesMax), new(options.PendingBytesMax));
        _writer = new(Write) { IsBackground = true, Name = "event log" };
    }

    /// <inheritdoc/>
    public string Name => $"the folder {_options.Folder}";

    /// <summary>What did not read when the log was opened.</summary>
    public IReadOnlyList<LogDamage> Damage { get; }

    /// <summary>Of the oldest event that is kept.</summary>
    public long BeginOffset
    {
        get
        {
            lock (_lock)
            {
                return _segments is [LogSegment oldest, ..] ? oldest.FirstOffset : 0;
            }
        }
    }

    /// <summary>One more than that of the last event that is durable.</summary>
    public long EndOffset => Volatile.Read(ref _endOffset);

    /// <summary>Times that something was written and made durable, since it was opened.</summary>
    public long Writes => Volatile.Read(ref _writes);

    /// <summary>Bytes that were written so.</summary>
    public long BytesWritten => Volatile.Read(ref _bytesWritten);

    internal EmbeddedLogOptions Options => _options;

    /// <summary>Opens a log, or makes it.</summary>
    /// <exception cref="EventLogException">Another process has it, or the folder cannot be used; the message says what to do.</exception>
    public static EmbeddedLog Open(EmbeddedLogOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        FileStream? ownership = null;
        try
        {
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(options.Folder); // a profile is closed to other users there
            }
            else
            {
                Directory.CreateDirectory(options.Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }

            ownership = Own(options.Folder);
            NextFile.RemoveFrom(options.Folder);
            EmbeddedLog log = new(options, ownership, Recover(options));
            log._writer.Start();
            return log;
        }
        catch (Exception exception)
        {
            ownership?.Dispose();
            if (exception is IOException or UnauthorizedAccessException)
            {
                throw new EventLogException(EventLogFailure.NotALog, $"The folder {options.Folder} cannot be used for events: {exception.Message}", exception);
            }

            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask<EventPosition> AppendAsync(EventBatch batch, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(batch);
        cancellationToken.ThrowIfCancellationRequested();
        if (batch.Bytes == 0)
        {
            throw new ArgumentException("The batch is empty.", nameof(batch));
        }

        return TryTake(batch, out AppendCompletion? completion, out Task drained) ? new(completion!, completion!.Version) : WaitForRoomAsync(batch, drained, cancellationToken);
    }

    /// <inheritdoc cref="IEventLog.Read"/>
    public EmbeddedReader Read(EventStart start, params IReadOnlyList<string> topics) => EmbeddedReader.Open(this, start, topics);

    IEventReader IEventLog.Read(EventStart start, IReadOnlyList<string> topics) => Read(start, topics);

    /// <inheritdoc/>
    /// <remarks>There is one order of events, so one member works at a time: who joins takes the place of who was there, and is given what that one
    /// has not committed.</remarks>
    public async ValueTask<IEventConsumer> JoinAsync(EventGroup group, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(group);
        EmbeddedConsumer member = new(this, group);
        EmbeddedConsumer? before;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            before = _members.GetValueOrDefault(group.Name);
            _members[group.Name] = member;
        }

        await (before?.FenceAsync() ?? default);
        member.Begin();
        return member;
    }

    /// <summary>How far a group has come.</summary>
    /// <returns>False: it has committed nothing yet.</returns>
    public bool TryGetPlace(string group, out EventPlace place) => TryGetPlace(group, out place, out _);

    /// <summary>How far a group has come, and what it knew there.</summary>
    internal bool TryGetPlace(string group, out EventPlace place, out ReadOnlyMemory<byte> state)
    {
        lock (_lock)
        {
            state = _states.GetValueOrDefault(group);
            return _places.TryGetValue(group, out place);
        }
    }

    /// <summary>Writes what waits, and gives the folder back.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (_isClosed)
            {
                return;
            }

            _isClosed = true;
            _drained?.TrySetResult();
            _grown?.TrySetResult();
        }

        _work.Release();
        await Task.Run(() =>
        {
            _writer.Join();
            ForgetFile();
        });
        _work.Dispose();
        await _ownership.DisposeAsync();
    }

    /// <summary>Ends when more is durable than up to an offset.</summary>
    /// <exception cref="ObjectDisposedException">The log was closed.</exception>
    internal Task WaitForAsync(long endOffset)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            return _endOffset > endOffset ? Task.CompletedTask : (_grown ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>The file that has an offset, or the first one after it.</summary>
    internal LogSegment SegmentOf(long offset)
    {
        lock (_lock)
        {
            return _segments.FindLast(segment => segment.FirstOffset <= offset) ?? _segments[0];
        }
    }

    /// <summary>The file after another one; null: that is the last.</summary>
    internal LogSegment? SegmentAfter(LogSegment segment)
    {
        lock (_lock)
        {
            return _segments.Find(each => each.FirstOffset > segment.FirstOffset);
        }
    }

    /// <summary>All files, the oldest first.</summary>
    internal LogSegment[] Segments
    {
        get
        {
            lock (_lock)
            {
                return [.. _segments];
            }
        }
    }

    /// <summary>A member has left its group.</summary>
    internal void Leave(EmbeddedConsumer member)
    {
        lock (_lock)
        {
            if (_members.GetValueOrDefault(member.Group.Name) == member)
            {
                _members.Remove(member.Group.Name);
            }
        }
    }

    private static FileStream Own(string folder)
    {
        string path = Path.Combine(folder, LockName);
        try
        {
            FileStream ownership = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
            ownership.SetLength(0);
            ownership.Write(Encoding.ASCII.GetBytes($"{Environment.ProcessId}\n"));
            ownership.Flush();
            return ownership;
        }
        catch (IOException exception) when (exception.HResult is LockedCode or unchecked((int)0x80070020)) // the latter on Windows
        {
            throw new EventLogException(EventLogFailure.InUse, $"The events in {folder} are another process's: end it, or name another folder. ({exception.Message})", exception);
        }
    }

    private static Recovered Recover(EmbeddedLogOptions options)
    {
        List<LogSegment> segments = LogSegment.List(options.Folder);
        Recovered recovered = new(segments);
        if (segments.Count == 0)
        {
            return recovered;
        }

        // The last file has all that is needed, unless its beginning is broken: then the places are those of the one before, and so on.
        int from = segments.Count - 1;
        while (from > 0 && !StartsWhole(segments[from]))
        {
            from--;
        }

        for (int i = from; i < segments.Count; i++)
        {
            recovered.Read(segments[i], isLast: i == segments.Count - 1);
        }

        return recovered;
    }

    private static bool StartsWhole(LogSegment segment)
    {
        using FrameScanner scanner = new(segment.OpenToRead());
        return scanner.TryRead(out _, out _) == FrameState.Whole;
    }

    private bool TryTake(EventBatch batch, out AppendCompletion? completion, out Task drained)
    {
        (completion, drained) = (null, Task.CompletedTask);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            int bytes = LogFrame.HeadBytes + batch.Bytes;
            if (_filling.Bytes > 0 && _filling.Bytes + bytes > _options.PendingBytesMax)
            {
                drained = (_drained ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
                return false;
            }

            // A clock that is set back does not set the log back.
            long now = (_options.Time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
            _timeMicros = Math.Max(_timeMicros, now);
            LogFrame frame = new(_nextOffset, _timeMicros, batch.Count, batch.Bytes);
            frame.Write(_filling.Take(frame.Bytes), batch.Body);
            _nextOffset = _filling.NextOffset = frame.NextOffset;
            completion = _spareCompletions.TryPop(out AppendCompletion? spare) ? spare : new(this);
            completion.Begin(frame.FirstOffset);
            _filling.Completions.Add(completion);
            _filling.Places.AddRange(batch.Places);
            _filling.States.AddRange(batch.States);
            if (_filling.Completions.Count == 1)
            {
                _work.Release();
            }

            return true;
        }
    }

    private async ValueTask<EventPosition> WaitForRoomAsync(EventBatch batch, Task drained, CancellationToken cancellationToken)
    {
        while (true)
        {
            await drained.WaitAsync(cancellationToken);
            if (TryTake(batch, out AppendCompletion? completion, out drained))
            {
                return await new ValueTask<EventPosition>(completion!, completion!.Version);
            }
        }
    }

    private void Write()
    {
        while (true)
        {
            _work.Wait();
            Gather();
            lock (_lock)
            {
                if (_filling.Completions.Count == 0)
                {
                    if (_isClosed)
                    {
                        return;
                    }

                    continue;
                }

                (_filling, _writing) = (_writing, _filling);
                _drained?.TrySetResult();
                _drained = null;
            }

            EventLogException? failure = null;
            long begun = Stopwatch.GetTimestamp();
            try
            {
                WriteDurably(_writing.Written);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                failure = Explain(exception);
                ForgetFile();
            }

            (_writeTime, _expected) = (Stopwatch.GetElapsedTime(begun), _writing.Completions.Count + _filling.Completions.Count);
            End(failure);
        }
    }

    // Callers who are answered come back within moments. Without them, they would have to wait for a write that they are not in before theirs begins, and so
    // would those who are in it the next time: everybody would wait for two. So the writer waits for them, as long as they keep coming, and for no longer
    // than half a write.
    private void Gather()
    {
        TimeSpan most = _writeTime / 2;
        long begun = Stopwatch.GetTimestamp(), last = begun;

        // Counted without the lock that those who come need: an older number only makes it wait a moment longer.
        for (int waiting = _filling.Completions.Count, now; waiting < _expected && Stopwatch.GetElapsedTime(last) < s_gatherPause && Stopwatch.GetElapsedTime(begun) < most; waiting = now)
        {
            Thread.SpinWait(32);
            now = _filling.Completions.Count;
            last = now > waiting ? Stopwatch.GetTimestamp() : last;
        }
    }

    private void WriteDurably(ReadOnlySpan<byte> frames)
    {
        long first = LogFrame.FirstOffsetOf(frames);
        if (_file is null && _last is not null)
        {
            _file = File.OpenHandle(_last.Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            RandomAccess.SetLength(_file, _length); // cuts off what was never acknowledged
            if (_length == 0)
            {
                // Who began it was ended before its beginning was whole.
                _length = WriteHead(_file, first, LogFrame.TimeMicrosOf(frames));
            }

            _room = _length;
        }

        // A file without an event has the name that the next one would get: it goes on.
        if (_file is null || (_length + frames.Length > _options.SegmentBytes && first > _last!.FirstOffset))
        {
            BeginSegment(first, LogFrame.TimeMicrosOf(frames));
        }

        if (_length + frames.Length > _room)
        {
            MakeRoom(_length + frames.Length, frames.Length);
        }

        RandomAccess.Write(_file!, frames, _length);
        RandomAccess.FlushToDisk(_file!);
        _length += frames.Length;
        Volatile.Write(ref _bytesWritten, _bytesWritten + frames.Length);
        Volatile.Write(ref _writes, _writes + 1);
    }

    private void MakeRoom(long from, long bytesAWrite)
    {
        long until = Math.Min(from + Math.Max(RoomBytesMin, RoomWrites * bytesAWrite), Math.Max(from, _options.SegmentBytes));
        try
        {
            for (_room = from; _room < until; _room = Math.Min(until, _room + NextFile.Zeros.Length))
            {
                RandomAccess.Write(_file!, NextFile.Zeros[..(int)Math.Min(until - _room, NextFile.Zeros.Length)], _room);
            }
        }
        catch (IOException)
        {
            // A disk that is nearly full has none to spare; what is to be written may still fit.
            RandomAccess.SetLength(_file!, _length);
            _room = from;
        }
    }

    private void BeginSegment(long firstOffset, long timeMicros)
    {
        if (_file is not null)
        {
            RandomAccess.SetLength(_file, _length); // the room that is left
        }

        EndChores();
        LogSegment segment = LogSegment.At(_options.Folder, firstOffset);
        long room = 0;
        SafeFileHandle file = _next?.Take(segment.Path, out room)
            ?? File.OpenHandle(segment.Path, FileMode.Create, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        int headBytes;
        try
        {
            headBytes = WriteHead(file, firstOffset, timeMicros);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            file.Dispose();
            File.Delete(segment.Path); // it would be taken for damage
            throw;
        }

        _file?.Dispose();
        (_file, _last, _length, _room) = (file, segment, headBytes, Math.Max(headBytes, room));
        lock (_lock)
        {
            _segments.Add(segment);
        }

        long now = Stopwatch.GetTimestamp();
        NextFile? next = _begunAt != 0 && Stopwatch.GetElapsedTime(_begunAt, now) < s_fastFile ? new(_options.Folder, _options.SegmentBytes) : null;
        (_next, _begunAt) = (next, now);
        _chores = Task.Factory.StartNew(
            () =>
            {
                RemoveOld();
                next?.Make();
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private void EndChores()
    {
        _next?.Stop();
        _chores.GetAwaiter().GetResult();
    }

    // Oldest first; the last one stays. No file is begun meanwhile.
    private void RemoveOld()
    {
        try
        {
            LogSegment[] segments = Segments;
            long bytes = segments.Sum(segment => new FileInfo(segment.Path).Length);
            DateTimeOffset oldest = _options.Time.GetUtcNow() - _options.RetentionAge;
            for (int i = 0; i + 1 < segments.Length && (bytes > _options.RetentionBytes || segments[i + 1].ReadTime() < oldest); i++)
            {
                bytes -= new FileInfo(segments[i].Path).Length;
                File.Delete(segments[i].Path);
                lock (_lock)
                {
                    _segments.Remove(segments[i]);
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            EventLogMeter.NotRemoved.Add(1); // they are tried again with the next file
        }
    }

    /// <summary>Begins a file, durably, with the places of all groups.</summary>
    /// <returns>Bytes of it.</returns>
    private int WriteHead(SafeFileHandle file, long firstOffset, long timeMicros)
    {
        EventBatch places = new();
        lock (_lock)
        {
            foreach ((string group, EventPlace place) in _places)
            {
                places.AddPlace(group, place);
            }

            foreach ((string group, byte[] state) in _states)
            {
                places.AddState(group, state);
            }
        }

        LogFrame frame = new(firstOffset, timeMicros, 0, places.Bytes);
        byte[] head = new byte[frame.Bytes];
        frame.Write(head, places.Body);
        RandomAccess.Write(file, head, 0);
        RandomAccess.FlushToDisk(file);
        DurableFolder.Flush(_options.Folder);
        return head.Length;
    }

    // What was written of frames that failed goes when the file is opened anew, if not now; so does the room that is left. The next file goes too: what it
    // takes of a full disk may be what is missing.
    private void ForgetFile()
    {
        EndChores();
        _next?.Discard();
        try
        {
            if (_file is not null)
            {
                RandomAccess.SetLength(_file, _length);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The next append tries again, and fails if that does.
        }
        finally
        {
            _file?.Dispose();
            _file = null;
        }
    }

    private void End(EventLogException? failure)
    {
        EventLogMeter.Ended(_writing.Completions.Count, _writing.Bytes, failure);
        lock (_lock)
        {
            if (failure is null)
            {
                _writing.Places.ForEach(each => _places[each.Group] = each.Place);
                _writing.States.ForEach(each => _states[each.Group] = each.State);
                Volatile.Write(ref _endOffset, _writing.NextOffset);
                _grown?.TrySetResult();
                _grown = null;
            }
            else
            {
                // What waits behind it has offsets that come after those which are not kept.
                EventLogMeter.Ended(_filling.Completions.Count, _filling.Bytes, failure);
                _filling.End(failure);
                _nextOffset = _endOffset;
                _drained?.TrySetResult();
                _drained = null;
            }
        }

        _writing.End(failure);
    }

    private EventLogException Explain(Exception exception) => exception.HResult == DiskFullCode
        ? new(EventLogFailure.DiskFull, $"The disk with {_options.Folder} is full: events are not kept until there is room.", exception)
        : new(EventLogFailure.Storage, $"Events cannot be written to {_options.Folder}: {exception.Message}", exception);

    /// <summary>Frames that wait, or are being written.</summary>
    private sealed class Pending(int bytesMax)
    {
        private byte[] _bytes = new byte[64 << 10];

        public int Bytes { get; private set; }

        public long NextOffset { get; set; }

        public List<AppendCompletion> Completions { get; } = [];

        public List<(string Group, EventPlace Place)> Places { get; } = [];

        public List<(string Group, byte[] State)> States { get; } = [];

        public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, Bytes);

        /// <summary>Room for a frame; more than all there may be only for the first one.</summary>
        public Span<byte> Take(int bytes)
        {
            if (_bytes.Length < Bytes + bytes)
            {
                Array.Resize(ref _bytes, Math.Max(Bytes + bytes, Math.Min(bytesMax, 2 * _bytes.Length)));
            }

            Bytes += bytes;
            return _bytes.AsSpan(Bytes - bytes, bytes);
        }

        /// <summary>Tells who waits, and is empty again.</summary>
        public void End(EventLogException? failure)
        {
            foreach (AppendCompletion completion in Completions)
            {
                completion.End(failure);
            }

            Bytes = 0;
            Completions.Clear();
            Places.Clear();
            States.Clear();
        }
    }

    /// <summary>Somebody who waits until a batch is durable. Used again when that was told.</summary>
    private sealed class AppendCompletion(EmbeddedLog log) : IValueTaskSource<EventPosition>
    {
        private ManualResetValueTaskSourceCore<EventPosition> _core = new() { RunContinuationsAsynchronously = true };
        private long _offset;

        public short Version => _core.Version;

        public void Begin(long offset) => _offset = offset;

        public void End(EventLogException? failure)
        {
            if (failure is null)
            {
                _core.SetResult(EventPosition.Embedded(_offset));
            }
            else
            {
                _core.SetException(failure);
            }
        }

        public EventPosition GetResult(short token)
        {
            try
            {
                return _core.GetResult(token);
            }
            finally
            {
                _core.Reset();
                lock (log._lock)
                {
                    log._spareCompletions.Push(this);
                }
            }
        }

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) => _core.OnCompleted(continuation, state, token, flags);
    }

    /// <summary>What the files say when a log is opened.</summary>
    private sealed class Recovered(List<LogSegment> segments)
    {
        public List<LogSegment> Segments { get; } = segments;

        public Dictionary<string, EventPlace> Places { get; } = [];

        public Dictionary<string, byte[]> States { get; } = [];

        public List<LogDamage> Damage { get; } = [];

        public long NextOffset { get; private set; }

        public long TimeMicros { get; private set; }

        /// <summary>Of the last file, without what is torn.</summary>
        public long Length { get; private set; }

        public void Read(LogSegment segment, bool isLast)
        {
            using FrameScanner scanner = new(segment.OpenToRead());
            NextOffset = Math.Max(NextOffset, segment.FirstOffset);
            Length = 0;
            while (true)
            {
                FrameState state = scanner.TryRead(out LogFrame frame, out ReadOnlyMemory<byte> body);
                if (state == FrameState.Whole)
                {
                    (NextOffset, TimeMicros, Length) = (frame.NextOffset, Math.Max(TimeMicros, frame.TimeMicros), scanner.Position);
                    while (LogFrame.TryTake(ref body, out LogEntry entry))
                    {
                        if (entry.Kind == EventBatch.PlaceKind && entry.Value.Length == EventBatch.PlaceBytes)
                        {
                            Places[Encoding.UTF8.GetString(entry.Name.Span)] = EventBatch.ReadPlace(entry.Value.Span);
                        }
                        else if (entry.Kind == EventBatch.StateKind)
                        {
                            States[Encoding.UTF8.GetString(entry.Name.Span)] = entry.Value.ToArray();
                        }
                    }

                    continue;
                }

                // What stands at the end was being written when the process ended; with whole frames behind it, it is damage.
                long from = scanner.Position, length = scanner.Length;
                if (scanner.IsAtRoom())
                {
                    return;
                }

                bool isFollowed = scanner.TryFindNext();
                Damage.Add(new(segment.Path, from, isFollowed ? scanner.Position : length, IsTorn: isLast && !isFollowed));
                if (!isFollowed)
                {
                    return;
                }
            }
        }
    }
}
