using System.Globalization;
using System.Text.Json.Nodes;
using Vitrine.Frames;

namespace Vitrine.Wire.Tests;

/// <summary>Every parser and writer against the bytes spelled out in tests/vectors.</summary>
public sealed class VectorTests
{
    /// <summary>What one parse gave: status, fields in the form of the vectors, and the bytes that a writer makes of them.</summary>
    private readonly record struct Outcome(WireStatus Status, JsonObject? Fields, byte[]? Written);

    public static TheoryData<string> Files => new(Vectors.Files);

    [Theory]
    [MemberData(nameof(Files))]
    public void ValidVector_ReadAndWrittenByteByByte(string name)
    {
        JsonObject file = Vectors.Load(name);
        foreach (JsonObject vector in Vectors.All(file, "valid"))
        {
            byte[] bytes = Vectors.Bytes((string)vector["hex"]!);
            Outcome outcome = Parse((string)file["message"]!, bytes, vector);
            Assert.True(outcome.Status == WireStatus.Ok, $"{name}: {vector["name"]}: {outcome.Status}");
            JsonNode expected = Normalised(vector["fields"]!);
            Assert.True(JsonNode.DeepEquals(expected, outcome.Fields), $"{name}: {vector["name"]}: expected {expected.ToJsonString()}, got {outcome.Fields!.ToJsonString()}");
            if (vector["readOnly"] is null)
            {
                Assert.True(bytes.AsSpan().SequenceEqual(outcome.Written), $"{name}: {vector["name"]}: written as {Convert.ToHexString(outcome.Written!)}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void MalformedVector_HasItsOutcome(string name)
    {
        JsonObject file = Vectors.Load(name);
        foreach (JsonObject vector in Vectors.All(file, "malformed"))
        {
            Outcome outcome = Parse((string)file["message"]!, Vectors.Bytes((string)vector["hex"]!), vector);
            Assert.True(outcome.Status.ToString() == (string)vector["outcome"]!, $"{name}: {vector["name"]}: {outcome.Status}");
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void ValidVectorCutAnywhere_NeverOk(string name)
    {
        JsonObject file = Vectors.Load(name);
        foreach (JsonObject vector in Vectors.All(file, "valid"))
        {
            byte[] bytes = Vectors.Bytes((string)vector["hex"]!);
            for (int length = 0; length < Math.Min(bytes.Length, 600); length++)
            {
                Assert.NotEqual(WireStatus.Ok, Parse((string)file["message"]!, bytes[..length], vector).Status);
            }
        }
    }

    [Fact]
    public void EveryPacketType_HasVectors()
    {
        HashSet<int> types = [.. Vectors.Files.Select(file => Vectors.Load(file)["type"]).OfType<JsonNode>().Select(type => (int)type)];
        Assert.Equal(Enum.GetValues<PacketType>().Select(type => (int)type).Order(), types.Order());
    }

    private static Outcome Parse(string message, byte[] bytes, JsonObject vector)
    {
        switch (message)
        {
            case "PacketHeader":
            {
                WireStatus status = PacketHeader.TryRead(bytes, out PacketHeader header, (int?)vector["bound"] ?? PacketHeader.PayloadBytesMaxToViewer);
                byte[] written = new byte[PacketHeader.SizeBytes];
                header.Write(written);
                return new(status, new()
                {
                    ["type"] = (int)header.Type, ["flags"] = (int)header.Flags, ["stream"] = (int)header.Stream, ["payloadBytes"] = header.PayloadBytes,
                    ["sequence"] = header.Sequence, ["originNs"] = Text(header.OriginNs), ["sentNs"] = Text(header.SentNs),
                }, written);
            }

            case "Hello":
            {
                WireStatus status = HelloMessage.TryRead(bytes, out HelloMessage hello);
                return new(status, new()
                {
                    ["sessionId"] = hello.SessionId.ToString("N").ToUpperInvariant(), ["grants"] = (int)hello.Grants, ["name"] = hello.Name,
                }, Written(hello));
            }

            case "Topology":
            {
                WireStatus status = TopologyMessage.TryRead(bytes, out TopologyMessage? topology);
                return topology is null ? new(status, null, null) : new(status, new()
                {
                    ["generation"] = topology.Generation, ["state"] = (int)topology.State, ["selected"] = (int)topology.Selected,
                    ["width"] = topology.Size.Width, ["height"] = topology.Size.Height, ["source"] = topology.Source,
                    ["monitors"] = new JsonArray([.. topology.Monitors.Select(monitor => new JsonObject
                    {
                        ["x"] = monitor.Bounds.X, ["y"] = monitor.Bounds.Y, ["width"] = monitor.Bounds.Width, ["height"] = monitor.Bounds.Height,
                        ["scaleMilli"] = monitor.ScaleMilli, ["rotationDegrees"] = monitor.RotationDegrees, ["primary"] = monitor.IsPrimary, ["name"] = monitor.Name,
                    })]),
                }, Written(topology));
            }

            case "Tiles":
                return ParseTiles(bytes, Vectors.Picture(vector));

            case "Copy":
                return ParseCopy(bytes, Vectors.Picture(vector));

            case "CursorShape":
            {
                WireStatus status = CursorShapeMessage.TryRead(bytes, out CursorShapeMessage shape);
                return new(status, new()
                {
                    ["width"] = shape.Width, ["height"] = shape.Height, ["hotspotX"] = shape.HotspotX, ["hotspotY"] = shape.HotspotY,
                    ["pixels"] = Convert.ToHexString(shape.Pixels),
                }, Written(shape));
            }

            case "CursorPosition":
            {
                WireStatus status = CursorPositionMessage.TryRead(bytes, out CursorPositionMessage position);
                return new(status, new() { ["x"] = position.X, ["y"] = position.Y }, Written(position));
            }

            case "ClockReply":
            {
                WireStatus status = ClockReply.TryRead(bytes, out ClockReply reply);
                return new(status, new()
                {
                    ["requestSentNs"] = Text(reply.RequestSentNs), ["requestReceivedNs"] = Text(reply.RequestReceivedNs), ["replySentNs"] = Text(reply.ReplySentNs),
                }, Written(reply));
            }

            case "Statistics":
            {
                WireStatus status = StatisticsMessage.TryRead(bytes, out StatisticsMessage statistics);
                return new(status, new()
                {
                    ["viewers"] = statistics.Viewers, ["framesPerSecondMilli"] = statistics.FramesPerSecondMilli,
                    ["bytesSent"] = statistics.BytesSent.ToString(CultureInfo.InvariantCulture), ["framesMerged"] = statistics.FramesMerged.ToString(CultureInfo.InvariantCulture),
                    ["hostCpuMilli"] = statistics.HostCpuMilli,
                }, Written(statistics));
            }

            case "Goodbye":
            {
                WireStatus status = Goodbye.TryRead(bytes, out Goodbye goodbye);
                return new(status, new() { ["reason"] = (int)goodbye.Reason, ["text"] = goodbye.Text }, Written(goodbye));
            }

            case "ViewerHello":
            {
                WireStatus status = ViewerHello.TryRead(bytes, out ViewerHello hello);
                return new(status, new() { ["capabilities"] = (int)hello.Capabilities, ["name"] = hello.Name }, Written(hello));
            }

            case "Presented":
            {
                WireStatus status = Presented.TryRead(bytes, out Presented presented);
                return new(status, new()
                {
                    ["receivedNs"] = Text(presented.ReceivedNs), ["decodedNs"] = Text(presented.DecodedNs), ["presentedNs"] = Text(presented.PresentedNs),
                }, Written(presented));
            }

            case "ClockRequest":
            {
                WireStatus status = ClockRequest.TryRead(bytes, out ClockRequest request);
                return new(status, new() { ["requestSentNs"] = Text(request.RequestSentNs) }, Written(request));
            }

            case "Select":
            {
                WireStatus status = Select.TryRead(bytes, out Select select);
                return new(status, new() { ["monitor"] = (int)select.Monitor }, Written(select));
            }

            case "Refresh":
            {
                WireStatus status = Refresh.TryRead(bytes, out Refresh refresh);
                return new(status, [], Written(refresh));
            }

            case "Regions":
                return ParseRegions(bytes, Vectors.Picture(vector));

            case "Video":
            {
                WireStatus status = VideoPacket.TryRead(bytes, Vectors.Picture(vector), out VideoPacket packet);
                if (status != WireStatus.Ok)
                {
                    return new(status, null, null);
                }

                VideoHead head = packet.Head;
                FramePrefix prefix = packet.Prefix;
                byte[] written = new byte[VideoPacket.HeadBytes + packet.Data.Length];
                VideoPacket.Write(written, prefix.Generation, prefix.CapturedAfterNs, prefix.EncodedAfterNs, head, packet.Data);
                return new(status, new()
                {
                    ["generation"] = prefix.Generation, ["capturedAfterNs"] = prefix.CapturedAfterNs, ["encodedAfterNs"] = prefix.EncodedAfterNs,
                    ["region"] = (int)head.Region, ["codec"] = (int)head.Codec, ["flags"] = (int)head.Flags, ["stream"] = head.Stream, ["number"] = head.Number,
                    ["codedWidth"] = head.CodedSize.Width, ["codedHeight"] = head.CodedSize.Height, ["x"] = head.Bounds.X, ["y"] = head.Bounds.Y,
                    ["width"] = head.Bounds.Width, ["height"] = head.Bounds.Height, ["data"] = Convert.ToHexString(packet.Data),
                }, written);
            }

            case "KeyFrame":
            {
                WireStatus status = KeyFrameRequest.TryRead(bytes, out KeyFrameRequest request);
                return new(status, new() { ["region"] = (int)request.Region, ["reason"] = (int)request.Reason }, Written(request));
            }

            case "Capabilities":
            {
                WireStatus status = CapabilitiesMessage.TryRead(bytes, out CapabilitiesMessage capabilities);
                return new(status, new() { ["capabilities"] = (int)capabilities.Capabilities }, Written(capabilities));
            }

            default:
                throw new InvalidOperationException($"No parser for the vectors of {message}.");
        }
    }

    private static Outcome ParseTiles(byte[] bytes, DeviceSize picture)
    {
        if (TilesReader.TryRead(bytes, picture, out TilesReader reader) is not WireStatus.Ok and var status)
        {
            return new(status, null, null);
        }

        JsonArray tiles = [];
        byte[] written = new byte[bytes.Length];
        TilesWriter writer = new(written);
        while (reader.TryReadNext(out TileRecord tile))
        {
            tiles.Add(new JsonObject
            {
                ["column"] = tile.Column, ["row"] = tile.Row, ["encoding"] = (int)tile.Encoding,
                ["x"] = tile.Bounds.X, ["y"] = tile.Bounds.Y, ["width"] = tile.Bounds.Width, ["height"] = tile.Bounds.Height,
                ["data"] = Convert.ToHexString(tile.Data),
            });
            Assert.True(writer.TryAdd(tile.Column, tile.Row, tile.Encoding, tile.Data));
        }

        writer.Finish(reader.Prefix.Generation, reader.Prefix.CapturedAfterNs, reader.Prefix.EncodedAfterNs);
        return new(reader.Status, new()
        {
            ["generation"] = reader.Prefix.Generation, ["capturedAfterNs"] = reader.Prefix.CapturedAfterNs, ["encodedAfterNs"] = reader.Prefix.EncodedAfterNs,
            ["tiles"] = tiles,
        }, written);
    }

    private static Outcome ParseCopy(byte[] bytes, DeviceSize picture)
    {
        if (CopyReader.TryRead(bytes, picture, out CopyReader reader) is not WireStatus.Ok and var status)
        {
            return new(status, null, null);
        }

        FramePrefix prefix = reader.Prefix;
        List<CopyRecord> copies = [];
        while (reader.TryReadNext(out CopyRecord copy))
        {
            copies.Add(copy);
        }

        byte[] written = new byte[CopyWriter.SizeBytes(copies.Count)];
        CopyWriter.Write(written, prefix.Generation, prefix.CapturedAfterNs, prefix.EncodedAfterNs, [.. copies]);
        return new(WireStatus.Ok, new()
        {
            ["generation"] = prefix.Generation, ["capturedAfterNs"] = prefix.CapturedAfterNs, ["encodedAfterNs"] = prefix.EncodedAfterNs,
            ["copies"] = new JsonArray([.. copies.Select(copy => new JsonObject
            {
                ["sourceX"] = copy.Source.X, ["sourceY"] = copy.Source.Y, ["width"] = copy.Source.Width, ["height"] = copy.Source.Height,
                ["destinationX"] = copy.Destination.X, ["destinationY"] = copy.Destination.Y,
            })]),
        }, written);
    }

    private static Outcome ParseRegions(byte[] bytes, DeviceSize picture)
    {
        if (RegionsReader.TryRead(bytes, picture, out RegionsReader reader) is not WireStatus.Ok and var status)
        {
            return new(status, null, null);
        }

        JsonArray regions = [];
        byte[] written = new byte[RegionsWriter.SizeBytesMax(picture)];
        RegionsWriter writer = new(written);
        while (reader.TryReadNext(out RegionRecord region))
        {
            regions.Add(new JsonObject
            {
                ["region"] = (int)region.Region, ["x"] = region.Bounds.X, ["y"] = region.Bounds.Y, ["width"] = region.Bounds.Width, ["height"] = region.Bounds.Height,
                ["cover"] = Convert.ToHexString(region.Cover),
            });
            writer.Add(region);
        }

        int length = writer.Finish(reader.Prefix.Generation, reader.Prefix.CapturedAfterNs, reader.Prefix.EncodedAfterNs);
        return new(WireStatus.Ok, new()
        {
            ["generation"] = reader.Prefix.Generation, ["capturedAfterNs"] = reader.Prefix.CapturedAfterNs, ["encodedAfterNs"] = reader.Prefix.EncodedAfterNs,
            ["regions"] = regions,
        }, written[..length]);
    }

    private static byte[] Written<T>(in T message)
        where T : IWireMessage, allows ref struct
    {
        byte[] bytes = new byte[message.SizeBytesMax];
        return bytes[..message.Write(bytes)];
    }

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>The expected fields with byte strings spelled out, and numbers as a parsed document has them.</summary>
    private static JsonNode Normalised(JsonNode fields)
    {
        JsonNode copy = fields.DeepClone();
        Expand(copy);
        return copy;

        static void Expand(JsonNode? node)
        {
            if (node is JsonArray array)
            {
                foreach (JsonNode? item in array)
                {
                    Expand(item);
                }
            }
            else if (node is JsonObject fields)
            {
                foreach ((string key, JsonNode? value) in fields.ToArray())
                {
                    if (key is "sessionId" or "data" or "pixels" or "cover")
                    {
                        fields[key] = Convert.ToHexString(Vectors.Bytes((string)value!));
                    }
                    else
                    {
                        Expand(value);
                    }
                }
            }
        }
    }
}
