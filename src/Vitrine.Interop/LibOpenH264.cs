using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>Where fields of <c>SFrameBSInfo</c> lie, in bytes; the rest of what we touch is the same in all known versions.</summary>
/// <param name="FileMajor">Number at the end of the file's name.</param>
/// <param name="Minor">2.<paramref name="Minor"/> is the version with this layout.</param>
/// <param name="LayerBytes">Size of an <c>SLayerBSInfo</c>.</param>
/// <param name="InfoBytes">Size of the whole.</param>
internal sealed record OpenH264Version(int FileMajor, int Minor, int LayerBytes, int InfoBytes)
{
    /// <summary>Most layers: <c>MAX_LAYER_NUM_OF_FRAME</c>.</summary>
    public const int LayersMax = 128;

    /// <summary>Of <c>iFrameSizeInBytes</c>: behind the count, the layers and the kind of picture.</summary>
    public int FrameSize => 8 + (LayersMax * LayerBytes) + 4;

    /// <summary>Its file.</summary>
    public string File => string.Create(CultureInfo.InvariantCulture, $"libopenh264.so.{FileMajor}");
}

/// <summary>The encoder of libopenh264 2.x (<c>codec_api.h</c>): an object whose first word points at its functions.</summary>
/// <remarks>Loaded once in a process. Thread-safe; an encoder is used by one thread at a time.</remarks>
internal static unsafe class LibOpenH264
{
    /// <summary>Packages that bring it: Debian 13, Debian 12.</summary>
    public const string Package = "libopenh264-8 or libopenh264-7";

    /// <summary><c>videoFormatI420</c>.</summary>
    public const int FormatI420 = 23;

    /// <summary><c>videoFrameTypeIDR</c>.</summary>
    public const int FrameTypeIdr = 1;

    /// <summary><c>ENCODER_OPTION_FRAME_RATE</c>: a float.</summary>
    public const int OptionFrameRate = 4;

    /// <summary><c>ENCODER_OPTION_BITRATE</c>: an <see cref="OpenH264Bitrate"/>.</summary>
    public const int OptionBitrate = 5;

    /// <summary><c>ENCODER_OPTION_MAX_BITRATE</c>: an <see cref="OpenH264Bitrate"/>.</summary>
    public const int OptionMaxBitrate = 6;

    /// <summary><c>ENCODER_OPTION_TRACE_LEVEL</c>: an int, 0 is silent.</summary>
    public const int OptionTraceLevel = 25;

    private static readonly Lock s_lock = new();
    private static (OpenH264Version? Version, string Reason)? s_loaded;
    private static delegate* unmanaged<nint*, int> s_create;
    private static delegate* unmanaged<nint, void> s_destroy;

    /// <summary>What we know, the newest first.</summary>
    public static IReadOnlyList<OpenH264Version> Known { get; } = [new(8, 6, 56, 7192), new(7, 3, 40, 5144)];

    /// <summary>The library of this process.</summary>
    /// <param name="reason">Which it is; or why there is none.</param>
    public static OpenH264Version? Load(out string reason)
    {
        lock (s_lock)
        {
            s_loaded ??= (TryOpen(Known, out string answer), answer);
            reason = s_loaded.Value.Reason;
            return s_loaded.Value.Version;
        }
    }

    /// <summary>An encoder that is not initialised; 0 when there is none.</summary>
    public static nint Create()
    {
        nint encoder = 0;
        return s_create(&encoder) == 0 ? encoder : 0;
    }

    /// <summary>Frees what <see cref="Create"/> made.</summary>
    public static void Destroy(nint encoder) => s_destroy(encoder);

    // The slots of ISVCEncoderVtbl, in the order of the header. Results other than 0 are errors.

    /// <summary>Starts with <see cref="OpenH264Parameters"/>.</summary>
    public static int InitializeExt(nint encoder, OpenH264Parameters* parameters) => ((delegate* unmanaged<nint, OpenH264Parameters*, int>)Slot(encoder, 1))(encoder, parameters);

    /// <summary>Fills in what the library takes for usual.</summary>
    public static int GetDefaultParams(nint encoder, OpenH264Parameters* parameters) => ((delegate* unmanaged<nint, OpenH264Parameters*, int>)Slot(encoder, 2))(encoder, parameters);

    /// <summary>Stops.</summary>
    public static int Uninitialize(nint encoder) => ((delegate* unmanaged<nint, int>)Slot(encoder, 3))(encoder);

    /// <summary>Codes a picture; what <paramref name="info"/> points to is valid until the next call.</summary>
    public static int EncodeFrame(nint encoder, OpenH264Picture* picture, byte* info) => ((delegate* unmanaged<nint, OpenH264Picture*, byte*, int>)Slot(encoder, 4))(encoder, picture, info);

    /// <summary>Makes the next picture an IDR one. The last argument, all layers, is hidden in the header for C.</summary>
    public static int ForceIntraFrame(nint encoder) => ((delegate* unmanaged<nint, byte, int, int>)Slot(encoder, 6))(encoder, 1, -1);

    /// <summary>Sets one of the options above.</summary>
    public static int SetOption(nint encoder, int option, void* value) => ((delegate* unmanaged<nint, int, void*, int>)Slot(encoder, 7))(encoder, option, value);

    /// <summary>Opens the first of the versions that is there and is one whose layout is known.</summary>
    internal static OpenH264Version? TryOpen(IReadOnlyList<OpenH264Version> versions, out string reason)
    {
        foreach (OpenH264Version version in versions)
        {
            if (!NativeLibrary.TryLoad(version.File, out nint handle))
            {
                continue;
            }

            if (NativeLibrary.TryGetExport(handle, "WelsGetCodecVersionEx", out nint getVersion)
                && NativeLibrary.TryGetExport(handle, "WelsCreateSVCEncoder", out nint create)
                && NativeLibrary.TryGetExport(handle, "WelsDestroySVCEncoder", out nint destroy))
            {
                uint* number = stackalloc uint[4];
                // SAFETY: it fills an OpenH264Version: four unsigned numbers, in every version.
                ((delegate* unmanaged<uint*, void>)getVersion)(number);
                reason = string.Create(CultureInfo.InvariantCulture, $"OpenH264 {number[0]}.{number[1]}.{number[2]}");
                if (number[0] == 2 && number[1] == version.Minor)
                {
                    s_create = (delegate* unmanaged<nint*, int>)create;
                    s_destroy = (delegate* unmanaged<nint, void>)destroy;
                    return version;
                }

                reason = $"{version.File} is {reason}, an unsupported version: {string.Join(" and ", versions.Select(known => $"2.{known.Minor}"))} are supported";
            }
            else
            {
                reason = $"{version.File} is not OpenH264";
            }

            NativeLibrary.Free(handle);
            return null;
        }

        reason = $"none of {string.Join(", ", versions.Select(version => version.File))} is installed: the package {Package} brings one";
        return null;
    }

    // SAFETY: an encoder's first word points at its table, which has nine functions and more in every known version.
    private static void* Slot(nint encoder, int index) => (*(void***)encoder)[index];
}

/// <summary>An encoder; stopped and freed.</summary>
internal sealed class OpenH264Handle : SafeHandle
{
    /// <summary>Not initialised. Load the library first.</summary>
    /// <exception cref="InsufficientMemoryException">The library made none.</exception>
    public OpenH264Handle()
        : base(0, ownsHandle: true)
    {
        SetHandle(LibOpenH264.Create());
        if (IsInvalid)
        {
            throw new InsufficientMemoryException("No memory for an encoder.");
        }
    }

    /// <summary>The pointer; valid until disposal.</summary>
    public nint Pointer => handle;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        _ = LibOpenH264.Uninitialize(handle);
        LibOpenH264.Destroy(handle);
        return true;
    }
}

/// <summary><c>SEncParamExt</c> as far as we set it, and its first spatial layer.</summary>
[StructLayout(LayoutKind.Explicit, Size = 1024)]
internal struct OpenH264Parameters
{
    [FieldOffset(0)]
    public int UsageType;
    [FieldOffset(4)]
    public int Width;
    [FieldOffset(8)]
    public int Height;
    [FieldOffset(12)]
    public int TargetBitrate;
    [FieldOffset(16)]
    public int RateControl;
    [FieldOffset(20)]
    public float FrameRateMax;
    [FieldOffset(24)]
    public int TemporalLayers;
    [FieldOffset(28)]
    public int SpatialLayers;
    [FieldOffset(32)]
    public OpenH264Layer Layer;
    [FieldOffset(832)]
    public int Complexity;
    [FieldOffset(836)]
    public uint IntraPeriod;
    [FieldOffset(840)]
    public int ReferenceFrames;
    [FieldOffset(844)]
    public int ParameterSetIds;
    [FieldOffset(856)]
    public int IsCabac;
    [FieldOffset(860)]
    public byte MaySkip;
    [FieldOffset(864)]
    public int BitrateMax;
    [FieldOffset(868)]
    public int QuantiserMax;
    [FieldOffset(872)]
    public int QuantiserMin;
    [FieldOffset(880)]
    public byte HasLongTermReference;
    [FieldOffset(892)]
    public ushort Threads;
    [FieldOffset(894)]
    public byte BalancesLoad;
    [FieldOffset(908)]
    public byte Denoises;
    [FieldOffset(909)]
    public byte DetectsBackground;
    [FieldOffset(910)]
    public byte AdaptsQuantiser;
    [FieldOffset(911)]
    public byte Crops;
    [FieldOffset(912)]
    public byte DetectsSceneChange;
}

/// <summary><c>SSpatialLayerConfig</c> as far as we set it.</summary>
[StructLayout(LayoutKind.Explicit, Size = 200)]
internal struct OpenH264Layer
{
    [FieldOffset(0)]
    public int Width;
    [FieldOffset(4)]
    public int Height;
    [FieldOffset(8)]
    public float FrameRate;
    [FieldOffset(12)]
    public int Bitrate;
    [FieldOffset(16)]
    public int BitrateMax;
    [FieldOffset(20)]
    public int Profile;
    [FieldOffset(32)]
    public int SliceMode;
    [FieldOffset(36)]
    public uint Slices;
    [FieldOffset(184)]
    public byte HasSignalType;
    [FieldOffset(185)]
    public byte VideoFormat;
    [FieldOffset(186)]
    public byte IsFullRange;
    [FieldOffset(187)]
    public byte HasColours;
    [FieldOffset(188)]
    public byte Primaries;
    [FieldOffset(189)]
    public byte Transfer;
    [FieldOffset(190)]
    public byte Matrix;
}

/// <summary><c>SSourcePicture</c>, with room for what newer versions added.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal unsafe struct OpenH264Picture
{
    [FieldOffset(0)]
    public int Format;
    [FieldOffset(4)]
    public Int32x4 StrideBytes;
    [FieldOffset(24)]
    public byte* Y;
    [FieldOffset(32)]
    public byte* U;
    [FieldOffset(40)]
    public byte* V;
    [FieldOffset(56)]
    public int Width;
    [FieldOffset(60)]
    public int Height;
    [FieldOffset(64)]
    public long TimestampMs;
}

/// <summary>Four numbers in a row.</summary>
[InlineArray(4)]
internal struct Int32x4
{
    private int _first;
}

/// <summary><c>SBitrateInfo</c>.</summary>
internal struct OpenH264Bitrate
{
    /// <summary><c>SPATIAL_LAYER_ALL</c> is 4.</summary>
    public int Layer;

    /// <summary>A second.</summary>
    public int Bits;
}
