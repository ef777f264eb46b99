using System.Runtime.InteropServices;
using Vitrine.Frames;
using Vitrine.Interop;

namespace Vitrine.Imaging;

/// <summary>What reading a PNG gave.</summary>
public enum PngStatus
{
    /// <summary>The picture is there.</summary>
    Decoded = 0,

    /// <summary>The bytes do not begin as a PNG does.</summary>
    NotPng = 1,

    /// <summary>It begins as a PNG and is broken or cut off after that.</summary>
    Corrupt = 2,

    /// <summary>A side or the area exceeds what <see cref="FrameFormat.IsSupported"/> takes; no memory was taken.</summary>
    TooLarge = 3,
}

/// <summary>PNG files through libpng: RGB with 8 bits, sRGB assumed. Pixels come back bit for bit.</summary>
/// <remarks>Thread-safe. Allocates: for single pictures, not for the frame path.</remarks>
public static unsafe class PngFile
{
    private const int NoSpace = 28; // ENOSPC: .NET on Unix puts errno into HResult where it knows no better type

    private static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>Makes the bytes of a PNG file out of B, G, R, X pixels; X is dropped.</summary>
    /// <param name="pixels">At least the bytes that <paramref name="format"/> names; borrowed.</param>
    /// <param name="format">Layout, any stride that holds a row.</param>
    /// <exception cref="ArgumentException">The pixels are fewer than the format says, or the size is not supported.</exception>
    /// <exception cref="DllNotFoundException">libpng is not installed; the message names the package.</exception>
    public static byte[] Encode(ReadOnlySpan<byte> pixels, FrameFormat format)
    {
        int width = format.Size.Width, height = format.Size.Height;
        if (!FrameFormat.IsSupported(format.Size) || format.StrideBytes < width * FrameFormat.BytesPerPixel)
        {
            throw new ArgumentException($"No picture has the size {format.Size} with {format.StrideBytes} bytes a row.", nameof(format));
        }

        if (pixels.Length < (format.SizeBytes - format.StrideBytes) + (width * FrameFormat.BytesPerPixel))
        {
            throw new ArgumentException($"{pixels.Length} bytes are too few for {format.Size} with {format.StrideBytes} bytes a row.", nameof(pixels));
        }

        // libpng's simplified API knows no filler byte: without the fourth byte the file is a third smaller to compress.
        int packedStride = width * 3;
        byte[] packed = GC.AllocateUninitializedArray<byte>(packedStride * height);
        for (int y = 0; y < height; y++)
        {
            DropFourthByte(pixels.Slice(checked((int)((long)y * format.StrideBytes)), width * FrameFormat.BytesPerPixel), packed.AsSpan(y * packedStride, packedStride));
        }

        // Above what png.h computes as the largest file (PNG_IMAGE_PNG_SIZE_MAX: deflate grows data by at most 9/64 and 11 bytes,
        // then 12 bytes for each 8 KB chunk and 117 of header). Pages that the file does not reach are never touched.
        nuint data = (nuint)packed.Length + (nuint)height;
        nuint capacity = data + (data / 6) + 4096;
        void* memory = NativeMemory.Alloc(capacity);
        try
        {
            LibPng.png_image image = default;
            image.version = LibPng.PNG_IMAGE_VERSION;
            image.width = (uint)width;
            image.height = (uint)height;
            image.format = LibPng.PNG_FORMAT_BGR;
            image.flags = LibPng.PNG_IMAGE_FLAG_FAST;
            nuint sizeBytes = capacity;
            try
            {
                fixed (byte* source = packed)
                {
                    // SAFETY: source holds height rows of packedStride bytes and is pinned for the call; memory holds capacity bytes.
                    if (LibPng.png_image_write_to_memory(&image, memory, &sizeBytes, 0, source, packedStride, null) == 0)
                    {
                        throw new InvalidOperationException($"libpng could not write a picture of {format.Size}: {Message(&image)}");
                    }
                }
            }
            catch (DllNotFoundException missing)
            {
                throw Missing(missing);
            }

            // SAFETY: the library wrote sizeBytes bytes into memory, at most capacity.
            return new ReadOnlySpan<byte>(memory, checked((int)sizeBytes)).ToArray();
        }
        finally
        {
            NativeMemory.Free(memory);
        }
    }

    /// <summary>Writes a PNG file: beside it first, then in its place by renaming, so that a full disk leaves an older file
    /// as it was and no half one. A device or a pipe is written to directly.</summary>
    /// <param name="path">The file; an existing one is replaced, a symbolic link is followed.</param>
    /// <param name="pixels">See <see cref="Encode"/>.</param>
    /// <param name="format">See <see cref="Encode"/>.</param>
    /// <exception cref="IOException">It could not be written; the message names the path and the cause.</exception>
    /// <exception cref="DllNotFoundException">libpng is not installed; the message names the package.</exception>
    public static void Write(string path, ReadOnlySpan<byte> pixels, FrameFormat format)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] file = Encode(pixels, format);
        string? temporary = null;
        try
        {
            string target = (Path.Exists(path) ? File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName : null) ?? Path.GetFullPath(path);
            if (Directory.Exists(target))
            {
                throw new IOException("it is a folder");
            }

            // A renamed file would take the place of a device such as /dev/stdout.
            bool isDevice = target.StartsWith("/dev/", StringComparison.Ordinal) && File.Exists(target);
            if (!isDevice)
            {
                temporary = $"{target}.{Environment.ProcessId}-{Environment.CurrentManagedThreadId}.part";
            }

            using (FileStream stream = new(temporary ?? target, isDevice ? FileMode.Open : FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0))
            {
                stream.Write(file);
                stream.Flush(flushToDisk: !isDevice); // some file systems report a full disk only here
            }

            if (temporary is not null)
            {
                File.Move(temporary, target, overwrite: true);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Discard(temporary);
            throw new IOException($"Cannot write {path}: {Cause(failure)}", failure);
        }
    }

    /// <summary>Decodes a PNG file of any colour type. Every length is checked before memory is taken.</summary>
    /// <param name="file">The bytes; borrowed.</param>
    /// <param name="picture">The picture when <see cref="PngStatus.Decoded"/>, else null.</param>
    /// <param name="error">What libpng says is wrong, for people; empty when <see cref="PngStatus.Decoded"/>.</param>
    /// <exception cref="DllNotFoundException">libpng is not installed; the message names the package.</exception>
    public static PngStatus Decode(ReadOnlySpan<byte> file, out Picture? picture, out string error)
    {
        picture = null;
        if (!file.StartsWith(Signature))
        {
            error = "The bytes do not begin with the signature of a PNG.";
            return PngStatus.NotPng;
        }

        LibPng.png_image image = default;
        image.version = LibPng.PNG_IMAGE_VERSION;
        try
        {
            fixed (byte* source = file)
            {
                // SAFETY: source is pinned until finish_read or free, which both lie within this block.
                try
                {
                    if (LibPng.png_image_begin_read_from_memory(&image, source, (nuint)file.Length) == 0)
                    {
                        error = Message(&image);
                        return PngStatus.Corrupt;
                    }

                    if (image.width > FrameFormat.SidePixelsMax || image.height > FrameFormat.SidePixelsMax
                        || !FrameFormat.IsSupported(new((int)image.width, (int)image.height)))
                    {
                        error = $"The picture is {image.width}x{image.height}; the sides may be {FrameFormat.SidePixelsMax} pixels long and the area {FrameFormat.AreaPixelsMax}.";
                        return PngStatus.TooLarge;
                    }

                    FrameFormat format = FrameFormat.Packed(new((int)image.width, (int)image.height));
                    byte[] pixels = new byte[format.SizeBytes];
                    image.format = LibPng.PNG_FORMAT_BGRA;
                    fixed (byte* destination = pixels)
                    {
                        // SAFETY: destination holds height rows of StrideBytes bytes, pinned for the call.
                        if (LibPng.png_image_finish_read(&image, null, destination, format.StrideBytes, null) == 0)
                        {
                            error = Message(&image);
                            return PngStatus.Corrupt;
                        }
                    }

                    picture = new Picture(format, pixels);
                    error = "";
                    return PngStatus.Decoded;
                }
                finally
                {
                    LibPng.png_image_free(&image);
                }
            }
        }
        catch (DllNotFoundException missing)
        {
            throw Missing(missing);
        }
    }

    private static void DropFourthByte(ReadOnlySpan<byte> from, Span<byte> to)
    {
        for (int source = 0, target = 0; target < to.Length; source += 4, target += 3)
        {
            to[target] = from[source];
            to[target + 1] = from[source + 1];
            to[target + 2] = from[source + 2];
        }
    }

    // SAFETY: the library ends the text within its 64 bytes (png_safecat).
    private static string Message(LibPng.png_image* image) => Marshal.PtrToStringUTF8((nint)image->message) ?? "";

    private static DllNotFoundException Missing(DllNotFoundException missing) =>
        new($"{LibPng.Library} is missing: install the package {LibPng.Package}.", missing);

    private static void Discard(string? temporary)
    {
        try
        {
            if (temporary is not null)
            {
                File.Delete(temporary);
            }
        }
        catch (Exception second) when (second is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one to tell; the half file stays with its telling name.
        }
    }

    private static string Cause(Exception failure) => failure switch
    {
        UnauthorizedAccessException => "permission denied. Choose a folder that you may write to.",
        DirectoryNotFoundException => "the folder does not exist. Create it first.",
        _ when failure.HResult == NoSpace => "no space left on the device. Free some, or choose another folder.",
        _ => failure.Message,
    };
}
