using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Vitrine.Lab.Peers;

namespace Vitrine.Lab.Tests.Peers;

public sealed class RfbClientTests
{
    private const int Width = 8, Height = 4, Tight = 7, CopyRectangle = 1, Cursor = -239;

    [Fact]
    public async Task RawRectangle_IsThePicture()
    {
        uint[] pixels = Gradient();
        Assert.Equal(pixels, await LastPictureAsync(Update(Rectangle(0, 0, Width, Height, 0, Raw(pixels)))));
    }

    [Theory]
    [InlineData(0, 0, 2, 1)]
    [InlineData(2, 1, 0, 0)]
    [InlineData(0, 0, 2, 0)]
    [InlineData(2, 0, 0, 0)]
    public async Task CopyOntoItself_MovesWhatWasThere(int fromX, int fromY, int toX, int toY)
    {
        uint[] pixels = Gradient(), expected = Gradient();
        for (int y = 0; y < 3; y++)
        {
            pixels.AsSpan(((fromY + y) * Width) + fromX, 6).CopyTo(expected.AsSpan(((toY + y) * Width) + toX));
        }

        byte[] place = [0, (byte)fromX, 0, (byte)fromY];
        Assert.Equal(expected, await LastPictureAsync(Update(
            Rectangle(0, 0, Width, Height, 0, Raw(pixels)), Rectangle(toX, toY, 6, 3, CopyRectangle, place))));
    }

    [Fact]
    public async Task TightFill_IsOneColour()
    {
        uint[] expected = Gradient();
        expected.AsSpan((1 * Width) + 6, 2).Fill(0x0A0B0C);
        Assert.Equal(expected, await LastPictureAsync(Update(
            Rectangle(0, 0, Width, Height, 0, Raw(Gradient())), Rectangle(6, 1, 2, 1, Tight, [0x80, 0x0A, 0x0B, 0x0C]))));
    }

    [Fact]
    public async Task TightPalette_IndexesAreBitsForTwoColoursAndBytesForMore()
    {
        uint[] expected = new uint[Width * Height];
        expected.AsSpan().Fill(0x0000FF);
        (expected[0], expected[9]) = (0x00FF00, 0x00FF00);
        (expected[30], expected[31]) = (3, 1);
        byte[] two = [0x40, 1, 1, 0, 0, 0xFF, 0, 0xFF, 0, 0b1000_0000, 0b0100_0000, 0, 0];
        byte[] three = [0x40, 1, 2, 0, 0, 1, 0, 0, 2, 0, 0, 3, 2, 0];
        Assert.Equal(expected, await LastPictureAsync(Update(
            Rectangle(0, 0, Width, Height, Tight, two), Rectangle(6, 3, 2, 1, Tight, three))));
    }

    [Fact]
    public async Task TightStream_GoesOnFromRectangleToRectangle()
    {
        uint[] first = Gradient(), second = [.. Gradient().Reverse()];
        using var compressed = new MemoryStream();
        using var zlib = new ZLibStream(compressed, CompressionLevel.Fastest);
        Assert.Equal(second, await LastPictureAsync(Update(
            Rectangle(0, 0, Width, Height, Tight, Deflated(first)), Rectangle(0, 0, Width, Height, Tight, Deflated(second)))));

        byte[] Deflated(uint[] pixels)
        {
            long from = compressed.Length;
            zlib.Write([.. pixels.SelectMany(pixel => new[] { (byte)(pixel >> 16), (byte)(pixel >> 8), (byte)pixel })]);
            zlib.Flush();
            byte[] part = compressed.ToArray()[(int)from..];
            Assert.InRange(part.Length, 1, 127); // a length of one byte
            return [0x00, (byte)part.Length, .. part];
        }
    }

    [Fact]
    public async Task CursorShape_IsNotInThePicture()
    {
        byte[] shape = [.. Enumerable.Repeat((byte)0xFF, (2 * 2 * 4) + 2)];
        Assert.Equal(Gradient(), await LastPictureAsync(Update(
            Rectangle(0, 0, Width, Height, 0, Raw(Gradient())), Rectangle(1, 1, 2, 2, Cursor, shape))));
    }

    [Theory]
    [InlineData("outside its screen", 7, 0, 2, 1, 0)]
    [InlineData("outside its screen", 0, 0, 0, 1, 0)]
    [InlineData("from outside", 0, 0, 8, 1, CopyRectangle)]
    [InlineData("unknown Tight", 0, 0, 1, 1, Tight)]
    [InlineData("a length of", 0, 0, 4000, 4000, Cursor)]
    [InlineData("encoding 5", 0, 0, 1, 1, 5)]
    public async Task WhatNoServerShouldSend_IsSaidInWords(string words, int x, int y, int width, int height, int encoding)
    {
        // The bytes that follow are where to copy from, and a JPEG that was not asked for.
        LaboratoryException exception = await Assert.ThrowsAsync<LaboratoryException>(
            () => RunAsync(Session(Update(Rectangle(x, y, width, height, encoding, [0x90, 1, 0x90, 1]))), null, _ => { }));
        Assert.Contains(words, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HugeScreen_IsRefusedBeforeMemoryIsTaken()
    {
        byte[] session = Session([]);
        session.AsSpan(18, 4).Fill(0xFF);
        IOException exception = await Assert.ThrowsAsync<IOException>(() => RunAsync(session, null, _ => { }));
        Assert.Contains("65535x65535", exception.Message, StringComparison.Ordinal);
    }

    /// <summary>Changed bytes of updates, JPEG among them. VITRINE_FUZZ_SECONDS makes it longer.</summary>
    [Fact]
    public async Task Fuzz_PictureOrWords()
    {
        double seconds = double.TryParse(Environment.GetEnvironmentVariable("VITRINE_FUZZ_SECONDS"), CultureInfo.InvariantCulture, out double asked) ? asked : 1;
        var random = new Random(21);
        byte[] palette = [0x40, 1, 1, 0, 0, 0xFF, 0, 0xFF, 0, 0b1000_0000, 0b0100_0000, 0, 0];
        byte[] good = Session(Update(
            Rectangle(0, 0, Width, Height, 0, Raw(Gradient())), Rectangle(2, 1, 6, 3, CopyRectangle, [0, 0, 0, 0]),
            Rectangle(6, 1, 2, 1, Tight, [0x80, 0x0A, 0x0B, 0x0C]), Rectangle(0, 0, Width, Height, Tight, palette),
            Rectangle(1, 1, 2, 2, Cursor, new byte[18]), Rectangle(0, 0, Width, Height, Tight, [0x90, 4, 0xFF, 0xD8, 0xFF, 0xD9])));
        int head = Session([]).Length;
        long started = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(started).TotalSeconds < seconds)
        {
            byte[] session = [.. good];
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                session[random.Next(head, session.Length)] = (byte)random.Next(256);
            }

            await Assert.ThrowsAsync<LaboratoryException>(() => RunAsync(session[..random.Next(head, session.Length + 1)], 8, _ => { }));
        }
    }

    private static async Task<uint[]> LastPictureAsync(byte[] update)
    {
        uint[] last = [];
        // It says that the server left.
        await Assert.ThrowsAsync<LaboratoryException>(() => RunAsync(Session(update), null, picture => last = picture));
        return last;
    }

    // A server that says everything at once, whatever it is asked.
    private static async Task RunAsync(byte[] session, int? jpegQuality, Action<uint[]> onPicture)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Task serving = ServeAsync();
        try
        {
            using var client = new RfbClient(TimeProvider.System)
            {
                JpegQuality = jpegQuality,
                UpdateDecoded = (read, _) => read((pixels, size) =>
                {
                    Assert.Equal((Width, Height), (size.Width, size.Height));
                    onPicture([.. MemoryMarshal.Cast<byte, uint>(pixels).ToArray().Select(pixel => pixel & 0xFFFFFF)]);
                }),
            };
            await Task.Run(() =>
            {
                client.Connect(((IPEndPoint)listener.LocalEndpoint).Port);
                client.Run();
            });
        }
        finally
        {
            await serving;
        }

        async Task ServeAsync()
        {
            using Socket socket = await listener.AcceptSocketAsync();
            try
            {
                await socket.SendAsync(session);
                socket.Shutdown(SocketShutdown.Send);
                byte[] unread = new byte[1024];
                while (await socket.ReceiveAsync(unread) > 0)
                {
                }
            }
            catch (SocketException)
            {
                // The client left before it had read everything.
            }
        }
    }

    private static byte[] Session(byte[] messages)
    {
        byte[] name = "test"u8.ToArray();
        return [.. "RFB 003.008\n"u8, 1, 1, 0, 0, 0, 0, 0, Width, 0, Height, .. new byte[16], 0, 0, 0, (byte)name.Length, .. name, .. messages];
    }

    private static byte[] Update(params byte[][] rectangles) => [0, 0, 0, (byte)rectangles.Length, .. rectangles.SelectMany(bytes => bytes)];

    private static byte[] Rectangle(int x, int y, int width, int height, int encoding, byte[] data)
    {
        byte[] head = new byte[12];
        BinaryPrimitives.WriteUInt16BigEndian(head, (ushort)x);
        BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(2), (ushort)y);
        BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(4), (ushort)width);
        BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(6), (ushort)height);
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(8), encoding);
        return [.. head, .. data];
    }

    private static uint[] Gradient() => [.. Enumerable.Range(0, Width * Height).Select(i => (uint)(0x102030 + (i * 0x010203)))];

    private static byte[] Raw(uint[] pixels) => [.. pixels.SelectMany(pixel => new[] { (byte)pixel, (byte)(pixel >> 8), (byte)(pixel >> 16), (byte)0 })];
}
