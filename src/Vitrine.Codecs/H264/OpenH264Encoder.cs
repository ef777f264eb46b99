using System.Runtime.InteropServices;
using Vitrine.Imaging;
using Vitrine.Interop;
using Vitrine.Wire;

namespace Vitrine.Codecs.H264;

/// <summary>Cisco's OpenH264, for machines without x264: BSD 2-clause, about twice the processor time.</summary>
/// <remarks>Bound to directly, because Debian builds libavcodec without it. Its rate control aims at a rate and does not keep to a buffer: a
/// hard cut may cost more than the half second that x264 is held to.</remarks>
internal sealed unsafe class OpenH264Encoder : EncoderBackEnd
{
    private const int Realtime = 0, BitrateMode = 1, LowComplexity = 0, Baseline = 66, FixedSlices = 1, UnspecifiedFormat = 5, AllLayers = 4;
    private readonly OpenH264Version _version;
    private readonly OpenH264Handle _handle;
    private readonly NativeBuffer _picture;
    private readonly NativeBuffer _info;
    private readonly H264EncoderOptions _options;
    private byte[] _unit;

    private OpenH264Encoder(OpenH264Version version, OpenH264Handle handle, H264EncoderOptions options)
    {
        (_version, _handle, _options) = (version, handle, options);
        _picture = new((nuint)(options.Size.Width * options.Size.Height / 2 * 3));
        _info = new((nuint)version.InfoBytes);
        _unit = new byte[Math.Min((options.Size.Width * options.Size.Height / 4) + 4096, VideoPacket.DataBytesMax)];
    }

    public override string Name => "libopenh264";

    public override YuvPicture Input
    {
        get
        {
            int luma = _options.Size.Width * _options.Size.Height, chroma = luma / 4;
            // SAFETY: the buffer was made for these three planes and lives until disposal.
            byte* start = (byte*)_picture.Pointer;
            return new(
                YuvLayout.I420, _options.Size, new(start, luma), _options.Size.Width, new(start + luma, chroma), new(start + luma + chroma, chroma), _options.Size.Width / 2);
        }
    }

    public static OpenH264Encoder? TryOpen(H264EncoderOptions options, out string reason)
    {
        if (LibOpenH264.Load(out reason) is not { } version)
        {
            return null;
        }

        OpenH264Handle handle = new();
        OpenH264Parameters parameters = default;
        int silent = 0;
        // SAFETY: the handle was made by this library; the structures are larger than the ones it knows and live for the calls.
        _ = LibOpenH264.SetOption(handle.Pointer, LibOpenH264.OptionTraceLevel, &silent);
        int status = LibOpenH264.GetDefaultParams(handle.Pointer, &parameters);
        Set(ref parameters, options);
        status = status != 0 ? status : LibOpenH264.InitializeExt(handle.Pointer, &parameters);
        if (status != 0)
        {
            handle.Dispose();
            reason = $"{reason} does not open for {options.Size} at {options.FramesPerSecondMax} a second (error {status})";
            return null;
        }

        reason = $"{reason}, software, BSD";
        return new(version, handle, options);
    }

    public override bool TryEncode(bool forceKeyFrame, out ReadOnlySpan<byte> accessUnit, out bool isKeyFrame, out string failure)
    {
        accessUnit = default;
        isKeyFrame = false;
        failure = "";
        YuvPicture input = Input;
        byte* start = (byte*)_picture.Pointer;
        byte* info = (byte*)_info.Pointer;
        OpenH264Picture picture = new()
        {
            Format = LibOpenH264.FormatI420,
            Y = start,
            U = start + input.Y.Length,
            V = start + input.Y.Length + input.U.Length,
            Width = _options.Size.Width,
            Height = _options.Size.Height,
        };
        (picture.StrideBytes[0], picture.StrideBytes[1], picture.StrideBytes[2]) = (input.YStrideBytes, input.UvStrideBytes, input.UvStrideBytes);
        int status = forceKeyFrame ? LibOpenH264.ForceIntraFrame(_handle.Pointer) : 0;
        // SAFETY: picture and info are as large as the loaded version's, or larger; the planes are those of Input.
        status = status != 0 ? status : LibOpenH264.EncodeFrame(_handle.Pointer, &picture, info);
        if (status != 0)
        {
            failure = $"OpenH264 failed (error {status})";
            return false;
        }

        int length = 0, size = *(int*)(info + _version.FrameSize), layers = *(int*)info;
        if (size <= 0 || size > VideoPacket.DataBytesMax || layers is < 0 or > OpenH264Version.LayersMax)
        {
            failure = $"OpenH264 made {size} bytes of a picture: 1 to {VideoPacket.DataBytesMax} fit into a packet";
            return false;
        }

        if (_unit.Length < size)
        {
            _unit = new byte[Math.Min(size * 2L, VideoPacket.DataBytesMax)]; // a few times in the life of an encoder
        }

        // Each part of the picture is a layer of its own, and they need not lie side by side.
        for (int i = 0; i < layers; i++)
        {
            byte* layer = info + 8 + (i * _version.LayerBytes);
            int units = *(int*)(layer + 16);
            int* lengths = *(int**)(layer + 24);
            int bytes = 0;
            for (int unit = 0; unit < units; unit++)
            {
                bytes += lengths[unit];
            }

            if (bytes < 0 || bytes > size - length)
            {
                failure = "OpenH264 made parts that are larger than the whole";
                return false;
            }

            // SAFETY: the library keeps the parts until its next call; their lengths add up to no more than the size it said.
            new ReadOnlySpan<byte>(*(byte**)(layer + 32), bytes).CopyTo(_unit.AsSpan(length));
            length += bytes;
        }

        accessUnit = _unit.AsSpan(0, length);
        isKeyFrame = *(int*)(info + _version.FrameSize - 4) == LibOpenH264.FrameTypeIdr;
        return true;
    }

    public override bool TrySetRate(int bitsPerSecondMax, double framesPerSecond)
    {
        OpenH264Bitrate rate = new() { Layer = AllLayers, Bits = bitsPerSecondMax };
        float pace = (float)framesPerSecond;
        // The most is never below what is aimed at: it goes first upwards, last downwards. It takes both without a key frame.
        bool isRight = LibOpenH264.SetOption(_handle.Pointer, LibOpenH264.OptionFrameRate, &pace) == 0;
        for (int turn = 0; turn < 2; turn++)
        {
            _ = LibOpenH264.SetOption(_handle.Pointer, LibOpenH264.OptionMaxBitrate, &rate);
            isRight = LibOpenH264.SetOption(_handle.Pointer, LibOpenH264.OptionBitrate, &rate) == 0 && isRight;
        }

        return isRight;
    }

    public override void Dispose()
    {
        _handle.Dispose();
        _info.Dispose();
        _picture.Dispose();
    }

    private static void Set(ref OpenH264Parameters parameters, H264EncoderOptions options)
    {
        parameters.UsageType = Realtime;
        (parameters.Width, parameters.Height) = (options.Size.Width, options.Size.Height);
        (parameters.TargetBitrate, parameters.BitrateMax) = (options.BitsPerSecondMax, options.BitsPerSecondMax);
        parameters.RateControl = BitrateMode;
        parameters.FrameRateMax = options.FramesPerSecondMax;
        (parameters.TemporalLayers, parameters.SpatialLayers) = (1, 1);
        // Left alone it stops at 42, and at low rates has to send more than it may.
        (parameters.QuantiserMin, parameters.QuantiserMax) = (12, 51);
        parameters.Complexity = LowComplexity;
        parameters.IntraPeriod = 0;
        parameters.ReferenceFrames = 1;
        parameters.ParameterSetIds = 0; // the same numbers in every key frame
        (parameters.IsCabac, parameters.MaySkip, parameters.HasLongTermReference) = (0, 0, 0);
        (parameters.Threads, parameters.BalancesLoad) = ((ushort)options.Slices, 0);
        (parameters.Denoises, parameters.DetectsBackground, parameters.AdaptsQuantiser, parameters.DetectsSceneChange) = (0, 0, 0, 0);
        parameters.Crops = 1;
        ref OpenH264Layer layer = ref parameters.Layer;
        (layer.Width, layer.Height, layer.FrameRate) = (options.Size.Width, options.Size.Height, options.FramesPerSecondMax);
        (layer.Bitrate, layer.BitrateMax, layer.Profile) = (options.BitsPerSecondMax, options.BitsPerSecondMax, Baseline);
        // A part is a row of macroblocks at least.
        (layer.SliceMode, layer.Slices) = (FixedSlices, (uint)Math.Min(options.Slices, Math.Max(options.Size.Height / 32, 1)));
        (layer.HasSignalType, layer.VideoFormat, layer.IsFullRange, layer.HasColours) = (1, UnspecifiedFormat, (byte)VideoColours.Range, 1);
        (layer.Primaries, layer.Transfer, layer.Matrix) = (VideoColours.Primaries, VideoColours.Transfer, (byte)VideoColours.Matrix);
    }

    private sealed class NativeBuffer : SafeHandle
    {
        public NativeBuffer(nuint bytes)
            : base(0, ownsHandle: true) => SetHandle((nint)NativeMemory.AlignedAlloc(bytes, 64));

        public nint Pointer => handle;

        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            NativeMemory.AlignedFree((void*)handle);
            return true;
        }
    }
}
