using System.Runtime.InteropServices;
using Vitrine.Capture.X11;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.Tests.X11;

/// <summary>A client that fills rectangles of the screen, and keeps what the screen must show.</summary>
internal sealed unsafe class Painter : IDisposable
{
    private readonly uint _context;

    public Painter(string displayName)
    {
        Connection = Displays.Connect(displayName);
        Size = Connection.InitialRootSize;
        Expected = new uint[Size.Area];
        _context = LibXcb.xcb_generate_id(Connection.Handle);
        LibXcb.xcb_create_gc(
            Connection.Handle, _context, Connection.Root, LibXcb.GcSubwindowMode | LibXcb.GcGraphicsExposures,
            [LibXcb.SubwindowModeIncludeInferiors, 0]);
        Fill(DeviceRectangle.Of(Size), 0x203040);
    }

    public X11Connection Connection { get; }

    public DeviceSize Size { get; private set; }

    public uint[] Expected { get; private set; }

    /// <summary>Fills, and returns when it is on the screen.</summary>
    public void Fill(DeviceRectangle rectangle, uint colour)
    {
        Draw(rectangle, colour);
        Assert.True(Connection.Synchronize());
    }

    public void Draw(DeviceRectangle rectangle, uint colour)
    {
        LibXcb.xcb_change_gc(Connection.Handle, _context, LibXcb.GcForeground, [colour]);
        LibXcb.xcb_poly_fill_rectangle(Connection.Handle, Connection.Root, _context, 1,
        [
            new XcbRectangle { X = (short)rectangle.X, Y = (short)rectangle.Y, Width = (ushort)rectangle.Width, Height = (ushort)rectangle.Height },
        ]);
        DeviceRectangle shown = rectangle.Intersect(DeviceRectangle.Of(Size));
        for (int y = shown.Y; y < shown.Bottom; y++)
        {
            Expected.AsSpan((y * Size.Width) + shown.X, shown.Width).Fill(colour);
        }
    }

    public void FillRandom(Random random) => Fill(
        new(random.Next(-20, Size.Width), random.Next(-20, Size.Height), random.Next(1, 120), random.Next(1, 90)),
        (uint)random.Next(0x1000000));

    /// <summary>Changes the size of the screen, as a user does by choosing another mode, and paints it anew.</summary>
    public void Resize(int width, int height)
    {
        XcbConnection c = Connection.Handle;
        XcbRandrGetScreenResourcesCurrentReply* resources = LibXcbRandr.xcb_randr_get_screen_resources_current_reply(
            c, LibXcbRandr.xcb_randr_get_screen_resources_current(c, Connection.Root), null);
        uint crtc = LibXcbRandr.xcb_randr_get_screen_resources_current_crtcs(resources)[0];
        uint timestamp = resources->ConfigTimestamp;
        LibC.free(resources);
        XcbRandrSetCrtcConfigReply* off = LibXcbRandr.xcb_randr_set_crtc_config_reply(
            c, LibXcbRandr.xcb_randr_set_crtc_config(c, crtc, 0, timestamp, 0, 0, 0, 1, 0, default), null);
        LibC.free(off);
        Assert.Equal(0, Connection.Check(LibXcbRandr.xcb_randr_set_screen_size_checked(
            c, Connection.Root, (ushort)width, (ushort)height, (uint)width / 4, (uint)height / 4)));
        Size = new DeviceSize(width, height);
        Expected = new uint[Size.Area];
        Fill(DeviceRectangle.Of(Size), 0x102030);
    }

    /// <summary>Asserts that a picture of a part of the screen shows what was painted, every pixel.</summary>
    public void AssertShown(FrameLease frame, DeviceRectangle region)
    {
        Assert.Equal(region.Size, frame.Format.Size);
        AssertEqual(Expected, Size, frame, region);
    }

    public static void AssertEqual(uint[] expected, DeviceSize size, FrameLease frame, DeviceRectangle region)
    {
        for (int y = 0; y < region.Height; y++)
        {
            ReadOnlySpan<uint> row = MemoryMarshal.Cast<byte, uint>(frame.Pixels.Slice(y * frame.Format.StrideBytes, region.Width * 4));
            ReadOnlySpan<uint> wanted = expected.AsSpan(((region.Y + y) * size.Width) + region.X, region.Width);
            for (int x = 0; x < region.Width; x++)
            {
                if ((row[x] & 0xFFFFFF) != wanted[x])
                {
                    Assert.Fail($"Pixel {x},{y} of {region} is {row[x] & 0xFFFFFF:X6}, painted was {wanted[x]:X6}.");
                }
            }
        }
    }

    public void Dispose() => Connection.Dispose();
}
