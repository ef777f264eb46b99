using System.Text;
using Microsoft.Win32.SafeHandles;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Capture.X11;

/// <summary>What <see cref="X11Connection.Wait"/> ended with.</summary>
public enum X11WaitResult
{
    /// <summary>Events may be there.</summary>
    Ready = 0,

    /// <summary>Nothing came in time.</summary>
    TimedOut = 1,

    /// <summary><see cref="X11Connection.Wake"/> was called.</summary>
    Woken = 2,

    /// <summary>The display is gone.</summary>
    Broken = 3,
}

/// <summary>A connection to an X display. Whatever the server does, it arrives as a reply, an event or
/// <see cref="IsBroken"/>; nothing here ends the process.</summary>
/// <remarks>Requests may be sent from any thread. One thread waits and reads events. <see cref="Wake"/> is for any thread.
/// Disposed by its owner once the waiting thread has ended.</remarks>
public sealed unsafe class X11Connection : IDisposable
{
    private readonly Dictionary<string, uint> _atoms = [];
    private readonly SafeFileHandle _wake;
    private bool _disposed;

    private X11Connection(XcbConnection handle, string displayName, int screenNumber, SafeFileHandle wake)
    {
        Handle = handle;
        DisplayName = displayName;
        ScreenNumber = screenNumber;
        _wake = wake;
        Shm = Damage = Xfixes = Randr = XInput = Composite = Res = Test = new("", false, 0, 0, 0, new(0, 0), "");
    }

    /// <summary>The display's name as given or as found in <c>DISPLAY</c>.</summary>
    public string DisplayName { get; }

    /// <summary>Number of the screen.</summary>
    public int ScreenNumber { get; }

    /// <summary>The screen's root window.</summary>
    public uint Root { get; private set; }

    /// <summary>Visual of the root window.</summary>
    public uint RootVisual { get; private set; }

    /// <summary>Depth of the root window: 24, or 32.</summary>
    public byte RootDepth { get; private set; }

    /// <summary>Size of the root window when the connection was made; <see cref="TryGetRootSize"/> asks anew.</summary>
    public DeviceSize InitialRootSize { get; private set; }

    /// <summary>First resource id of this client: names it in X-Resource requests.</summary>
    public uint ResourceIdBase { get; private set; }

    /// <summary>MIT-SHM.</summary>
    public X11Extension Shm { get; private set; }

    /// <summary>DAMAGE.</summary>
    public X11Extension Damage { get; private set; }

    /// <summary>XFIXES.</summary>
    public X11Extension Xfixes { get; private set; }

    /// <summary>RANDR.</summary>
    public X11Extension Randr { get; private set; }

    /// <summary>XInputExtension, version 2.</summary>
    public X11Extension XInput { get; private set; }

    /// <summary>Composite.</summary>
    public X11Extension Composite { get; private set; }

    /// <summary>X-Resource.</summary>
    public X11Extension Res { get; private set; }

    /// <summary>XTEST.</summary>
    public X11Extension Test { get; private set; }

    /// <summary>Whether the server is reached through a socket of this machine, over which descriptors can be passed.</summary>
    public bool IsLocal
    {
        get
        {
            uint length = sizeof(int);
            return LibC.getsockopt(LibXcb.xcb_get_file_descriptor(Handle), LibC.SocketLevel, LibC.SocketDomain, out int domain, ref length) == 0
                && domain == LibC.DomainUnix;
        }
    }

    /// <summary>Whether the display is gone. It does not come back: open a new connection.</summary>
    public bool IsBroken => LibXcb.xcb_connection_has_error(Handle) != 0;

    /// <summary>The native connection, for requests; owned by this object.</summary>
    internal XcbConnection Handle { get; }

    /// <summary>Opens a display.</summary>
    /// <param name="displayName">Such as <c>:0</c> or <c>host:1.0</c>; null or empty takes the environment's <c>DISPLAY</c>.</param>
    /// <param name="error">When null is returned: a sentence that says what is wrong and what mends it.</param>
    /// <returns>The connection, owned by the caller, or null.</returns>
    public static X11Connection? TryOpen(string? displayName, out string error) => TryOpen(displayName, out error, requireColour: true);

    internal static X11Connection? TryOpen(string? displayName, out string error, bool requireColour)
    {
        string name = string.IsNullOrEmpty(displayName) ? Environment.GetEnvironmentVariable("DISPLAY") ?? "" : displayName;
        if (name.Length == 0)
        {
            error = "There is no X display: the variable DISPLAY is not set. Set it, or give a display such as :0.";
            return null;
        }

        XcbConnection handle;
        int screenNumber;
        try
        {
            handle = new XcbConnection(name, out screenNumber);
        }
        catch (DllNotFoundException)
        {
            error = $"The library {LibXcb.Library} is missing. Install it: apt-get install {LibXcb.Package}.";
            return null;
        }

        X11Connection connection = new(handle, name, screenNumber, LibC.eventfd(0, LibC.EventFdCloexec | LibC.EventFdNonBlocking));
        error = connection.Start(requireColour);
        if (error.Length == 0)
        {
            return connection;
        }

        connection.Dispose();
        return null;
    }

    /// <summary>Asks for the root window's size now.</summary>
    /// <returns>False when the display is gone.</returns>
    public bool TryGetRootSize(out DeviceSize size)
    {
        XcbGetGeometryReply* reply = LibXcb.xcb_get_geometry_reply(Handle, LibXcb.xcb_get_geometry(Handle, Root), null);
        if (reply is null)
        {
            size = default;
            return false;
        }

        // SAFETY: a reply that is not null is a whole xcb_get_geometry_reply_t; ours until freed.
        size = new DeviceSize(reply->Width, reply->Height);
        LibC.free(reply);
        return true;
    }

    /// <summary>The number of an atom, asked for once. 0 when the display is gone.</summary>
    public uint Atom(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        lock (_atoms)
        {
            if (_atoms.TryGetValue(name, out uint known))
            {
                return known;
            }
        }

        byte[] bytes = Encoding.Latin1.GetBytes(name);
        XcbInternAtomReply* reply = LibXcb.xcb_intern_atom_reply(Handle, LibXcb.xcb_intern_atom(Handle, 0, (ushort)bytes.Length, bytes), null);
        if (reply is null)
        {
            return 0;
        }

        // SAFETY: a reply that is not null is a whole xcb_intern_atom_reply_t; ours until freed.
        uint atom = reply->Atom;
        LibC.free(reply);
        lock (_atoms)
        {
            _atoms[name] = atom;
        }

        return atom;
    }

    /// <summary>Sends what is queued.</summary>
    public void Flush() => _ = LibXcb.xcb_flush(Handle); // a failure shows as IsBroken

    /// <summary>Sends what is queued and waits until the server has worked it off.</summary>
    /// <returns>False when the display is gone.</returns>
    public bool Synchronize()
    {
        XcbGetInputFocusReply* reply = LibXcb.xcb_get_input_focus_reply(Handle, LibXcb.xcb_get_input_focus(Handle), null);
        LibC.free(reply);
        return reply is not null;
    }

    /// <summary>Sends what is queued and waits until events may be there. Call it only after all events were read: it
    /// waits for bytes, and events already received bring none.</summary>
    /// <param name="timeout">How long; <see cref="Timeout.InfiniteTimeSpan"/> for ever. Rounded up to a millisecond.</param>
    /// <remarks>A signal may end it early with <see cref="X11WaitResult.TimedOut"/>: callers have a deadline of their own.</remarks>
    public X11WaitResult Wait(TimeSpan timeout)
    {
        if (LibXcb.xcb_flush(Handle) <= 0 || IsBroken)
        {
            return X11WaitResult.Broken;
        }

        int milliseconds = timeout == Timeout.InfiniteTimeSpan ? -1 : (int)Math.Clamp(Math.Ceiling(timeout.TotalMilliseconds), 0, int.MaxValue);
        Span<PollDescriptor> descriptors =
        [
            new() { Descriptor = LibXcb.xcb_get_file_descriptor(Handle), Events = LibC.PollIn },
            new() { Descriptor = (int)_wake.DangerousGetHandle(), Events = LibC.PollIn },
        ];
        if (LibC.poll(descriptors, (nuint)descriptors.Length, milliseconds) <= 0)
        {
            return X11WaitResult.TimedOut;
        }

        return descriptors[1].ReturnedEvents != 0 && TryTakeWake()
            ? X11WaitResult.Woken
            : X11WaitResult.Ready; // a closed socket is ready too: reading events finds it out
    }

    /// <summary>Ends a <see cref="Wait"/> under way, or the next one. Any thread.</summary>
    public void Wake() => _ = LibC.write(_wake, 1, sizeof(ulong)); // fails only when 2^64-2 wakes are pending

    /// <summary>Closes the connection.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            Handle.Dispose();
            _wake.Dispose();
        }
    }

    /// <summary>Whether <see cref="Wake"/> was called since it was last answered; answers it.</summary>
    internal bool TryTakeWake() => LibC.read(_wake, out _, sizeof(ulong)) > 0;

    /// <summary>The next event or error that came along with a reply, without looking at the socket. The caller disposes it.</summary>
    internal bool TryReadQueuedEvent(out X11Event next)
    {
        next = new X11Event(LibXcb.xcb_poll_for_queued_event(Handle));
        return !next.IsNone;
    }

    /// <summary>Reads the next event or error, if one is there. The caller disposes it.</summary>
    internal bool TryReadEvent(out X11Event next)
    {
        next = new X11Event(LibXcb.xcb_poll_for_event(Handle));
        return !next.IsNone;
    }

    /// <summary>Waits for the outcome of a <c>_checked</c> request.</summary>
    /// <returns>0 when it worked, else the error's number; 255 when the display is gone.</returns>
    internal byte Check(XcbCookie cookie)
    {
        XcbGenericError* error = LibXcb.xcb_request_check(Handle, cookie);
        if (error is null)
        {
            return IsBroken ? byte.MaxValue : (byte)0;
        }

        // SAFETY: an error that is not null is 36 bytes; ours until freed.
        byte code = error->ErrorCode;
        LibC.free(error);
        return code;
    }

    private string Start(bool requireColour)
    {
        if (_wake.IsInvalid)
        {
            return "The limit of open files is reached. Raise it: ulimit -n 4096.";
        }

        switch (LibXcb.xcb_connection_has_error(Handle))
        {
            case 0:
                break;
            case 5:
                return $"«{DisplayName}» is not the name of a display. Names look like :0, :1.0 or host:0.";
            case 6:
                return $"The display {DisplayName} is there, but has no screen of that number. Leave the part after the point away.";
            default:
                return $"The X display {DisplayName} cannot be opened. Either no X server listens there (the sockets of those that do: "
                    + "ls /tmp/.X11-unix), or it refuses this user (run as the user of the desktop, or point XAUTHORITY to its cookie file).";
        }

        string error = ReadScreen();
        if (error.Length == 0 || !requireColour)
        {
            QueryExtensions();
            error = IsBroken ? $"The X display {DisplayName} closed the connection at once." : "";
        }

        return error;
    }

    // SAFETY: setup, screens, depths and visuals are memory of the connection, complete and checked by XCB when it
    // connected; they live as long as the connection, which this object owns.
    private string ReadScreen()
    {
        XcbSetup* setup = LibXcb.xcb_get_setup(Handle);
        ResourceIdBase = setup->ResourceIdBase;
        XcbScreenIterator screens = LibXcb.xcb_setup_roots_iterator(setup);
        for (int i = 0; i < ScreenNumber && screens.Rem > 1; i++)
        {
            LibXcb.xcb_screen_next(&screens);
        }

        XcbScreen* screen = (XcbScreen*)screens.Data;
        Root = screen->Root;
        RootVisual = screen->RootVisual;
        RootDepth = screen->RootDepth;
        InitialRootSize = new DeviceSize(screen->WidthInPixels, screen->HeightInPixels);

        int bitsPerPixel = 0;
        XcbFormat* formats = LibXcb.xcb_setup_pixmap_formats(setup);
        for (int i = 0; i < LibXcb.xcb_setup_pixmap_formats_length(setup); i++)
        {
            if (formats[i].Depth == RootDepth)
            {
                bitsPerPixel = formats[i].BitsPerPixel;
            }
        }

        XcbVisualtype* rootVisual = null;
        for (XcbDepthIterator depths = LibXcb.xcb_screen_allowed_depths_iterator(screen); depths.Rem > 0; LibXcb.xcb_depth_next(&depths))
        {
            XcbDepth* depth = (XcbDepth*)depths.Data;
            XcbVisualtype* visuals = LibXcb.xcb_depth_visuals(depth);
            for (int i = 0; i < LibXcb.xcb_depth_visuals_length(depth); i++)
            {
                rootVisual = visuals[i].VisualId == RootVisual ? visuals + i : rootVisual;
            }
        }

        bool isBgrx = RootDepth is 24 or 32 && bitsPerPixel == 32 && setup->ImageByteOrder == 0 && rootVisual is not null
            && rootVisual->Class is LibXcb.VisualClassTrueColor or LibXcb.VisualClassDirectColor
            && (rootVisual->RedMask, rootVisual->GreenMask, rootVisual->BlueMask) == (0xFF0000, 0xFF00, 0xFF);
        return isBgrx
            ? ""
            : $"The X display {DisplayName} has depth {RootDepth} with {bitsPerPixel} bits a pixel; only true colour with 8 bits "
                + "a channel in 32 bits, blue first, can be captured. Start it with depth 24 (Xvfb: -screen 0 1920x1080x24).";
    }

    // SAFETY: each reply that is not null is a whole reply of its type; read, then freed, once.
    private void QueryExtensions()
    {
        ReadOnlySpan<nint> ids =
        [
            LibXcbShm.Id, LibXcbDamage.Id, LibXcbXfixes.Id, LibXcbRandr.Id, LibXcbXinput.Id, LibXcbComposite.Id, LibXcbRes.Id, LibXcbXtest.Id,
        ];
        foreach (nint id in ids)
        {
            if (id != 0)
            {
                LibXcb.xcb_prefetch_extension_data(Handle, id); // one round trip for all
            }
        }

        if (TryFind("MIT-SHM", LibXcbShm.Id, LibXcbShm.Package, out X11Extension found))
        {
            XcbShmQueryVersionReply* r = LibXcbShm.xcb_shm_query_version_reply(Handle, LibXcbShm.xcb_shm_query_version(Handle), null);
            found = r is null ? Refused(found) : found with { Version = new(r->MajorVersion, r->MinorVersion) };
            SharedPixmaps = r is not null && r->SharedPixmaps != 0 && r->PixmapFormat == LibXcb.ImageFormatZPixmap;
            LibC.free(r);
        }

        Shm = found;
        if (TryFind("DAMAGE", LibXcbDamage.Id, LibXcbDamage.Package, out found))
        {
            XcbDamageQueryVersionReply* r = LibXcbDamage.xcb_damage_query_version_reply(
                Handle, LibXcbDamage.xcb_damage_query_version(Handle, 1, 1), null);
            found = r is null ? Refused(found) : found with { Version = new((int)r->MajorVersion, (int)r->MinorVersion) };
            LibC.free(r);
        }

        Damage = found;
        if (TryFind("XFIXES", LibXcbXfixes.Id, LibXcbXfixes.Package, out found))
        {
            XcbXfixesQueryVersionReply* r = LibXcbXfixes.xcb_xfixes_query_version_reply(
                Handle, LibXcbXfixes.xcb_xfixes_query_version(Handle, 5, 0), null);
            found = r is null ? Refused(found) : found with { Version = new((int)r->MajorVersion, (int)r->MinorVersion) };
            LibC.free(r);
        }

        Xfixes = found;
        if (TryFind("RANDR", LibXcbRandr.Id, LibXcbRandr.Package, out found))
        {
            XcbRandrQueryVersionReply* r = LibXcbRandr.xcb_randr_query_version_reply(
                Handle, LibXcbRandr.xcb_randr_query_version(Handle, 1, 5), null);
            found = r is null ? Refused(found) : found with { Version = new((int)r->MajorVersion, (int)r->MinorVersion) };
            LibC.free(r);
        }

        Randr = found;
        if (TryFind("XInputExtension", LibXcbXinput.Id, LibXcbXinput.Package, out found))
        {
            XcbInputXiQueryVersionReply* r = LibXcbXinput.xcb_input_xi_query_version_reply(
                Handle, LibXcbXinput.xcb_input_xi_query_version(Handle, 2, 2), null);
            found = r is null ? Refused(found) : found with { Version = new(r->MajorVersion, r->MinorVersion) };
            LibC.free(r);
        }

        XInput = found;
        if (TryFind("Composite", LibXcbComposite.Id, LibXcbComposite.Package, out found))
        {
            XcbCompositeQueryVersionReply* r = LibXcbComposite.xcb_composite_query_version_reply(
                Handle, LibXcbComposite.xcb_composite_query_version(Handle, 0, 4), null);
            found = r is null ? Refused(found) : found with { Version = new((int)r->MajorVersion, (int)r->MinorVersion) };
            LibC.free(r);
        }

        Composite = found;
        if (TryFind("X-Resource", LibXcbRes.Id, LibXcbRes.Package, out found))
        {
            XcbResQueryVersionReply* r = LibXcbRes.xcb_res_query_version_reply(Handle, LibXcbRes.xcb_res_query_version(Handle, 1, 2), null);
            found = r is null ? Refused(found) : found with { Version = new(r->ServerMajor, r->ServerMinor) };
            LibC.free(r);
        }

        Res = found;
        if (TryFind("XTEST", LibXcbXtest.Id, LibXcbXtest.Package, out found))
        {
            XcbTestGetVersionReply* r = LibXcbXtest.xcb_test_get_version_reply(Handle, LibXcbXtest.xcb_test_get_version(Handle, 2, 2), null);
            found = r is null ? Refused(found) : found with { Version = new(r->MajorVersion, r->MinorVersion) };
            LibC.free(r);
        }

        Test = found;

        static X11Extension Refused(X11Extension extension) =>
            extension with { IsPresent = false, Absence = $"the X server refuses {extension.Name}" };
    }

    /// <summary>Whether the server can draw into shared memory as a pixmap.</summary>
    internal bool SharedPixmaps { get; private set; }

    private bool TryFind(string name, nint id, string package, out X11Extension extension)
    {
        if (id == 0)
        {
            extension = new(name, false, 0, 0, 0, new(0, 0), $"the package {package} is not installed");
            return false;
        }

        // SAFETY: the reply belongs to the connection and is not freed.
        XcbQueryExtensionReply* reply = LibXcb.xcb_get_extension_data(Handle, id);
        bool present = reply is not null && reply->Present != 0;
        extension = present
            ? new(name, true, reply->FirstEvent, reply->FirstError, reply->MajorOpcode, new(0, 0), "")
            : new(name, false, 0, 0, 0, new(0, 0), $"the X server lacks {name}");
        return present;
    }
}

/// <summary>An event, or an error that no request waited for. Owns native memory: dispose it.</summary>
internal readonly unsafe struct X11Event(XcbGenericEvent* memory) : IDisposable
{
    /// <summary>Whether there is none.</summary>
    public bool IsNone => memory is null;

    /// <summary>Whether it is an error: then <see cref="As"/> an <see cref="XcbGenericError"/>.</summary>
    public bool IsError => memory->ResponseType == 0;

    /// <summary>Number of the event, without the bit that says who sent it.</summary>
    public byte Type => (byte)(memory->ResponseType & 0x7F);

    /// <summary>Whether this is the generic event of an extension.</summary>
    public bool IsGeneric(X11Extension extension, ushort eventType) =>
        Type == LibXcb.GenericEvent && extension.IsPresent
        && As<XcbGeGenericEvent>().Extension == extension.MajorOpcode && As<XcbGeGenericEvent>().EventType == eventType;

    /// <summary>Whether this is the numbered event of an extension.</summary>
    public bool Is(X11Extension extension, byte number) => extension.IsPresent && Type == extension.FirstEvent + number;

    /// <summary>The event as its own type, of at most 36 bytes.</summary>
    // SAFETY: every event is at least 36 bytes (32 of the protocol, 4 that XCB adds) and lives until Dispose.
    public ref readonly T As<T>()
        where T : unmanaged => ref *(T*)memory;

    /// <inheritdoc/>
    public void Dispose() => LibC.free(memory);
}
