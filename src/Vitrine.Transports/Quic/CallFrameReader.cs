using System.Runtime.CompilerServices;
using Vitrine.Transports.Calls;
using Vitrine.Transports.Grpc;

namespace Vitrine.Transports.Quic;

/// <summary>A frame that was read.</summary>
/// <param name="Type">Null: the stream ended.</param>
/// <param name="Payload">Valid until <see cref="CallFrameReader.Take"/> and the next read.</param>
internal readonly record struct CallFrameRead(CallFrameType? Type, ReadOnlyMemory<byte> Payload);

/// <summary>Takes frames out of a stream, one after the other. Memory grows with what has come, never with what was announced.</summary>
/// <remarks>One read at a time. Re-used after <see cref="Clear"/>.</remarks>
internal sealed class CallFrameReader
{
    // More than that is not kept while nothing comes.
    private const int KeptBytesMax = 64 * 1024;

    private const int ReadBytes = 16 * 1024;

    private readonly PooledBuffer _buffer;
    private readonly int _messageBytesMax;
    private int _start; // of what was not taken
    private int _frameBytes; // of the frame that was looked at; 0: none
    private bool _hasRoom; // for the frame that is coming
    private int _heldBefore; // of those before

    /// <summary>Makes one.</summary>
    /// <param name="messageBytesMax">Most bytes of a message.</param>
    public CallFrameReader(int messageBytesMax)
    {
        _messageBytesMax = messageBytesMax;
        _buffer = new(Math.Max(messageBytesMax, CallFrame.BlockBytesMax) + CallFrame.HeadBytesMax + ReadBytes);
    }

    /// <summary>Where room is taken for a frame before more of it is read; null: nobody counts. Whoever set it gives back.</summary>
    public RequestHold? Hold { get; init; }

    /// <summary>Looks at the next frame of a known type, or waits for it. The same one again until <see cref="Take"/>.</summary>
    /// <exception cref="CallException">Too long, no frame, or no room for it.</exception>
    /// <exception cref="QuicStreamException">The stream was given up.</exception>
    /// <exception cref="QuicClosedException">The connection is closed.</exception>
    /// <exception cref="OperationCanceledException">By the token.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<CallFrameRead> PeekAsync(QuicStream stream, CancellationToken cancellation)
    {
        while (true)
        {
            ReadOnlyMemory<byte> bytes = _buffer.Written[_start..];
            switch (CallFrame.TryRead(bytes.Span, _messageBytesMax, out CallFrameType type, out int payloadAt, out int payloadBytes))
            {
                case CallFrameStatus.Ok:
                    _frameBytes = payloadAt + payloadBytes;
                    if (type <= CallFrameType.End)
                    {
                        return new(type, bytes.Slice(payloadAt, payloadBytes));
                    }

                    if (_hasRoom)
                    {
                        Hold!.Lower(_heldBefore);
                    }

                    Take(); // that is how the protocol grows
                    continue;
                case CallFrameStatus.TooLong:
                    QuicMeter.Limits.Add(1, QuicMeter.MessageBytes);
                    throw new CallException(CallStatusCode.ResourceExhausted, $"A message is longer than the limit of {_messageBytesMax} bytes.");
                case CallFrameStatus.Malformed:
                    throw new CallException(CallStatusCode.Internal, "That was not a frame of this protocol.");
                default:
                    break;
            }

            Compact();
            if (!_hasRoom && payloadBytes > 0 && Hold is not null)
            {
                (_hasRoom, _heldBefore) = (true, Hold.Bytes);
                await Hold.TakeAsync(payloadAt + payloadBytes, cancellation);
            }

            Memory<byte> free = _buffer.GetMemory(payloadBytes == 0 ? 1 : Math.Min(payloadAt + payloadBytes - _buffer.Count, ReadBytes));
            int read = await stream.ReadAsync(free, cancellation);
            if (read == 0)
            {
                return _buffer.Count == 0 ? default : throw new CallException(CallStatusCode.Internal, "The stream ends within a frame.");
            }

            _buffer.Advance(read);
        }
    }

    /// <summary>The frame that was looked at is done with.</summary>
    public void Take()
    {
        _start += _frameBytes;
        _frameBytes = 0;
        _hasRoom = false;
    }

    /// <summary>Gives the memory back.</summary>
    public void Clear()
    {
        _buffer.Clear();
        (_start, _frameBytes, _hasRoom) = (0, 0, false);
    }

    private void Compact()
    {
        if (_start == _buffer.Count && _start > KeptBytesMax)
        {
            _buffer.Clear();
        }
        else
        {
            _buffer.Drop(_start);
        }

        _start = 0;
    }
}
