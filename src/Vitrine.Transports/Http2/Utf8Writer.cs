using System.Buffers;
using System.Text;

namespace Vitrine.Transports.Http2;

/// <summary>Text that becomes UTF-8 while it is written: it never stands in memory as a whole.</summary>
/// <remarks>Not thread-safe. What was written is in the buffer after <see cref="Flush"/>, which follows the last character.</remarks>
internal sealed class Utf8Writer(IBufferWriter<byte> into) : TextWriter
{
    private readonly char[] _chars = new char[512];
    private readonly Encoder _encoder = Encoding.UTF8.GetEncoder();
    private int _count;

    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value)
    {
        if (_count == _chars.Length)
        {
            Encode(isLast: false);
        }

        _chars[_count++] = value;
    }

    public override void Write(string? value) => Write(value.AsSpan());

    public override void Write(ReadOnlySpan<char> buffer)
    {
        if (buffer.Length <= _chars.Length - _count)
        {
            buffer.CopyTo(_chars.AsSpan(_count));
            _count += buffer.Length;
            return;
        }

        Encode(isLast: false);
        _encoder.Convert(buffer, into, flush: false, out _, out _);
    }

    public override void Flush() => Encode(isLast: true);

    private void Encode(bool isLast)
    {
        if (_count > 0)
        {
            _encoder.Convert(_chars.AsSpan(0, _count), into, isLast, out _, out _);
            _count = 0;
        }
    }
}
