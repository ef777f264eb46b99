using Vitrine.Imaging;
using Vitrine.Interop;
using Vitrine.Wire;

namespace Vitrine.Codecs.H264;

/// <summary>What became of an access unit.</summary>
public enum DecodeStatus
{
    /// <summary>There is a picture.</summary>
    Decoded,

    /// <summary>It was taken, and held no picture: parameters only.</summary>
    NeedsMore,

    /// <summary>It cannot be decoded, or refers to something that was not there. The decoder waits for a key frame: until one comes,
    /// every access unit is answered so, and no broken picture is given.</summary>
    Corrupt,

    /// <summary>The decoder is of no use any more (no memory): make another one.</summary>
    Failed,
}

/// <summary>Opens a decoder, as <see cref="H264Decoder.TryCreate"/> does.</summary>
/// <param name="reason">Which it is; or why there is none.</param>
/// <returns>Owned by who asked; null when there is none.</returns>
public delegate H264Decoder? H264DecoderOpener(out string reason);

/// <summary>H.264 in software, one picture out for each access unit in. For viewers without a browser.</summary>
/// <remarks>Takes any bytes: what is wrong is a status. Memory is bounded: access units above <see cref="VideoPacket.DataBytesMax"/> are not
/// looked at, and pictures above <see cref="PixelsMax"/> are refused when their parameter set is read, before memory is taken for them.
/// Used by one thread at a time; allocates nothing managed an access unit.</remarks>
public sealed unsafe class H264Decoder : IDisposable
{
    /// <summary>Most luma pixels of a picture (8192x8192; 16384x4096).</summary>
    public const int PixelsMax = 67_108_864;

    private readonly AvPacket _packet;
    private readonly AvFrame _frame;
    private AvCodecContext _context;
    private bool _needsKeyFrame = true;
    private bool _isDisposed;

    private H264Decoder(AvCodecContext context, AvPacket packet, AvFrame frame) => (_context, _packet, _frame) = (context, packet, frame);

    /// <summary>Opens a decoder.</summary>
    /// <param name="reason">Which it is; or why there is none.</param>
    /// <returns>Null when there is none.</returns>
    public static H264Decoder? TryCreate(out string reason) =>
        AvLibraries.Load(out reason) is { } libraries && TryOpen(libraries, out reason) is { } context
            ? new(context, new(libraries.Layout), new(libraries.Layout))
            : null;

    /// <summary>Decodes one access unit.</summary>
    /// <param name="accessUnit">Annex B; whatever came over the network. Borrowed for the call.</param>
    /// <param name="picture">When <see cref="DecodeStatus.Decoded"/>: 4:2:0 in three planes, of the size that the stream says; borrowed
    /// until the next call, and to be read only.</param>
    public DecodeStatus Decode(ReadOnlySpan<byte> accessUnit, out YuvPicture picture)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        picture = default;
        if (accessUnit.Length is 0 or > VideoPacket.DataBytesMax)
        {
            return Give(DecodeStatus.Corrupt);
        }

        if (_needsKeyFrame && !AnnexB.HasKeyFrame(accessUnit))
        {
            return DecodeStatus.Corrupt;
        }

        int status;
        fixed (byte* bytes = accessUnit)
        {
            // SAFETY: a packet without a buffer of its own is copied, with the padding that decoders read into, before this call returns.
            _packet.Data = bytes;
            _packet.Size = accessUnit.Length;
            status = LibAvCodec.avcodec_send_packet(_context.Pointer, _packet.Pointer);
            _packet.Data = null;
            _packet.Size = 0;
        }

        if (status >= 0)
        {
            status = LibAvCodec.avcodec_receive_frame(_context.Pointer, _frame.Pointer);
        }

        switch (status)
        {
            case >= 0 when IsGood():
                _needsKeyFrame = false;
                int width = _frame.Width, height = _frame.Height, stride = _frame.StrideBytes(0), chromaStride = _frame.StrideBytes(1);
                // SAFETY: the frame owns rows of these strides for this size; it is let go of at the next call or at disposal.
                picture = new(
                    YuvLayout.I420, new(width, height), new(_frame.Data(0), Bytes(stride, width, height)), stride,
                    new(_frame.Data(1), Bytes(chromaStride, (width + 1) / 2, (height + 1) / 2)),
                    new(_frame.Data(2), Bytes(chromaStride, (width + 1) / 2, (height + 1) / 2)), chromaStride);
                return DecodeStatus.Decoded;
            case LibAvUtil.TryAgain when !AnnexB.HasPicture(accessUnit):
                return DecodeStatus.NeedsMore;
            case LibAvUtil.TryAgain:
                return Reopen();
            case LibAvUtil.NoMemory:
                return DecodeStatus.Failed;
            default:
                return Give(DecodeStatus.Corrupt);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            _frame.Dispose();
            _packet.Dispose();
            _context.Dispose();
        }
    }

    private static int Bytes(int strideBytes, int rowBytes, int rows) => (strideBytes * (rows - 1)) + rowBytes;

    private bool IsGood() =>
        _frame.DecodeErrors == 0 && _frame.Format is LibAvUtil.FormatI420 or LibAvUtil.FormatI420FullRange
        && _frame.Width is > 0 and <= VideoHead.CodedSidePixelsMax && _frame.Height is > 0 and <= VideoHead.CodedSidePixelsMax
        && _frame.StrideBytes(0) >= _frame.Width && _frame.StrideBytes(1) >= (_frame.Width + 1) / 2 && _frame.StrideBytes(2) == _frame.StrideBytes(1);

    private DecodeStatus Give(DecodeStatus status)
    {
        _needsKeyFrame = true;
        LibAvCodec.avcodec_flush_buffers(_context.Pointer);
        return status;
    }

    // A picture went in and none came out: a parameter set had it wait for others, which ours never do, and it would from now on.
    private DecodeStatus Reopen()
    {
        _needsKeyFrame = true;
        if (AvLibraries.Load(out _) is not { } libraries || TryOpen(libraries, out _) is not { } context)
        {
            return DecodeStatus.Failed;
        }

        _context.Dispose();
        _context = context;
        return DecodeStatus.Corrupt;
    }

    private static AvCodecContext? TryOpen(AvLibraries libraries, out string reason)
    {
        nint codec = LibAvCodec.avcodec_find_decoder_by_name("h264");
        if (codec == 0)
        {
            reason = $"{libraries.VersionText} was built without a decoder for H.264";
            return null;
        }

        AvCodecContext context = new(codec);
        int status = 0;
        foreach ((string option, string value) in s_settings)
        {
            status = LibAvUtil.av_opt_set(context.Pointer, option, value, LibAvUtil.SearchChildren);
            if (status < 0)
            {
                break;
            }
        }

        status = status < 0 ? status : LibAvCodec.avcodec_open2(context.Pointer, codec, 0);
        if (status < 0)
        {
            context.Dispose();
            reason = $"{libraries.VersionText} cannot open its decoder for H.264: {LibAvUtil.Describe(status)}";
            return null;
        }

        reason = $"{libraries.VersionText}, software";
        return context;
    }

    // What is damaged is an error where that is noticed at once; what was made good afterwards is told by DecodeErrors. (With «ec» off, two
    // slices are taken for damage.)
    private static readonly (string Option, string Value)[] s_settings =
    [
        ("threads", "1"), ("flags", "low_delay"), ("max_pixels", "67108864"), ("err_detect", "explode"),
    ];
}
