using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>Functions of libavcodec (<c>avcodec.h</c>, <c>packet.h</c>). Call <see cref="AvLibraries.Load"/> first: it chooses the file,
/// whose name carries the version. Results below 0 are errors: <see cref="LibAvUtil.Describe"/>.</summary>
/// <remarks>A context, frame or packet is used by one thread at a time.</remarks>
internal static unsafe partial class LibAvCodec
{
    /// <summary>No file of this name: <see cref="AvLibraries"/> resolves it.</summary>
    public const string Library = "avcodec";

    /// <summary>Packages that bring it: Debian 13, Debian 12.</summary>
    public const string Package = "libavcodec61 or libavcodec59";

    /// <summary>Flag of a packet: decoding can begin here.</summary>
    public const int PacketFlagKey = 1;

    /// <summary>Major &lt;&lt; 16 | minor &lt;&lt; 8 | micro.</summary>
    [LibraryImport(Library)]
    public static partial uint avcodec_version();

    /// <summary>Static; 0 when this build has none of this name.</summary>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint avcodec_find_encoder_by_name(string name);

    /// <summary>Static; 0 when this build has none of this name.</summary>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint avcodec_find_decoder_by_name(string name);

    /// <summary>Freed with <see cref="avcodec_free_context"/>; 0 when memory is short.</summary>
    [LibraryImport(Library)]
    public static partial nint avcodec_alloc_context3(nint codec);

    /// <summary>Frees the context and everything in it, and clears the pointer.</summary>
    [LibraryImport(Library)]
    public static partial void avcodec_free_context(nint* context);

    /// <summary>Initialises the context for the codec.</summary>
    [LibraryImport(Library)]
    public static partial int avcodec_open2(nint context, nint codec, nint options);

    /// <summary>Takes a picture; it holds a reference of its buffers while it needs them.</summary>
    [LibraryImport(Library)]
    public static partial int avcodec_send_frame(nint context, nint frame);

    /// <summary>Gives an access unit; <see cref="LibAvUtil.TryAgain"/> when there is none.</summary>
    [LibraryImport(Library)]
    public static partial int avcodec_receive_packet(nint context, nint packet);

    /// <summary>Takes an access unit. It copies the bytes of a packet that has no buffer of its own.</summary>
    [LibraryImport(Library)]
    public static partial int avcodec_send_packet(nint context, nint packet);

    /// <summary>Gives a picture; <see cref="LibAvUtil.TryAgain"/> when there is none.</summary>
    [LibraryImport(Library)]
    public static partial int avcodec_receive_frame(nint context, nint frame);

    /// <summary>Forgets everything decoded.</summary>
    [LibraryImport(Library)]
    public static partial void avcodec_flush_buffers(nint context);

    /// <summary>Freed with <see cref="av_packet_free"/>; 0 when memory is short.</summary>
    [LibraryImport(Library)]
    public static partial nint av_packet_alloc();

    /// <summary>Frees the packet and lets go of its bytes, and clears the pointer.</summary>
    [LibraryImport(Library)]
    public static partial void av_packet_free(nint* packet);

    /// <summary>Lets go of the bytes and resets every field.</summary>
    [LibraryImport(Library)]
    public static partial void av_packet_unref(nint packet);

    /// <summary>Gives the packet a buffer of its own.</summary>
    [LibraryImport(Library)]
    public static partial int av_new_packet(nint packet, int size);
}

/// <summary>An <c>AVCodecContext</c> with its codec; freed with everything in it.</summary>
internal sealed unsafe class AvCodecContext : SafeHandle
{
    /// <summary>For a codec that was found.</summary>
    /// <exception cref="InsufficientMemoryException">No memory.</exception>
    public AvCodecContext(nint codec)
        : base(0, ownsHandle: true)
    {
        SetHandle(LibAvCodec.avcodec_alloc_context3(codec));
        if (IsInvalid)
        {
            throw new InsufficientMemoryException("No memory for a codec.");
        }
    }

    /// <summary>The pointer; valid until disposal.</summary>
    public nint Pointer => handle;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        nint context = handle;
        LibAvCodec.avcodec_free_context(&context);
        return true;
    }
}

/// <summary>An <c>AVPacket</c>; freed with the bytes it refers to. Fields by <see cref="AvLayout"/>.</summary>
internal sealed unsafe class AvPacket : SafeHandle
{
    private readonly AvLayout _layout;

    /// <summary>Empty.</summary>
    /// <exception cref="InsufficientMemoryException">No memory.</exception>
    public AvPacket(AvLayout layout)
        : base(0, ownsHandle: true)
    {
        _layout = layout;
        SetHandle(LibAvCodec.av_packet_alloc());
        if (IsInvalid)
        {
            throw new InsufficientMemoryException("No memory for a packet.");
        }
    }

    /// <summary>The pointer; valid until disposal.</summary>
    public nint Pointer => handle;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    // SAFETY (all fields): the offsets are those of the loaded version, which AvLibraries checked; the packet lives until disposal.

    /// <summary>Its bytes.</summary>
    public ref byte* Data => ref *(byte**)(handle + _layout.PacketData);

    /// <summary>How many.</summary>
    public ref int Size => ref *(int*)(handle + _layout.PacketSize);

    /// <summary>See <see cref="LibAvCodec.PacketFlagKey"/>.</summary>
    public ref int Flags => ref *(int*)(handle + _layout.PacketFlags);

    /// <summary>Presentation time.</summary>
    public ref long Pts => ref *(long*)(handle + _layout.PacketPts);

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        nint packet = handle;
        LibAvCodec.av_packet_free(&packet);
        return true;
    }
}
