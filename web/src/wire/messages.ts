/** The messages of docs/PROTOCOL.md. Times are nanoseconds and stay 64 bits wide (bigint): they are compared, never rounded. */

export const PacketType = {
  Hello: 0x01,
  Topology: 0x02,
  Tiles: 0x03,
  Copy: 0x04,
  CursorShape: 0x05,
  CursorPosition: 0x06,
  ClockReply: 0x07,
  Statistics: 0x08,
  Goodbye: 0x09,
  Regions: 0x0a,
  Video: 0x0b,
  ViewerHello: 0x41,
  Presented: 0x42,
  ClockRequest: 0x43,
  Select: 0x44,
  Refresh: 0x45,
  KeyFrame: 0x46,
  Capabilities: 0x47,
} as const;

export const DisplayState = { Live: 0, DisplayGone: 1, Hidden: 2, Closed: 3 } as const;
export const TileEncoding = { Solid: 0, Raw: 1, Lz4: 2, Indexed: 3 } as const;

export const VideoCodec = { H264: 1 } as const;
export const VideoFlag = { KeyFrame: 1, HalfSize: 2 } as const;
export const Capability = { H264: 1 } as const;
export const KeyFrameReason = { Missing: 0, DecoderError: 1, Recreated: 2 } as const;

export const GoodbyeReason = {
  Closing: 0,
  ProtocolError: 1,
  VersionMismatch: 2,
  AccessDenied: 3,
  TooManyViewers: 4,
  SourceClosed: 5,
  Stalled: 6,
  InternalError: 7,
} as const;

export interface Header {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payloadBytes: number;
  readonly sequence: number;
  readonly originNs: bigint;
  readonly sentNs: bigint;
}

export interface Hello {
  readonly type: typeof PacketType.Hello;
  readonly sessionId: Uint8Array;
  readonly grants: number;
  readonly name: string;
}

export interface Monitor {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly scaleMilli: number;
  readonly rotationDegrees: number;
  readonly primary: boolean;
  readonly name: string;
}

export interface Topology {
  readonly type: typeof PacketType.Topology;
  readonly generation: number;
  readonly state: number;
  readonly selected: number;
  readonly width: number;
  readonly height: number;
  readonly source: string;
  readonly monitors: readonly Monitor[];
}

/** `data` borrows the packet's bytes: it is valid as long as nobody writes to them. */
export interface Tile {
  readonly column: number;
  readonly row: number;
  readonly encoding: number;
  readonly data: Uint8Array;
}

export interface Tiles {
  readonly type: typeof PacketType.Tiles;
  readonly generation: number;
  readonly capturedAfterNs: number;
  readonly encodedAfterNs: number;
  readonly tiles: readonly Tile[];
}

export interface CopyRectangle {
  readonly sourceX: number;
  readonly sourceY: number;
  readonly width: number;
  readonly height: number;
  readonly destinationX: number;
  readonly destinationY: number;
}

export interface Copy {
  readonly type: typeof PacketType.Copy;
  readonly generation: number;
  readonly capturedAfterNs: number;
  readonly encodedAfterNs: number;
  readonly copies: readonly CopyRectangle[];
}

/** `pixels` borrows the packet's bytes. */
export interface CursorShape {
  readonly type: typeof PacketType.CursorShape;
  readonly width: number;
  readonly height: number;
  readonly hotspotX: number;
  readonly hotspotY: number;
  readonly pixels: Uint8Array;
}

export interface CursorPosition {
  readonly type: typeof PacketType.CursorPosition;
  readonly x: number;
  readonly y: number;
}

export interface ClockReply {
  readonly type: typeof PacketType.ClockReply;
  readonly requestSentNs: bigint;
  readonly requestReceivedNs: bigint;
  readonly replySentNs: bigint;
}

export interface Statistics {
  readonly type: typeof PacketType.Statistics;
  readonly viewers: number;
  readonly framesPerSecondMilli: number;
  readonly bytesSent: bigint;
  readonly framesMerged: bigint;
  readonly hostCpuMilli: number;
}

export interface Goodbye {
  readonly type: typeof PacketType.Goodbye;
  readonly reason: number;
  readonly text: string;
}

/** A rectangle of the picture, and a bit for every tile that it touches; `cover` borrows the packet's bytes. */
export interface Region {
  readonly region: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly cover: Uint8Array;
}

export interface Regions {
  readonly type: typeof PacketType.Regions;
  readonly generation: number;
  readonly capturedAfterNs: number;
  readonly encodedAfterNs: number;
  readonly regions: readonly Region[];
}

/** One access unit; `data` borrows the packet's bytes. The codec and flags may be ones that this version does not know. */
export interface Video {
  readonly type: typeof PacketType.Video;
  readonly generation: number;
  readonly capturedAfterNs: number;
  readonly encodedAfterNs: number;
  readonly region: number;
  readonly codec: number;
  readonly flags: number;
  readonly stream: number;
  readonly number: number;
  readonly codedWidth: number;
  readonly codedHeight: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface ViewerHello {
  readonly type: typeof PacketType.ViewerHello;
  readonly capabilities: number;
  readonly name: string;
}

export interface Presented {
  readonly type: typeof PacketType.Presented;
  readonly receivedNs: bigint;
  readonly decodedNs: bigint;
  readonly presentedNs: bigint;
}

export interface ClockRequest {
  readonly type: typeof PacketType.ClockRequest;
  readonly requestSentNs: bigint;
}

export interface Select {
  readonly type: typeof PacketType.Select;
  readonly monitor: number;
}

export interface Refresh {
  readonly type: typeof PacketType.Refresh;
}

export interface KeyFrame {
  readonly type: typeof PacketType.KeyFrame;
  readonly region: number;
  readonly reason: number;
}

export interface Capabilities {
  readonly type: typeof PacketType.Capabilities;
  readonly capabilities: number;
}

export type HostMessage =
  | Hello | Topology | Tiles | Copy | CursorShape | CursorPosition | ClockReply | Statistics | Goodbye | Regions | Video;
export type ViewerMessage = ViewerHello | Presented | ClockRequest | Select | Refresh | KeyFrame | Capabilities | Goodbye;
export type Message = HostMessage | ViewerMessage;

/** What a parser says. Nothing in this folder throws on bytes from outside. */
export type Parsed<T> =
  | { readonly kind: 'ok'; readonly header: Header; readonly message: T }
  /** A valid header of a type this version does not know: skip the packet. */
  | { readonly kind: 'unknown'; readonly header: Header }
  | { readonly kind: 'otherVersion'; readonly version: number }
  | { readonly kind: 'malformed'; readonly why: string };
