using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using Google.Protobuf;
using Vitrine.Transports.Calls;

namespace Vitrine.Transports.Grpc;

/// <summary>A message on the wire: one byte that says whether it is compressed, its length as 32 bits big-endian, its bytes
/// (<c>doc/PROTOCOL-HTTP2.md</c> of gRPC, «Length-Prefixed-Message»).</summary>
internal static class MessageFrame
{
    /// <summary>Bytes in front of a message.</summary>
    public const int HeadBytes = 5;

    /// <summary>Messages below this size are not compressed: gzip alone adds 18 bytes, and a packet holds them anyway.</summary>
    public const int CompressBytesMin = 512;

    private const int GzipBytesMin = 18; // head and tail
    private const long DeflateRatioMax = 1032; // 258 bytes in two bits

    /// <summary>Looks for a whole message at the start of what has come. Takes no memory.</summary>
    /// <param name="buffer">What has come.</param>
    /// <param name="bytesMax">Most bytes of a message, as it travels.</param>
    /// <param name="isCompressed">Whether it is compressed.</param>
    /// <param name="payload">Its bytes.</param>
    /// <returns>False: not all of it has come.</returns>
    /// <exception cref="CallException">It is too long, or no message.</exception>
    public static bool TryRead(in ReadOnlySequence<byte> buffer, int bytesMax, out bool isCompressed, out ReadOnlySequence<byte> payload)
    {
        (isCompressed, payload) = (false, default);
        if (buffer.Length < HeadBytes)
        {
            return false;
        }

        Span<byte> head = stackalloc byte[HeadBytes];
        buffer.Slice(0, HeadBytes).CopyTo(head);
        if (head[0] > 1)
        {
            throw new CallException(CallStatusCode.Internal, $"A message begins with the unknown flags {head[0]}.");
        }

        isCompressed = head[0] == 1;
        uint length = BinaryPrimitives.ReadUInt32BigEndian(head[1..]);
        if (length > bytesMax)
        {
            GrpcMeter.Limits.Add(1, GrpcMeter.MessageBytes);
            throw new CallException(CallStatusCode.ResourceExhausted, $"A message of {length} bytes is more than the limit of {bytesMax}.");
        }

        if (buffer.Length - HeadBytes < length)
        {
            return false;
        }

        payload = buffer.Slice(HeadBytes, length);
        return true;
    }

    /// <summary>Bytes of memory that the message at the start of what has come takes: as it travels, and unpacked. What one that is compressed
    /// will be is known with its end; before, it may be the largest.</summary>
    /// <returns>0: not known yet, or <see cref="TryRead"/> refuses it.</returns>
    public static long MemoryBytes(in ReadOnlySequence<byte> buffer, int bytesMax)
    {
        if (buffer.Length < HeadBytes)
        {
            return 0;
        }

        Span<byte> head = stackalloc byte[HeadBytes];
        buffer.Slice(0, HeadBytes).CopyTo(head);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(head[1..]);
        if (length > bytesMax || head[0] != 1)
        {
            return length > bytesMax ? 0 : length;
        }

        if (buffer.Length - HeadBytes < length)
        {
            return length <= RequestHold.UncountedBytes ? 0 : (long)length + bytesMax;
        }

        uint unpacked = length < GzipBytesMin ? 0 : AnnouncedBytes(buffer.Slice(HeadBytes, length));
        return (long)length + (unpacked <= bytesMax ? unpacked : 0);
    }

    /// <summary>Reads the bytes of a frame into a message.</summary>
    /// <param name="payload">From <see cref="TryRead"/>.</param>
    /// <param name="isCompressed">From <see cref="TryRead"/>.</param>
    /// <param name="encoding">What <c>grpc-encoding</c> says.</param>
    /// <param name="bytesMax">Most bytes of the message when it is not compressed.</param>
    /// <param name="into">The message.</param>
    /// <exception cref="CallException">It is too long, or no message.</exception>
    public static void Parse(in ReadOnlySequence<byte> payload, bool isCompressed, CallCompression encoding, int bytesMax, IMessage into)
    {
        if (!isCompressed)
        {
            CallMessages.Read(payload, into);
            return;
        }

        if (encoding == CallCompression.None)
        {
            throw new CallException(CallStatusCode.Internal, "A message is compressed, but no encoding was named.");
        }

        PooledBuffer inflated = new(bytesMax);
        try
        {
            Inflate(payload, inflated);
            CallMessages.Read(new ReadOnlySequence<byte>(inflated.Written), into);
        }
        finally
        {
            inflated.Clear();
        }
    }

    /// <summary>Writes a message with its head.</summary>
    /// <exception cref="CallException">It is longer than the limit.</exception>
    public static void Write(IMessage message, CallCompression encoding, int bytesMax, IBufferWriter<byte> into)
    {
        int size = message.CalculateSize();
        if (size > bytesMax)
        {
            throw new CallException(CallStatusCode.ResourceExhausted, $"A message of {size} bytes is more than the limit of {bytesMax}.");
        }

        if (encoding == CallCompression.Gzip && size >= CompressBytesMin)
        {
            WriteCompressed(message, size, into);
            return;
        }

        WriteHead(into, false, size);
        message.WriteTo(into);
    }

    private static void WriteHead(IBufferWriter<byte> into, bool isCompressed, int length)
    {
        Span<byte> head = into.GetSpan(HeadBytes);
        head[0] = (byte)(isCompressed ? 1 : 0);
        BinaryPrimitives.WriteInt32BigEndian(head[1..], length);
        into.Advance(HeadBytes);
    }

    private static void WriteCompressed(IMessage message, int size, IBufferWriter<byte> into)
    {
        PooledBuffer plain = new(size), compressed = new(size + (size / 4) + 1024); // what does not shrink grows by an eighth at most: 9 bits a byte
        try
        {
            message.WriteTo(plain);
            using (GZipStream gzip = new(new BufferStream(compressed), CompressionLevel.Fastest))
            {
                gzip.Write(plain.Written.Span);
            }

            bool isSmaller = compressed.Count < size;
            ReadOnlySpan<byte> bytes = (isSmaller ? compressed : plain).Written.Span;
            WriteHead(into, isSmaller, bytes.Length);
            into.Write(bytes);
        }
        finally
        {
            plain.Clear();
            compressed.Clear();
        }
    }

    /// <summary>Unpacks gzip (RFC 1952) up to the length that it says at its end, if that is within the bound of the buffer: a bomb costs
    /// nothing, and one that says less than it is as much as it says.</summary>
    private static void Inflate(in ReadOnlySequence<byte> compressed, PooledBuffer into)
    {
        if (compressed.Length < GzipBytesMin)
        {
            throw new CallException(CallStatusCode.Internal, "A compressed message is cut off.");
        }

        // A bomb that says what it is is not unpacked at all.
        uint announced = AnnouncedBytes(compressed);
        if (announced > DeflateRatioMax * compressed.Length)
        {
            throw new CallException(CallStatusCode.Internal, "A compressed message is cut off.");
        }

        if (announced > (uint)into.BytesMax)
        {
            GrpcMeter.Limits.Add(1, GrpcMeter.InflatedBytes);
            throw new CallException(CallStatusCode.ResourceExhausted, $"A message is more than the limit of {into.BytesMax} bytes when it is unpacked.");
        }

        into.BytesMax = (int)announced;
        try
        {
            using GZipStream gzip = new(new SequenceStream(compressed), CompressionMode.Decompress);
            while (true)
            {
                if (into.Count == into.BytesMax)
                {
                    if (gzip.ReadByte() < 0)
                    {
                        break;
                    }

                    throw new CallException(CallStatusCode.Internal, "A compressed message is larger than it says.");
                }

                Memory<byte> free = into.GetMemory();
                int read = gzip.Read(free.Span[..Math.Min(free.Length, into.BytesMax - into.Count)]);
                if (read == 0)
                {
                    break;
                }

                into.Advance(read);
            }

            // The runtime takes a stream that was cut off for a whole one.
            if (announced != (uint)into.Count)
            {
                throw new CallException(CallStatusCode.Internal, "A compressed message is cut off.");
            }
        }
        catch (InvalidDataException exception)
        {
            throw new CallException(CallStatusCode.Internal, "A compressed message is damaged.", innerException: exception);
        }
    }

    // The last four bytes (ISIZE).
    private static uint AnnouncedBytes(in ReadOnlySequence<byte> compressed)
    {
        Span<byte> tail = stackalloc byte[sizeof(uint)];
        compressed.Slice(compressed.Length - sizeof(uint)).CopyTo(tail);
        return BinaryPrimitives.ReadUInt32LittleEndian(tail);
    }

    /// <summary>What a compressor writes, into a buffer.</summary>
    private sealed class BufferStream(PooledBuffer into) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => into.Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer) => into.Write(buffer);
    }
}
