using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>Functions of libavutil (<c>frame.h</c>, <c>buffer.h</c>, <c>hwcontext.h</c>, <c>opt.h</c>, <c>error.h</c>, <c>log.h</c>). Call <see cref="AvLibraries.Load"/> first.</summary>
internal static unsafe partial class LibAvUtil
{
    /// <summary>No file of this name: <see cref="AvLibraries"/> resolves it.</summary>
    public const string Library = "avutil";

    /// <summary><c>-EAGAIN</c>: nothing to give yet, or no room yet.</summary>
    public const int TryAgain = -11;

    /// <summary><c>-ENOMEM</c>.</summary>
    public const int NoMemory = -12;

    /// <summary><c>-EINVAL</c>.</summary>
    public const int InvalidArgument = -22;

    /// <summary><c>AVERROR_INVALIDDATA</c>.</summary>
    public const int InvalidData = -0x41444E49;

    /// <summary><c>AV_PIX_FMT_YUV420P</c>.</summary>
    public const int FormatI420 = 0;

    /// <summary><c>AV_PIX_FMT_YUVJ420P</c>: the same with full range.</summary>
    public const int FormatI420FullRange = 12;

    /// <summary><c>AV_PIX_FMT_YUVJ444P</c>: 4:4:4 with full range.</summary>
    public const int FormatI444FullRange = 14;

    /// <summary><c>AV_HWDEVICE_TYPE_VAAPI</c>.</summary>
    public const int DeviceVaapi = 3;

    /// <summary><c>AV_PICTURE_TYPE_I</c>.</summary>
    public const int PictureTypeIntra = 1;

    /// <summary><c>AV_OPT_SEARCH_CHILDREN</c>: options of the codec too.</summary>
    public const int SearchChildren = 1;

    /// <summary><c>AV_LOG_QUIET</c>.</summary>
    public const int LogQuiet = -8;

    /// <summary>Major &lt;&lt; 16 | minor &lt;&lt; 8 | micro.</summary>
    [LibraryImport(Library)]
    public static partial uint avutil_version();

    /// <summary>Of the process.</summary>
    [LibraryImport(Library)]
    public static partial void av_log_set_level(int level);

    /// <summary>Sets an option by name from text.</summary>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int av_opt_set(nint instance, string name, string value, int searchFlags);

    /// <summary>Sets a number. The name is UTF-8 and ends with 0, so that nothing is converted while pictures are coded.</summary>
    [LibraryImport(Library)]
    public static partial int av_opt_set_int(nint instance, byte* name, long value, int searchFlags);

    /// <summary>Words for an error.</summary>
    [LibraryImport(Library)]
    public static partial int av_strerror(int error, byte* buffer, nuint bufferBytes);

    /// <summary>Freed with <see cref="av_frame_free"/>; 0 when memory is short.</summary>
    [LibraryImport(Library)]
    public static partial nint av_frame_alloc();

    /// <summary>Frees the frame and lets go of its buffers, and clears the pointer.</summary>
    [LibraryImport(Library)]
    public static partial void av_frame_free(nint* frame);

    /// <summary>Lets go of the buffers and resets every field.</summary>
    [LibraryImport(Library)]
    public static partial void av_frame_unref(nint frame);

    /// <summary>Takes memory for the format, width and height that are set.</summary>
    [LibraryImport(Library)]
    public static partial int av_frame_get_buffer(nint frame, int align);

    /// <summary>Copies the picture when somebody else refers to its buffers too; else does nothing.</summary>
    [LibraryImport(Library)]
    public static partial int av_frame_make_writable(nint frame);

    /// <summary>The number of a pixel format; -1 when there is none of this name.</summary>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int av_get_pix_fmt(string name);

    /// <summary>A buffer and a reference to it; 0 when memory is short.</summary>
    [LibraryImport(Library)]
    public static partial nint av_buffer_alloc(nuint bytes);

    /// <summary>One more reference to the same buffer; 0 when memory is short.</summary>
    [LibraryImport(Library)]
    public static partial nint av_buffer_ref(nint buffer);

    /// <summary>How many references there are to the buffer.</summary>
    [LibraryImport(Library)]
    public static partial int av_buffer_get_ref_count(nint buffer);

    /// <summary>Lets go of a reference, and clears the pointer.</summary>
    [LibraryImport(Library)]
    public static partial void av_buffer_unref(nint* buffer);

    /// <summary>A device that is not opened; 0 when this build has none of the type.</summary>
    [LibraryImport(Library)]
    public static partial nint av_hwdevice_ctx_alloc(int type);

    /// <summary>Opens a device; the reference is cleared when that fails.</summary>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int av_hwdevice_ctx_create(nint* device, int type, string name, nint options, int flags);

    /// <summary>A pool of pictures of a device, which it holds a reference of; 0 when memory is short.</summary>
    [LibraryImport(Library)]
    public static partial nint av_hwframe_ctx_alloc(nint device);

    /// <summary>Makes the pool as its fields say.</summary>
    [LibraryImport(Library)]
    public static partial int av_hwframe_ctx_init(nint frames);

    /// <summary>Takes a picture from the pool into an empty frame.</summary>
    [LibraryImport(Library)]
    public static partial int av_hwframe_get_buffer(nint frames, nint frame, int flags);

    /// <summary>Copies a picture to a device, or back.</summary>
    [LibraryImport(Library)]
    public static partial int av_hwframe_transfer_data(nint to, nint from, int flags);

    /// <summary>What the library says of an error.</summary>
    public static string Describe(int error)
    {
        byte* text = stackalloc byte[128];
        // SAFETY: av_strerror writes at most the bytes it is told, the closing 0 included.
        _ = av_strerror(error, text, 128);
        return Marshal.PtrToStringUTF8((nint)text) ?? "";
    }
}

/// <summary>An <c>AVFrame</c>; freed with the buffers it refers to. Fields by <see cref="AvLayout"/>.</summary>
internal sealed unsafe class AvFrame : SafeHandle
{
    private readonly AvLayout _layout;

    /// <summary>Without picture.</summary>
    /// <exception cref="InsufficientMemoryException">No memory.</exception>
    public AvFrame(AvLayout layout)
        : base(0, ownsHandle: true)
    {
        _layout = layout;
        SetHandle(LibAvUtil.av_frame_alloc());
        if (IsInvalid)
        {
            throw new InsufficientMemoryException("No memory for a picture.");
        }
    }

    /// <summary>The pointer; valid until disposal.</summary>
    public nint Pointer => handle;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    // SAFETY (all fields): the offsets are those of the loaded version, which AvLibraries checked; the frame lives until disposal.

    /// <summary>Luma, or columns in total.</summary>
    public ref int Width => ref *(int*)(handle + _layout.FrameWidth);

    /// <summary>Luma rows.</summary>
    public ref int Height => ref *(int*)(handle + _layout.FrameHeight);

    /// <summary><c>AVPixelFormat</c>.</summary>
    public ref int Format => ref *(int*)(handle + _layout.FrameFormat);

    /// <summary><c>AVPictureType</c>; 0 leaves it to the encoder.</summary>
    public ref int PictureType => ref *(int*)(handle + _layout.FramePictureType);

    /// <summary>Presentation time in the context's time base.</summary>
    public ref long Pts => ref *(long*)(handle + _layout.FramePts);

    /// <summary>What the decoder made good: not 0 when something was missing.</summary>
    public int DecodeErrors => *(int*)(handle + _layout.FrameDecodeErrors);

    /// <summary>First row of a plane, 0 to 7.</summary>
    public byte* Data(int plane) => ((byte**)(handle + _layout.FrameData))[plane];

    /// <summary>Bytes from row to row of a plane, 0 to 7; can be negative.</summary>
    public int StrideBytes(int plane) => ((int*)(handle + _layout.FrameStrides))[plane];

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        nint frame = handle;
        LibAvUtil.av_frame_free(&frame);
        return true;
    }
}
