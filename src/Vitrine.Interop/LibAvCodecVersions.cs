using System.Globalization;
using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>Where the fields that we touch lie, in bytes. Everything else is set by name (<c>av_opt_set</c>).</summary>
internal sealed record AvLayout(
    int FrameData, int FrameStrides, int FrameWidth, int FrameHeight, int FrameFormat, int FramePictureType, int FramePts, int FrameDecodeErrors,
    int PacketPts, int PacketData, int PacketSize, int PacketFlags,
    int ContextSurfaces, int PoolSize, int PoolFormat, int PoolSoftwareFormat, int PoolWidth, int PoolHeight);

/// <summary>A pair of libraries that belong together.</summary>
/// <param name="CodecMajor">Major version of libavcodec, the number at the end of its file's name.</param>
/// <param name="UtilMajor">Major version of the libavutil that it is built with.</param>
/// <param name="Layout">Of both.</param>
internal sealed record AvVersion(int CodecMajor, int UtilMajor, AvLayout Layout)
{
    /// <summary>File of libavcodec.</summary>
    public string CodecFile => string.Create(CultureInfo.InvariantCulture, $"libavcodec.so.{CodecMajor}");

    /// <summary>File of libavutil.</summary>
    public string UtilFile => string.Create(CultureInfo.InvariantCulture, $"libavutil.so.{UtilMajor}");
}

/// <summary>Finds libavcodec and libavutil, and makes sure that they are ones whose layout is known.</summary>
/// <remarks>Loaded once in a process, and never unloaded: encoders have threads in them. Thread-safe.</remarks>
internal sealed class AvLibraries
{
    /// <summary>Names the file of libavcodec to load in place of the ones that are looked for.</summary>
    public const string FileVariable = "VITRINE_LIBAVCODEC";

    private static readonly Lock s_lock = new();
    private static (AvLibraries? Libraries, string Reason)? s_loaded;
    private static nint s_codec;
    private static nint s_util;

    private AvLibraries(AvVersion version, string versionText) => (Layout, VersionText) = (version.Layout, versionText);

    /// <summary>What we know, the newest first.</summary>
    public static IReadOnlyList<AvVersion> Known { get; } =
    [
        // Debian 13: FFmpeg 7.1.
        new(61, 59, new(
            FrameData: 0, FrameStrides: 64, FrameWidth: 104, FrameHeight: 108, FrameFormat: 116, FramePictureType: 124, FramePts: 136, FrameDecodeErrors: 344,
            PacketPts: 8, PacketData: 24, PacketSize: 32, PacketFlags: 40,
            ContextSurfaces: 552, PoolSize: 56, PoolFormat: 60, PoolSoftwareFormat: 64, PoolWidth: 68, PoolHeight: 72)),
        // Debian 12: FFmpeg 5.1.
        new(59, 57, new(
            FrameData: 0, FrameStrides: 64, FrameWidth: 104, FrameHeight: 108, FrameFormat: 116, FramePictureType: 124, FramePts: 136, FrameDecodeErrors: 376,
            PacketPts: 8, PacketData: 24, PacketSize: 32, PacketFlags: 40,
            ContextSurfaces: 848, PoolSize: 64, PoolFormat: 68, PoolSoftwareFormat: 72, PoolWidth: 76, PoolHeight: 80)),
    ];

    /// <summary>Where fields lie in what was loaded.</summary>
    public AvLayout Layout { get; }

    /// <summary>«libavcodec 59.37.100».</summary>
    public string VersionText { get; }

    /// <summary>The libraries of this process.</summary>
    /// <param name="reason">Which they are; or why there are none.</param>
    /// <returns>Null when none can be used.</returns>
    public static AvLibraries? Load(out string reason)
    {
        lock (s_lock)
        {
            if (s_loaded is not { } loaded)
            {
                string? file = Environment.GetEnvironmentVariable(FileVariable);
                AvVersion? version = string.IsNullOrEmpty(file) ? TryOpen(Known, out s_codec, out s_util, out reason) : TryOpenFile(file, Known, out s_codec, out s_util, out reason);
                AvLibraries? libraries = null;
                if (version is not null)
                {
                    NativeLibrary.SetDllImportResolver(typeof(AvLibraries).Assembly, (name, _, _) => name switch
                    {
                        LibAvCodec.Library => s_codec,
                        LibAvUtil.Library => s_util,
                        _ => 0,
                    });
                    LibAvUtil.av_log_set_level(LibAvUtil.LogQuiet);
                    libraries = CheckLayout(version.Layout, reason, out reason) ? new(version, reason) : null;
                }

                s_loaded = loaded = (libraries, reason);
            }

            reason = loaded.Reason;
            return loaded.Libraries;
        }
    }

    /// <summary>Opens the first of the versions that is there.</summary>
    internal static AvVersion? TryOpen(IReadOnlyList<AvVersion> versions, out nint codec, out nint util, out string reason)
    {
        reason = "";
        (codec, util) = (0, 0);
        foreach (AvVersion version in versions)
        {
            if (NativeLibrary.TryLoad(version.CodecFile, out nint handle))
            {
                NativeLibrary.Free(handle);
                return TryOpenFile(version.CodecFile, [version], out codec, out util, out reason);
            }
        }

        reason = $"none of {string.Join(", ", versions.Select(version => version.CodecFile))} is installed: the package {LibAvCodec.Package} brings one";
        return null;
    }

    /// <summary>Opens one file and looks whether it is one of the versions.</summary>
    internal static unsafe AvVersion? TryOpenFile(string file, IReadOnlyList<AvVersion> versions, out nint codec, out nint util, out string reason)
    {
        util = 0;
        if (!NativeLibrary.TryLoad(file, out codec))
        {
            reason = $"{file} cannot be loaded: the package {LibAvCodec.Package} brings libavcodec";
            return null;
        }

        AvVersion? found = null;
        if (!NativeLibrary.TryGetExport(codec, "avcodec_version", out nint codecVersion))
        {
            reason = $"{file} is not libavcodec";
        }
        else
        {
            // SAFETY: unsigned avcodec_version(void), in every version.
            uint number = ((delegate* unmanaged<uint>)codecVersion)();
            found = versions.FirstOrDefault(version => version.CodecMajor == number >> 16);
            if (found is null)
            {
                reason = $"{file} is libavcodec {Text(number)}, an unsupported version: {string.Join(" and ", versions.Select(version => version.CodecMajor))} are supported";
            }
            else if (!NativeLibrary.TryLoad(found.UtilFile, out util) || !NativeLibrary.TryGetExport(util, "avutil_version", out nint utilVersion))
            {
                reason = $"{file} needs {found.UtilFile}, which cannot be loaded";
                found = null;
            }
            else
            {
                // SAFETY: unsigned avutil_version(void), in every version.
                uint utilNumber = ((delegate* unmanaged<uint>)utilVersion)();
                reason = $"libavcodec {Text(number)}";
                if (utilNumber >> 16 != found.UtilMajor)
                {
                    reason = $"{found.UtilFile} is libavutil {Text(utilNumber)}, an unsupported version: {found.UtilMajor} belongs to {file}";
                    found = null;
                }
            }
        }

        if (found is null)
        {
            NativeLibrary.Free(codec);
            codec = 0;
        }

        return found;
    }

    /// <summary>Has the library fill fields, and looks whether they are where the layout says.</summary>
    internal static unsafe bool CheckLayout(AvLayout layout, string versionText, out string reason)
    {
        const int Width = 80, Height = 48, PacketBytes = 1234;
        reason = versionText;
        using AvFrame frame = new(layout);
        using AvPacket packet = new(layout);
        bool isRight = frame is { Width: 0, Height: 0, Format: -1, PictureType: 0, Pts: long.MinValue, DecodeErrors: 0 } && frame.Data(0) is null;
        if (isRight)
        {
            (frame.Width, frame.Height, frame.Format) = (Width, Height, LibAvUtil.FormatI420);
            isRight = LibAvUtil.av_frame_get_buffer(frame.Pointer, 0) == 0
                && frame.Data(0) is not null && frame.Data(1) is not null && frame.Data(2) is not null && frame.Data(3) is null
                && frame.StrideBytes(0) is >= Width and < 8 * Width && frame.StrideBytes(1) is >= Width / 2 and < 8 * Width
                && frame.StrideBytes(2) == frame.StrideBytes(1) && frame.StrideBytes(3) == 0;
        }

        isRight = isRight && packet is { Pts: long.MinValue, Size: 0, Flags: 0 } && packet.Data is null
            && LibAvCodec.av_new_packet(packet.Pointer, PacketBytes) == 0 && packet.Size == PacketBytes && (nuint)packet.Data > 0xFFFF
            && CheckContext(layout) && CheckPool(layout);
        if (!isRight)
        {
            reason = $"{versionText} keeps its fields elsewhere than this version should: it is not used";
        }

        return isRight;
    }

    // A context that is freed lets go of the surfaces that it was given.
    private static unsafe bool CheckContext(AvLayout layout)
    {
        const int Bytes = 16;
        nint buffer = LibAvUtil.av_buffer_alloc(Bytes);
        bool isRight = false;
        // SAFETY: a context of any version that is known is larger than the offset; only a field that is 0 is written to.
        using (AvCodecContext context = new(0))
        {
            nint* surfaces = (nint*)(context.Pointer + layout.ContextSurfaces);
            if (*surfaces == 0)
            {
                *surfaces = LibAvUtil.av_buffer_ref(buffer);
                isRight = LibAvUtil.av_buffer_get_ref_count(buffer) == 2;
            }
        }

        isRight = isRight && LibAvUtil.av_buffer_get_ref_count(buffer) == 1;
        LibAvUtil.av_buffer_unref(&buffer);
        return isRight;
    }

    // A new pool has no formats, and no size. A library that was built without such devices has no pools that could be wrong.
    private static bool CheckPool(AvLayout layout)
    {
        using AvSurfaces? pool = AvSurfaces.CreateClosed(layout, LibAvUtil.DeviceVaapi);
        return pool is null or { Format: -1, SoftwareFormat: -1, Width: 0, Height: 0, Count: 0 };
    }

    private static string Text(uint version) => string.Create(CultureInfo.InvariantCulture, $"{version >> 16}.{version >> 8 & 0xFF}.{version & 0xFF}");
}
