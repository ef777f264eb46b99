using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Lab.Content;

/// <summary>The pictures of a <see cref="VideoLoop"/>, mapped into an X server: to paint one is a copy that the server makes (MIT-SHM).</summary>
/// <remarks>One thread. Connection and loop are borrowed and outlive it.</remarks>
internal sealed class SharedImage : IDisposable
{
    private readonly X11Connection _connection;
    private readonly VideoLoop _loop;
    private readonly uint _segment;

    /// <exception cref="LaboratoryException">The X server takes no shared memory.</exception>
    public SharedImage(X11Connection connection, VideoLoop loop)
    {
        (_connection, _loop) = (connection, loop);
        if (!connection.Shm.IsPresent || !ShmReader.TryAttach(connection, loop.Memory.Handle, out _segment, out _))
        {
            throw new LaboratoryException("The X server takes no shared memory (MIT-SHM 1.2).");
        }
    }

    /// <summary>Puts a part of a picture at a place of a window. It is queued.</summary>
    /// <param name="window">Where to.</param>
    /// <param name="frame">Whose picture.</param>
    /// <param name="source">Which part of it.</param>
    /// <param name="x">Device pixels from the window's left edge.</param>
    /// <param name="y">Device pixels from its upper edge.</param>
    public void Put(PaintedWindow window, long frame, DeviceRectangle source, int x, int y) =>
        LibXcbShm.xcb_shm_put_image(
            _connection.Handle, window.Id, window.Context, (ushort)_loop.Size.Width, (ushort)_loop.Size.Height,
            (ushort)source.X, (ushort)source.Y, (ushort)source.Width, (ushort)source.Height, (short)x, (short)y,
            _connection.RootDepth, LibXcb.ImageFormatZPixmap, 0, _segment, (uint)(_loop.PictureOf(frame) * (long)_loop.PictureBytes));

    public void Dispose()
    {
        LibXcbShm.xcb_shm_detach(_connection.Handle, _segment);
        _connection.Flush();
    }
}
