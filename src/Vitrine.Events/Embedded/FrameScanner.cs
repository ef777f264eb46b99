using Microsoft.Win32.SafeHandles;

namespace Vitrine.Events.Embedded;

/// <summary>Reads a file frame by frame, and passes over what is none.</summary>
/// <remarks>One thread at a time. Owns the handle.</remarks>
/// <param name="file">Opened to be read.</param>
/// <param name="readAheadBytes">Read at a time; more where a frame is larger.</param>
internal sealed class FrameScanner(SafeFileHandle file, int readAheadBytes = 256 << 10) : IDisposable
{
    private byte[] _buffer = new byte[readAheadBytes];
    private long _bufferAt; // place in the file of the buffer's first byte
    private int _from, _until;
    private long _roomUntil; // length of the file when the rest of it was room

    /// <summary>Place in the file of what comes next.</summary>
    public long Position => _bufferAt + _from;

    /// <summary>Of the file, now.</summary>
    public long Length => RandomAccess.GetLength(file);

    /// <summary>Goes on at another place, and forgets what was read ahead.</summary>
    public void Seek(long position) => (_bufferAt, _from, _until) = (position, 0, 0);

    /// <summary>Reads the frame that stands here, and goes behind it when it is whole.</summary>
    /// <param name="frame">What its head says.</param>
    /// <param name="body">Its entries; valid until the next call.</param>
    /// <returns><see cref="FrameState.Incomplete"/> at the end of the file: another call looks whether it has grown.</returns>
    public FrameState TryRead(out LogFrame frame, out ReadOnlyMemory<byte> body)
    {
        while (true)
        {
            FrameState state = LogFrame.TryRead(_buffer.AsSpan(_from, _until - _from), out frame);
            if (state == FrameState.Incomplete && TryFill())
            {
                continue;
            }

            body = state == FrameState.Whole ? _buffer.AsMemory(_from + LogFrame.HeadBytes, frame.BodyBytes) : default;
            _from += state == FrameState.Whole ? frame.Bytes : 0;
            return state;
        }
    }

    /// <summary>Whether there is nothing from here to the end of the file but room for frames: zeros, or nothing at all. Stays here.</summary>
    public bool IsAtRoom()
    {
        long position = Position, length = Length;

        // Frames are written into room one after the other: what was room stays it behind one that is not there yet.
        bool isRoom = true, isKnown = length == _roomUntil;
        while (isRoom && (_from < _until || (!isKnown && TryFill())))
        {
            isRoom = !_buffer.AsSpan(_from, _until - _from).ContainsAnyExcept((byte)0);
            _from = _until;
        }

        Seek(position);
        _roomUntil = isRoom ? length : 0;
        return isRoom;
    }

    /// <summary>Goes to the next whole frame, from the byte after this place.</summary>
    /// <returns>False: there is none to the end of the file.</returns>
    public bool TryFindNext()
    {
        if (_from == _until && !TryFill())
        {
            return false;
        }

        _from++;
        while (true)
        {
            int found = _buffer.AsSpan(_from, _until - _from).IndexOf(LogFrame.Mark);
            if (found < 0)
            {
                // A mark may begin with the last bytes.
                _from = Math.Max(_from, _until - LogFrame.Mark.Length + 1);
                if (!TryFill())
                {
                    return false;
                }

                continue;
            }

            _from += found;
            long position = Position;
            if (TryRead(out _, out _) == FrameState.Whole)
            {
                Seek(position);
                return true;
            }

            _from++;
        }
    }

    public void Dispose() => file.Dispose();

    /// <summary>Reads on. False: there is nothing more yet.</summary>
    private bool TryFill()
    {
        if (_from > 0)
        {
            _buffer.AsSpan(_from, _until - _from).CopyTo(_buffer);
            (_bufferAt, _from, _until) = (_bufferAt + _from, 0, _until - _from);
        }

        if (_until == _buffer.Length)
        {
            // One frame is larger; its length was looked at.
            Array.Resize(ref _buffer, Math.Min(2 * _buffer.Length, LogFrame.BytesMax));
        }

        int read = RandomAccess.Read(file, _buffer.AsSpan(_until), _bufferAt + _until);
        _until += read;
        return read > 0;
    }
}
