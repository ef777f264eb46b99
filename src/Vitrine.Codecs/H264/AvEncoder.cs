using System.Globalization;
using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Interop;
using Vitrine.Wire;

namespace Vitrine.Codecs.H264;

/// <summary>An encoder of libavcodec.</summary>
/// <remarks>The picture is the library's own frame: x264 copies it into its padded one while it reads it first, and no other copy is made.
/// libavcodec takes a reference for the call only; should an encoder keep one, the next picture gets memory of its own. For encoders that
/// take pictures of a device, it is copied to one of <see cref="AvSurfaces"/> first.</remarks>
internal sealed unsafe class AvEncoder : EncoderBackEnd
{
    private readonly AvCodecContext _context;
    private readonly AvFrame _frame;
    private readonly AvPacket _packet;
    private readonly AvSurfaces? _surfaces;
    private readonly AvFrame? _surface;
    private readonly H264EncoderOptions _options;
    private readonly bool _hasRateAtRunTime;
    private long _number;

    private AvEncoder(string name, AvCodecContext context, AvFrame frame, AvPacket packet, AvSurfaces? surfaces, AvFrame? surface, H264EncoderOptions options)
    {
        (Name, _context, _frame, _packet, _surfaces, _surface, _options) = (name, context, frame, packet, surfaces, surface, options);
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
            Span<byte> y = new(_frame.Data(0), stride * _options.Size.Height), u = new(_frame.Data(1), chromaStride * chromaHeight);
            return _surfaces is null
                ? new(YuvLayout.I420, _options.Size, y, stride, u, new(_frame.Data(2), chromaStride * chromaHeight), chromaStride)
                : new(YuvLayout.Nv12, _options.Size, y, stride, u, default, chromaStride);
        }
    }

    /// <summary>Opens one that takes pictures from memory.</summary>
    public static AvEncoder? TryOpen(string name, H264EncoderOptions options, out string reason)
    {
        AvEncoder? encoder = TryOpen(name, options, Settings(name, options), null, out reason);
        if (encoder is not null)
        {
            reason += name == "h264_nvenc" ? ", NVIDIA hardware" : ", software, GPL";
        }

        return encoder;
    }

    /// <summary>Opens one with settings of its own.</summary>
    /// <param name="name">As libavcodec calls it.</param>
    /// <param name="options">What it is to make.</param>
    /// <param name="settings">Options of libavcodec.</param>
    /// <param name="surfaces">Made for NV12 of the options' size: the encoder's once it is open; null when it takes I420 from memory.</param>
    /// <param name="reason">Which libavcodec it is; or why there is no encoder.</param>
    public static AvEncoder? TryOpen(
        string name, H264EncoderOptions options, IEnumerable<(string Option, string Value)> settings, AvSurfaces? surfaces, out string reason)
    {
        if (TryFind(name, out nint codec, out reason) is not { } libraries)
        {
            return null;
        }

        AvCodecContext? context = null;
        AvFrame? frame = null, surface = null;
        AvPacket? packet = null;
        try
        {
            context = new(codec);
            foreach ((string option, string value) in settings)
            {
                int refusal = LibAvUtil.av_opt_set(context.Pointer, option, value, LibAvUtil.SearchChildren);
                if (refusal < 0)
                {
                    reason = $"{libraries.VersionText} does not take {option}={value}: {LibAvUtil.Describe(refusal)}";
                    return null;
                }
            }

            int status = surfaces?.TryGiveTo(context) ?? 0;
            status = status < 0 ? status : LibAvCodec.avcodec_open2(context.Pointer, codec, 0);
            if (status < 0)
            {
                reason = $"{libraries.VersionText} cannot open it: {LibAvUtil.Describe(status)}{Hint(name)}";
                return null;
            }

            frame = new(libraries.Layout);
            packet = new(libraries.Layout);
            surface = surfaces is null ? null : new(libraries.Layout);
            (frame.Width, frame.Height, frame.Format) = (options.Size.Width, options.Size.Height, surfaces?.SoftwareFormat ?? LibAvUtil.FormatI420);
            status = LibAvUtil.av_frame_get_buffer(frame.Pointer, 0);
            if (status < 0)
            {
                reason = $"no memory for a picture of {options.Size}: {LibAvUtil.Describe(status)}";
                return null;
            }

            reason = libraries.VersionText;
            AvEncoder encoder = new(name, context, frame, packet, surfaces, surface, options);
            (context, frame, packet, surface) = (null, null, null, null);
            return encoder;
        }
        finally
        {
            packet?.Dispose();
            surface?.Dispose();
            frame?.Dispose();
            context?.Dispose();
        }
    }

    /// <summary>Whether the library has it, open or not.</summary>
    public static AvLibraries? TryFind(string name, out nint codec, out string reason)
    {
        codec = 0;
        if (AvLibraries.Load(out reason) is not { } libraries)
        {
            return null;
        }

        codec = LibAvCodec.avcodec_find_encoder_by_name(name);
        if (codec == 0)
        {
            reason = $"{libraries.VersionText} was built without it";
            return null;
        }

        return libraries;
    }

    /// <summary>What every encoder is told.</summary>
    public static IEnumerable<(string Option, string Value)> CommonSettings(H264EncoderOptions options)
    {
        yield return ("video_size", Text(options.Size));
        yield return ("time_base", $"1/{Text(options.FramesPerSecondMax)}");
        yield return ("colorspace", Text((int)VideoColours.Matrix));
        yield return ("color_primaries", Text(VideoColours.Primaries));
        yield return ("color_trc", Text(VideoColours.Transfer));
        yield return ("color_range", VideoColours.Range == ColourRange.Full ? "pc" : "tv");
        yield return ("chroma_sample_location", Text(VideoColours.ChromaLocation + 1));
        yield return ("bf", "0");
        yield return ("maxrate", Text(options.BitsPerSecondMax));
        yield return ("bufsize", Text(BufferBits(options.BitsPerSecondMax)));
    }

    public override bool TryEncode(bool forceKeyFrame, out ReadOnlySpan<byte> accessUnit, out bool isKeyFrame, out string failure)
    {
        accessUnit = default;
        isKeyFrame = false;
        failure = "";
        LibAvCodec.av_packet_unref(_packet.Pointer);
        AvFrame sent = _surface ?? _frame;
        int status = _surfaces?.TryUpload(_frame, sent) ?? 0;
        sent.PictureType = forceKeyFrame ? LibAvUtil.PictureTypeIntra : 0;
        sent.Pts = ++_number;
        if (status >= 0)
        {
            status = LibAvCodec.avcodec_send_frame(_context.Pointer, sent.Pointer);
        }

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
        _surface?.Dispose();
        _frame.Dispose();
        _context.Dispose();
        _surfaces?.Dispose();
    }

    // Half a second: a key frame may be fifteen times an average picture at 30 a second. No picture is larger than it, nor than a packet.
    private static int BufferBits(int bitsPerSecondMax) => Math.Min(bitsPerSecondMax / 2, VideoPacket.DataBytesMax * 7);

    private static string Hint(string name) => name switch
    {
        "h264_nvenc" => " (no NVIDIA GPU with an encoder, or no driver)",
        VaapiEncoder.Name => " (its driver has no encoder for H.264, or takes other settings)",
        _ => "",
    };

    /// <summary>What an encoder that takes pictures from memory is told.</summary>
    internal static IEnumerable<(string Option, string Value)> Settings(string name, H264EncoderOptions options)
    {
        foreach ((string Option, string Value) setting in CommonSettings(options))
        {
            yield return setting;
        }

        yield return ("pixel_format", "yuv420p");
        yield return ("g", "1073741824"); // x264 takes 2^30 for «never»
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
                yield return ("x264-params", $"scenecut=0:chromaloc={Text(VideoColours.ChromaLocation)}"); // libavcodec 59 does not hand it on
                break;
            case "h264_nvenc":
                yield return ("preset", "p1");
                yield return ("tune", "ull");
                yield return ("zerolatency", "1");
                yield return ("delay", "0");
                yield return ("rc", "vbr");
                yield return ("b", Text(options.BitsPerSecondMax));
                yield return ("slices", Text(Math.Min(options.Slices, Math.Max(options.Size.Height / 32, 1)))); // two rows of macroblocks at least
                break;
            default:
                throw new ArgumentException($"There are no settings for {name}.", nameof(name));
        }
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Text(DeviceSize size) => string.Create(CultureInfo.InvariantCulture, $"{size.Width}x{size.Height}");
}
