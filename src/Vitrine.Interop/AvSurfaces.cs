using System.Runtime.InteropServices;

namespace Vitrine.Interop;

/// <summary>An <c>AVHWFramesContext</c>: a pool of pictures in the memory of a device, which stays open as long as the pool or an encoder
/// refers to it. Fields by <see cref="AvLayout"/>.</summary>
/// <remarks>Used by one thread at a time.</remarks>
internal sealed unsafe class AvSurfaces : SafeHandle
{
    private const int ReferenceData = 8; // AVBufferRef: the buffer, then its bytes
    private readonly AvLayout _layout;

    private AvSurfaces(AvLayout layout, nint frames)
        : base(0, ownsHandle: true)
    {
        _layout = layout;
        SetHandle(frames);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    // SAFETY (all fields): the offsets are those of the loaded version, which AvLibraries checked; the pool lives until disposal.

    /// <summary>Pictures that it is made with, and its most where a device cannot make more.</summary>
    public ref int Count => ref *(int*)(Fields + _layout.PoolSize);

    /// <summary>The device's <c>AVPixelFormat</c>: «vaapi».</summary>
    public ref int Format => ref *(int*)(Fields + _layout.PoolFormat);

    /// <summary>The <c>AVPixelFormat</c> that pictures are copied from: «nv12».</summary>
    public ref int SoftwareFormat => ref *(int*)(Fields + _layout.PoolSoftwareFormat);

    /// <summary>Luma columns.</summary>
    public ref int Width => ref *(int*)(Fields + _layout.PoolWidth);

    /// <summary>Luma rows.</summary>
    public ref int Height => ref *(int*)(Fields + _layout.PoolHeight);

    private nint Fields => *(nint*)(handle + ReferenceData);

    /// <summary>A pool of a device that was not opened: of no use but to look at.</summary>
    /// <returns>Owned; null when this build has no device of the type.</returns>
    public static AvSurfaces? CreateClosed(AvLayout layout, int deviceType)
    {
        nint device = LibAvUtil.av_hwdevice_ctx_alloc(deviceType);
        return device == 0 ? null : Of(layout, device);
    }

    /// <summary>Opens a device. <see cref="TryMake"/> is next.</summary>
    /// <param name="layout">Of the loaded version.</param>
    /// <param name="deviceType"><c>AVHWDeviceType</c>.</param>
    /// <param name="device">Its name.</param>
    /// <param name="status">Below 0 when it does not open.</param>
    /// <returns>Owned; null when it does not open.</returns>
    public static AvSurfaces? TryOpen(AvLayout layout, int deviceType, string device, out int status)
    {
        nint opened = 0;
        // SAFETY: the reference is written to a local, and either cleared by the library or let go of in Of.
        status = LibAvUtil.av_hwdevice_ctx_create(&opened, deviceType, device, 0, 0);
        return status < 0 ? null : Of(layout, opened);
    }

    /// <summary>Makes the pictures, as the fields say.</summary>
    /// <returns>Below 0: an error.</returns>
    public int TryMake() => LibAvUtil.av_hwframe_ctx_init(handle);

    /// <summary>Gives an encoder that is not open yet a reference of its own: it takes pictures of this pool.</summary>
    /// <returns>Below 0: an error.</returns>
    public int TryGiveTo(AvCodecContext context)
    {
        nint reference = LibAvUtil.av_buffer_ref(handle);
        // SAFETY: as for the fields; the context lets go of it.
        *(nint*)(context.Pointer + _layout.ContextSurfaces) = reference;
        return reference == 0 ? LibAvUtil.NoMemory : 0;
    }

    /// <summary>Takes a picture from the pool and copies one into it.</summary>
    /// <param name="picture">In the software format, of the pool's size.</param>
    /// <param name="surface">Lets go of the picture that it held, which goes back to the pool when nobody else refers to it.</param>
    /// <returns>Below 0: an error; the surface is empty then.</returns>
    public int TryUpload(AvFrame picture, AvFrame surface)
    {
        LibAvUtil.av_frame_unref(surface.Pointer);
        int status = LibAvUtil.av_hwframe_get_buffer(handle, surface.Pointer, 0);
        status = status < 0 ? status : LibAvUtil.av_hwframe_transfer_data(surface.Pointer, picture.Pointer, 0);
        if (status < 0)
        {
            LibAvUtil.av_frame_unref(surface.Pointer);
        }

        return status;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        nint frames = handle;
        LibAvUtil.av_buffer_unref(&frames);
        return true;
    }

    private static AvSurfaces Of(AvLayout layout, nint device)
    {
        nint frames = LibAvUtil.av_hwframe_ctx_alloc(device);
        LibAvUtil.av_buffer_unref(&device); // the pool has its own
        return frames == 0 ? throw new InsufficientMemoryException("No memory for a pool of pictures.") : new(layout, frames);
    }
}
