using System.Globalization;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Interop;
using Vitrine.Wire;

namespace Vitrine.Codecs.H264;

/// <summary>An encoder of libavcodec that takes pictures from memory.</summary>
/// <remarks>The picture is the library's own frame: x264 copies it into its padded one while it reads it first, and no other copy is made.
/// libavcodec takes a reference for the call only; should an encoder keep one, the next picture gets memory of its own.</remarks>
internal sealed unsafe class AvEncoder : EncoderBackEnd
{
    private readonly AvCodecContext _context;
    private readonly AvFrame _frame;
    private readonly AvPacket _packet;
    private readonly H264EncoderOptions _options;
    private readonly bool _hasRateAtRunTime;
    private long _number;

    private AvEncoder(string name, AvCodecContext context, AvFrame frame, AvPacket packet, H264EncoderOptions options)
    {
        (Name, _context, _frame, _packet, _options) = (name, context, frame, packet, options);
        // These two wrappers compare the context's rates with the encoder's at every picture; others read them once.
        _hasRateAtRunTime = name is "libx264" or "h264_nvenc";
    }

    public override string Name { get; }

    public override YuvPicture Input
    {
        get
        {
            int chromaHeight = _options.Size.Height / 2, stride = _frame.StrideBytes(0), chromaStride = _frame.StrideBytes(1);
            // SAFETY: av_frame_get_buffer took rows of these strides for this size; the frame lives until disposal.
            return new(
                YuvLayout.I420, _options.Size, new(_frame.Data(0), stride * _options.Size.Height), stride,
                new(_frame.Data(1), chromaStride * chromaHeight), new(_frame.Data(2), chromaStride * chromaHeight), chromaStride);
        }
    }

    public static AvEncoder? TryOpen(string name, H264EncoderOptions options, out string reason)
    {
        if (AvLibraries.Load(out reason) is not { } libraries)
        {
            return null;
        }

        nint codec = LibAvCodec.avcodec_find_encoder_by_name(name);
        if (codec == 0)
        {
            reason = $"{libraries.VersionText} was built without it";
            return null;
        }

        AvCodecContext? context = null;
        AvFrame? frame = null;
        AvPacket? packet = null;
        try
        {
            context = new(codec);
            foreach ((string option, string value) in Settings(name, options))
            {
                int refusal = LibAvUtil.av_opt_set(context.Pointer, option, value, LibAvUtil.SearchChildren);
                if (refusal < 0)
                {
                    reason = $"{libraries.VersionText} does not take {option}={value}: {LibAvUtil.Describe(refusal)}";
                    return null;
                }
            }

            int status = LibAvCodec.avcodec_open2(context.Pointer, codec, 0);
            if (status < 0)
            {
                reason = $"{libraries.VersionText} cannot open it: {LibAvUtil.Describe(status)}{Hint(name)}";
                return null;
            }

            frame = new(libraries.Layout);
            packet = new(libraries.Layout);
            (frame.Width, frame.Height, frame.Format) = (options.Size.Width, options.Size.Height, LibAvUtil.FormatI420);
            status = LibAvUtil.av_frame_get_buffer(frame.Pointer, 0);
            if (status < 0)
            {
                reason = $"no memory for a picture of {options.Size}: {LibAvUtil.Describe(status)}";
                return null;
            }

            reason = $"{libraries.VersionText}, {Kind(name)}";
            AvEncoder encoder = new(name, context, frame, packet, options);
            (context, frame, packet) = (null, null, null);
            return encoder;
        }
        finally
        {
            packet?.Dispose();
            frame?.Dispose();
            context?.Dispose();
        }
    }

    public override bool TryEncode(bool forceKeyFrame, out ReadOnlySpan<byte> accessUnit, out bool isKeyFrame, out string failure)
    {
        accessUnit = default;
        isKeyFrame = false;
        failure = "";
        LibAvCodec.av_packet_unref(_packet.Pointer);
        _frame.PictureType = forceKeyFrame ? LibAvUtil.PictureTypeIntra : 0;
        _frame.Pts = ++_number;
        int status = LibAvCodec.avcodec_send_frame(_context.Pointer, _frame.Pointer);
        if (status >= 0)
        {
            status = LibAvCodec.avcodec_receive_packet(_context.Pointer, _packet.Pointer);
        }

        if (status >= 0 && _packet.Pts != _number)
        {
            status = LibAvUtil.TryAgain; // an earlier picture
        }

        int writable = LibAvUtil.av_frame_make_writable(_frame.Pointer);
        if (status < 0 || writable < 0)
        {
            // A message is made only here: an encoder that failed is done with.
            failure = status == LibAvUtil.TryAgain ? $"{Name} holds pictures back" : $"{Name}: {LibAvUtil.Describe(status < 0 ? status : writable)}";
            return false;
        }

        // SAFETY: the packet owns Size bytes at Data until it is let go of at the next call or at disposal.
        accessUnit = new(_packet.Data, _packet.Size);
        isKeyFrame = (_packet.Flags & LibAvCodec.PacketFlagKey) != 0;
        return true;
    }

    public override bool TrySetRate(int bitsPerSecondMax, double framesPerSecond)
    {
        if (!_hasRateAtRunTime)
        {
            return false;
        }

        double pace = _options.FramesPerSecondMax / framesPerSecond;
        long rate = (long)Math.Min(bitsPerSecondMax * pace, int.MaxValue);
        // SAFETY: the names are literals with a closing 0.
        fixed (byte* rateName = "maxrate"u8, bufferName = "bufsize"u8, averageName = "b"u8)
        {
            return LibAvUtil.av_opt_set_int(_context.Pointer, rateName, rate, 0) >= 0
                && LibAvUtil.av_opt_set_int(_context.Pointer, bufferName, BufferBits(bitsPerSecondMax), 0) >= 0
                && (Name == "libx264" || LibAvUtil.av_opt_set_int(_context.Pointer, averageName, rate, 0) >= 0);
        }
    }

    public override void Dispose()
    {
        _packet.Dispose();
        _frame.Dispose();
        _context.Dispose();
    }

    // Half a second: a key frame may be fifteen times an average picture at 30 a second. No picture is larger than it, nor than a packet.
    private static int BufferBits(int bitsPerSecondMax) => Math.Min(bitsPerSecondMax / 2, VideoPacket.DataBytesMax * 7);

    private static string Kind(string name) => name switch
    {
        "libx264" => "software, GPL",
        "h264_nvenc" => "NVIDIA hardware",
        _ => "",
    };

    private static string Hint(string name) => name == "h264_nvenc" ? " (no NVIDIA GPU with an encoder, or no driver)" : "";

    private static IEnumerable<(string Option, string Value)> Settings(string name, H264EncoderOptions options)
    {
        string rate = Text(options.BitsPerSecondMax), buffer = Text(BufferBits(options.BitsPerSecondMax));
        yield return ("video_size", Text(options.Size));
        yield return ("pixel_format", "yuv420p");
        yield return ("time_base", $"1/{Text(options.FramesPerSecondMax)}");
        yield return ("colorspace", Text((int)VideoColours.Matrix));
        yield return ("color_primaries", Text(VideoColours.Primaries));
        yield return ("color_trc", Text(VideoColours.Transfer));
        yield return ("color_range", VideoColours.Range == ColourRange.Full ? "pc" : "tv");
        yield return ("bf", "0");
        yield return ("g", "1073741824"); // x264 takes 2^30 for «never»
        yield return ("maxrate", rate);
        yield return ("bufsize", buffer);
        yield return ("forced-idr", "1");
        switch (name)
        {
            case "libx264":
                yield return ("threads", Text(options.Slices));
                yield return ("thread_type", "slice");
                yield return ("slices", Text(options.Slices));
                // Nothing on top of the fastest preset: half-sample motion (subme=1) saves 5 % of the bytes of a 1080p zoom and costs
                // 1 ms of 7 a picture.
                yield return ("preset", "ultrafast");
                yield return ("tune", "zerolatency");
                yield return ("crf", "23");
                yield return ("x264-params", "scenecut=0");
                break;
            case "h264_nvenc":
                yield return ("preset", "p1");
                yield return ("tune", "ull");
                yield return ("zerolatency", "1");
                yield return ("delay", "0");
                yield return ("rc", "vbr");
                yield return ("b", rate);
                break;
            default:
                throw new ArgumentException($"There are no settings for {name}.", nameof(name));
        }
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Text(DeviceSize size) => string.Create(CultureInfo.InvariantCulture, $"{size.Width}x{size.Height}");
}
