import * as limits from './limits';
import {
  type Copy, type CopyRectangle, type CursorShape, type Goodbye, type Header, type Hello, type HostMessage, type Message,
  type Monitor, PacketType, type Parsed, type Region, type Regions, type Tile, TileEncoding, type Tiles, type Topology, type Video,
  VideoFlag, type ViewerMessage,
} from './messages';
import { Reader } from './reader';

const malformed = (why: string): { kind: 'malformed'; why: string } => ({ kind: 'malformed', why });

/** The picture that tiles, copies and regions must lie in. */
export interface PictureBounds {
  readonly generation: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Parses one packet from the host: one binary message of the WebSocket. Borrows `bytes`. Tiles, copies and regions of the
 * given picture's generation are held to its size; others are to be skipped, and only their form is checked.
 */
export function parseHostPacket(bytes: Uint8Array, picture?: PictureBounds): Parsed<HostMessage> {
  return parsePacket(bytes, limits.hostPayloadBytesMax, (type, payload) => parseHostMessage(type, payload, picture));
}

/** Parses one packet from a viewer. Borrows `bytes`. */
export function parseViewerPacket(bytes: Uint8Array): Parsed<ViewerMessage> {
  return parsePacket(bytes, limits.viewerPayloadBytesMax, parseViewerMessage);
}

type MessageParser<T> = (type: number, payload: Uint8Array) => T | undefined | string;

export type ParsedHeader =
  | { readonly kind: 'ok'; readonly header: Header }
  /** Fewer than 32 bytes. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'otherVersion'; readonly version: number }
  | { readonly kind: 'malformed'; readonly why: string };

/** Parses the first 32 bytes. What follows them is not looked at. */
export function parseHeader(bytes: Uint8Array, payloadBytesMax: number): ParsedHeader {
  if (bytes.length < limits.headerBytes) return { kind: 'incomplete' };
  const reader = new Reader(bytes.subarray(0, limits.headerBytes));
  if (reader.u8() !== 0x56 || reader.u8() !== 0x54) return malformed('not a Vitrine packet');
  // The version comes before everything that another version could mean differently.
  const version = reader.u8();
  if (version !== limits.version) return { kind: 'otherVersion', version };
  const header: Header = {
    type: reader.u8(),
    flags: reader.u16(),
    stream: reader.u16(),
    payloadBytes: reader.u32(),
    sequence: reader.u32(),
    originNs: reader.i64(),
    sentNs: reader.i64(),
  };
  return header.payloadBytes > payloadBytesMax ? malformed('payload above its bound') : { kind: 'ok', header };
}

function parsePacket<T extends Message>(bytes: Uint8Array, payloadBytesMax: number, parse: MessageParser<T>): Parsed<T> {
  const head = parseHeader(bytes, payloadBytesMax);
  if (head.kind === 'incomplete') return malformed('shorter than a header');
  if (head.kind !== 'ok') return head;
  const { header } = head;
  const payload = bytes.subarray(limits.headerBytes);
  if (header.payloadBytes !== payload.length) return malformed('payload length differs from the message');
  const message = parse(header.type, payload);
  if (message === undefined) return { kind: 'unknown', header };
  if (typeof message === 'string') return malformed(message);
  return { kind: 'ok', header, message };
}

/** A message, undefined for an unknown type, or what is wrong. */
function parseHostMessage(type: number, payload: Uint8Array, picture: PictureBounds | undefined): HostMessage | undefined | string {
  const reader = new Reader(payload);
  switch (type) {
    case PacketType.Hello: return parseHello(reader);
    case PacketType.Topology: return parseTopology(reader);
    case PacketType.Tiles: return parseTiles(reader, picture);
    case PacketType.Copy: return parseCopy(reader, picture);
    case PacketType.CursorShape: return parseCursorShape(reader);
    case PacketType.CursorPosition:
      return whole(reader, 'CursorPosition', { type, x: reader.i32(), y: reader.i32() });
    case PacketType.ClockReply:
      return whole(reader, 'ClockReply', {
        type, requestSentNs: reader.i64(), requestReceivedNs: reader.i64(), replySentNs: reader.i64(),
      });
    case PacketType.Statistics: {
      const statistics = {
        type,
        viewers: reader.u32(),
        framesPerSecondMilli: reader.u32(),
        bytesSent: reader.u64(),
        framesMerged: reader.u64(),
        hostCpuMilli: reader.u32(),
      };
      reader.skip(4);
      return whole(reader, 'Statistics', statistics);
    }
    case PacketType.Goodbye: return parseGoodbye(reader);
    case PacketType.Regions: return parseRegions(reader, picture);
    case PacketType.Video: return parseVideo(reader, picture);
    default: return undefined;
  }
}

function parseViewerMessage(type: number, payload: Uint8Array): ViewerMessage | undefined | string {
  const reader = new Reader(payload);
  switch (type) {
    case PacketType.ViewerHello:
      return whole(reader, 'ViewerHello', {
        type, capabilities: reader.u16(), name: reader.string(limits.viewerNameBytesMax),
      });
    case PacketType.Presented:
      return whole(reader, 'Presented', {
        type, receivedNs: reader.i64(), decodedNs: reader.i64(), presentedNs: reader.i64(),
      });
    case PacketType.ClockRequest: return whole(reader, 'ClockRequest', { type, requestSentNs: reader.i64() });
    case PacketType.Select: return whole(reader, 'Select', { type, monitor: reader.u16() });
    case PacketType.Refresh: return whole(reader, 'Refresh', { type });
    case PacketType.KeyFrame: return whole(reader, 'KeyFrame', { type, region: reader.u16(), reason: reader.u16() });
    case PacketType.Capabilities: return whole(reader, 'Capabilities', { type, capabilities: reader.u16() });
    case PacketType.Goodbye: return parseGoodbye(reader);
    default: return undefined;
  }
}

/** The message, if its fields were all there and nothing follows them. */
function whole<T extends Message>(reader: Reader, name: string, message: T): T | string {
  if (reader.failed) return `${name} is cut short or a string in it is not valid`;
  return reader.left === 0 ? message : `${name} has bytes behind its end`;
}

function parseHello(reader: Reader): Hello | string {
  const sessionId = reader.bytes(limits.sessionIdBytes).slice();
  const grants = reader.u8() & 7;
  reader.skip(3);
  return whole(reader, 'Hello', { type: PacketType.Hello, sessionId, grants, name: reader.string(limits.hostNameBytesMax) });
}

function parseTopology(reader: Reader): Topology | string {
  const generation = reader.u32();
  const state = reader.u8();
  const monitorCount = reader.u8();
  const selected = reader.u16();
  const width = reader.u16();
  const height = reader.u16();
  const source = reader.string(limits.sourceNameBytesMax);
  if (reader.failed) return 'Topology is cut short or a string in it is not valid';
  if (state > 3) return 'Topology has an unknown state';
  if (monitorCount > limits.monitorsMax) return 'Topology has too many monitors';
  if (selected !== limits.wholePicture && selected >= monitorCount) return 'Topology selects a monitor it does not have';
  if (width > limits.sideMax || height > limits.sideMax || width * height > limits.pixelsMax) return 'Topology is too large';
  const isEmpty = width === 0 && height === 0;
  if ((width === 0 || height === 0) && !(isEmpty && (state === 1 || state === 3))) return 'Topology without a picture';
  const monitors: Monitor[] = [];
  for (let i = 0; i < monitorCount; i++) {
    const x = reader.i32();
    const y = reader.i32();
    const monitorWidth = reader.u32();
    const monitorHeight = reader.u32();
    const scaleMilli = reader.u32();
    const rotationDegrees = reader.u16();
    const flags = reader.u16();
    const name = reader.string(limits.monitorNameBytesMax);
    if (reader.failed) break;
    if (rotationDegrees % 90 !== 0 || rotationDegrees > 270) return 'Topology has a monitor turned by an odd angle';
    if (monitorWidth < 1 || monitorWidth > limits.sideMax || monitorHeight < 1 || monitorHeight > limits.sideMax
      || Math.abs(x) > limits.sideMax || Math.abs(y) > limits.sideMax || scaleMilli < 1) {
      return 'Topology has a monitor of an impossible size or place';
    }
    monitors.push({
      x, y, width: monitorWidth, height: monitorHeight, scaleMilli, rotationDegrees, primary: (flags & 1) !== 0, name,
    });
  }
  return whole(reader, 'Topology', {
    type: PacketType.Topology, generation, state, selected, width, height, source, monitors,
  });
}

function parseTiles(reader: Reader, picture: PictureBounds | undefined): Tiles | string {
  const generation = reader.u32();
  const capturedAfterNs = reader.u32();
  const encodedAfterNs = reader.u32();
  const tileCount = reader.u32();
  if (tileCount > limits.tilesMax) return 'Tiles has too many tiles';
  const bounds = picture?.generation === generation ? picture : undefined;
  // The smallest tile takes 9 bytes: a count that cannot be true is refused before anything is allocated for it.
  if (tileCount * 9 > reader.left) return 'Tiles is cut short';
  const tiles: Tile[] = [];
  for (let i = 0; i < tileCount; i++) {
    const column = reader.u16();
    const row = reader.u16();
    const encoding = reader.u8();
    reader.skip(1);
    const dataBytes = reader.u16();
    const data = reader.bytes(dataBytes);
    if (reader.failed) break;
    const width = bounds ? Math.min(limits.tileSide, bounds.width - column * limits.tileSide) : limits.tileSide;
    const height = bounds ? Math.min(limits.tileSide, bounds.height - row * limits.tileSide) : limits.tileSide;
    if (width <= 0 || height <= 0) return 'Tiles has a tile outside the picture';
    if (encoding === TileEncoding.Solid) {
      if (dataBytes !== 4) return 'Tiles has a solid tile that is not one pixel';
    } else if (encoding === TileEncoding.Raw) {
      const isRight = bounds ? dataBytes === width * height * 4 : dataBytes > 0 && dataBytes % 4 === 0 && dataBytes <= limits.tileBytesMax;
      if (!isRight) return 'Tiles has a raw tile of a wrong length';
    } else if (encoding === TileEncoding.Lz4) {
      if (dataBytes === 0 || dataBytes > limits.tileBytesMax) return 'Tiles has an LZ4 tile of a wrong length';
    } else if (encoding === TileEncoding.Indexed) {
      const wrong = checkIndexed(data, bounds ? indexedPlaneBytes(width, height, data[0]) : undefined);
      if (wrong !== undefined) return wrong;
    } else {
      return 'Tiles has an unknown encoding';
    }
    tiles.push({ column, row, encoding, data });
  }
  return whole(reader, 'Tiles', { type: PacketType.Tiles, generation, capturedAfterNs, encodedAfterNs, tiles });
}

/** Bytes of the plane of indices: 1, 2 or 4 bits a pixel, rows begin at whole bytes. */
export function indexedPlaneBytes(width: number, height: number, colourCount: number): number {
  const bits = colourCount <= 2 ? 1 : colourCount <= 4 ? 2 : 4;
  return Math.ceil((width * bits) / 8) * height;
}

function checkIndexed(data: Uint8Array, planeBytes: number | undefined): string | undefined {
  if (data.length < 2 || data[0] < 2 || data[0] > limits.indexedColoursMax) return 'Tiles has an indexed tile with a wrong number of colours';
  const left = data.length - 2 - data[0] * 4;
  if (data[1] > 1) return 'Tiles has an indexed tile of an unknown packing';
  const isRight = data[1] === 1 || planeBytes === undefined
    ? left >= 1 && data.length <= limits.tileBytesMax
    : left === planeBytes;
  return isRight ? undefined : 'Tiles has an indexed tile of a wrong length';
}

function parseCopy(reader: Reader, picture: PictureBounds | undefined): Copy | string {
  const generation = reader.u32();
  const capturedAfterNs = reader.u32();
  const encodedAfterNs = reader.u32();
  const copyCount = reader.u32();
  if (copyCount < 1 || copyCount > limits.copiesMax) return 'Copy has a wrong number of rectangles';
  if (copyCount * 12 !== reader.left) return 'Copy is cut short or has bytes behind its end';
  const bounds = picture?.generation === generation ? picture : undefined;
  const copies: CopyRectangle[] = [];
  for (let i = 0; i < copyCount; i++) {
    const rectangle = {
      sourceX: reader.u16(),
      sourceY: reader.u16(),
      width: reader.u16(),
      height: reader.u16(),
      destinationX: reader.u16(),
      destinationY: reader.u16(),
    };
    if (rectangle.width === 0 || rectangle.height === 0) return 'Copy has an empty rectangle';
    if (bounds
      && (Math.max(rectangle.sourceX, rectangle.destinationX) + rectangle.width > bounds.width
        || Math.max(rectangle.sourceY, rectangle.destinationY) + rectangle.height > bounds.height)) {
      return 'Copy has a rectangle outside the picture';
    }
    copies.push(rectangle);
  }
  return whole(reader, 'Copy', { type: PacketType.Copy, generation, capturedAfterNs, encodedAfterNs, copies });
}

/** Whether an even rectangle of a region's size lies within the picture, where that is known. */
function isRegionRectangle(x: number, y: number, width: number, height: number, bounds: PictureBounds | undefined): boolean {
  return ((x | y | width | height) & 1) === 0 && width >= limits.regionSideMin && height >= limits.regionSideMin
    && (!bounds || (x + width <= bounds.width && y + height <= bounds.height));
}

function parseRegions(reader: Reader, picture: PictureBounds | undefined): Regions | string {
  const generation = reader.u32();
  const capturedAfterNs = reader.u32();
  const encodedAfterNs = reader.u32();
  const regionCount = reader.u32();
  if (regionCount > limits.regionsMax) return 'Regions has too many regions';
  const bounds = picture?.generation === generation ? picture : undefined;
  const regions: Region[] = [];
  for (let i = 0; i < regionCount; i++) {
    const region = reader.u16();
    const x = reader.u16();
    const y = reader.u16();
    const width = reader.u16();
    const height = reader.u16();
    const cover = reader.bytes(reader.u16());
    if (reader.failed) break;
    if (!isRegionRectangle(x, y, width, height, bounds)) return 'Regions has a region of an impossible size or place';
    const side = limits.tileSide;
    const columns = Math.ceil((x + width) / side) - Math.floor(x / side);
    const rows = Math.ceil((y + height) / side) - Math.floor(y / side);
    if (cover.length !== Math.ceil(columns * rows / 8)) return 'Regions has a cover of a wrong length';
    if (cover[cover.length - 1] >>> ((columns * rows - 1) % 8 + 1) !== 0) return 'Regions covers more tiles than its region has';
    for (const other of regions) {
      if (other.region === region) return 'Regions has a region twice';
      if (x < other.x + other.width && other.x < x + width && y < other.y + other.height && other.y < y + height) {
        return 'Regions has regions that overlap';
      }
    }
    regions.push({ region, x, y, width, height, cover });
  }
  return whole(reader, 'Regions', { type: PacketType.Regions, generation, capturedAfterNs, encodedAfterNs, regions });
}

function parseVideo(reader: Reader, picture: PictureBounds | undefined): Video | string {
  const generation = reader.u32();
  const capturedAfterNs = reader.u32();
  const encodedAfterNs = reader.u32();
  const dataBytes = reader.u32();
  const head = {
    region: reader.u16(),
    codec: reader.u8(),
    flags: reader.u8(),
    stream: reader.u32(),
    number: reader.u32(),
    codedWidth: reader.u16(),
    codedHeight: reader.u16(),
    x: reader.u16(),
    y: reader.u16(),
    width: reader.u16(),
    height: reader.u16(),
  };
  if (reader.failed || dataBytes < 1 || dataBytes > limits.videoDataBytesMax || dataBytes !== reader.left) return 'Video has a wrong length';
  const { codedWidth, codedHeight, x, y, width, height } = head;
  if (head.number === 0) return 'Video has an access unit without a number';
  if (!isRegionRectangle(x, y, width, height, picture?.generation === generation ? picture : undefined)) {
    return 'Video has a rectangle of an impossible size or place';
  }
  // Even sides: their half needs no rounding.
  const divisor = (head.flags & VideoFlag.HalfSize) === 0 ? 1 : 2;
  if (((codedWidth | codedHeight) & 1) !== 0 || Math.min(codedWidth, codedHeight) < limits.regionSideMin
    || Math.max(codedWidth, codedHeight) > limits.codedSideMax || width / divisor > codedWidth || height / divisor > codedHeight) {
    return 'Video is of an impossible size';
  }
  return whole(reader, 'Video', {
    type: PacketType.Video, generation, capturedAfterNs, encodedAfterNs, ...head, data: reader.bytes(dataBytes),
  });
}

function parseCursorShape(reader: Reader): CursorShape | string {
  const width = reader.u16();
  const height = reader.u16();
  const hotspotX = reader.u16();
  const hotspotY = reader.u16();
  if (width > limits.cursorSideMax || height > limits.cursorSideMax) return 'CursorShape is too large';
  if ((width === 0) !== (height === 0)) return 'CursorShape has one side only';
  if (width === 0 ? hotspotX !== 0 || hotspotY !== 0 : hotspotX >= width || hotspotY >= height) {
    return 'CursorShape has its hotspot outside';
  }
  const pixels = reader.bytes(width * height * 4);
  return whole(reader, 'CursorShape', { type: PacketType.CursorShape, width, height, hotspotX, hotspotY, pixels });
}

function parseGoodbye(reader: Reader): Goodbye | string {
  const reason = reader.u16();
  return whole(reader, 'Goodbye', { type: PacketType.Goodbye, reason, text: reader.string(limits.goodbyeTextBytesMax) });
}
