import * as limits from './limits';
import { type Message, PacketType } from './messages';

/** The fields of a header that a writer chooses; all of them default to 0. */
export interface HeaderFields {
  readonly flags?: number;
  readonly stream?: number;
  readonly sequence?: number;
  readonly originNs?: bigint;
  readonly sentNs?: bigint;
}

const encoder = new TextEncoder();

/** Grows as needed; our own messages only, so nothing from outside chooses how far. */
class Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  #take(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  zeros(count: number): void { this.#take(count); }
  u8(value: number): void { const at = this.#take(1); this.#view.setUint8(at, value); }
  u16(value: number): void { const at = this.#take(2); this.#view.setUint16(at, value, true); }
  u32(value: number): void { const at = this.#take(4); this.#view.setUint32(at, value, true); }
  i32(value: number): void { const at = this.#take(4); this.#view.setInt32(at, value, true); }
  i64(value: bigint): void { const at = this.#take(8); this.#view.setBigInt64(at, value, true); }
  u64(value: bigint): void { const at = this.#take(8); this.#view.setBigUint64(at, value, true); }
  bytes(value: Uint8Array): void { const at = this.#take(value.length); this.#bytes.set(value, at); }

  /** Cut at a character's border where it would be too long: names are for people. */
  string(value: string, bytesMax: number): void {
    let text = encoder.encode(value);
    if (text.length > bytesMax) {
      let end = bytesMax;
      while (end > 0 && (text[end] & 0xc0) === 0x80) end--;
      text = text.subarray(0, end);
    }
    this.u16(text.length);
    this.bytes(text);
  }

  finish(): Uint8Array<ArrayBuffer> {
    this.#view.setUint32(8, this.#length - limits.headerBytes, true);
    return this.#bytes.slice(0, this.#length);
  }
}

/** One packet, header and payload. Throws only when the caller's message breaks a bound: that is a bug of ours. */
export function writePacket(message: Message, header: HeaderFields = {}): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.u8(0x56);
  writer.u8(0x54);
  writer.u8(limits.version);
  writer.u8(message.type);
  writer.u16(header.flags ?? 0);
  writer.u16(header.stream ?? 0);
  writer.u32(0);
  writer.u32(header.sequence ?? 0);
  writer.i64(header.originNs ?? 0n);
  writer.i64(header.sentNs ?? 0n);
  writePayload(writer, message);
  const packet = writer.finish();
  const payloadBytesMax = message.type > 0x40 ? limits.viewerPayloadBytesMax : limits.hostPayloadBytesMax;
  if (packet.length - limits.headerBytes > payloadBytesMax) throw new RangeError('A packet above its bound.');
  return packet;
}

function writePayload(writer: Writer, message: Message): void {
  switch (message.type) {
    case PacketType.Hello:
      writer.bytes(message.sessionId);
      writer.u8(message.grants);
      writer.zeros(3);
      writer.string(message.name, limits.hostNameBytesMax);
      break;
    case PacketType.Topology:
      writer.u32(message.generation);
      writer.u8(message.state);
      writer.u8(message.monitors.length);
      writer.u16(message.selected);
      writer.u16(message.width);
      writer.u16(message.height);
      writer.string(message.source, limits.sourceNameBytesMax);
      for (const monitor of message.monitors) {
        writer.i32(monitor.x);
        writer.i32(monitor.y);
        writer.u32(monitor.width);
        writer.u32(monitor.height);
        writer.u32(monitor.scaleMilli);
        writer.u16(monitor.rotationDegrees);
        writer.u16(monitor.primary ? 1 : 0);
        writer.string(monitor.name, limits.monitorNameBytesMax);
      }
      break;
    case PacketType.Tiles:
      writer.u32(message.generation);
      writer.u32(message.capturedAfterNs);
      writer.u32(message.encodedAfterNs);
      writer.u32(message.tiles.length);
      for (const tile of message.tiles) {
        writer.u16(tile.column);
        writer.u16(tile.row);
        writer.u8(tile.encoding);
        writer.zeros(1);
        writer.u16(tile.data.length);
        writer.bytes(tile.data);
      }
      break;
    case PacketType.Copy:
      writer.u32(message.generation);
      writer.u32(message.capturedAfterNs);
      writer.u32(message.encodedAfterNs);
      writer.u32(message.copies.length);
      for (const copy of message.copies) {
        writer.u16(copy.sourceX);
        writer.u16(copy.sourceY);
        writer.u16(copy.width);
        writer.u16(copy.height);
        writer.u16(copy.destinationX);
        writer.u16(copy.destinationY);
      }
      break;
    case PacketType.CursorShape:
      writer.u16(message.width);
      writer.u16(message.height);
      writer.u16(message.hotspotX);
      writer.u16(message.hotspotY);
      writer.bytes(message.pixels);
      break;
    case PacketType.CursorPosition:
      writer.i32(message.x);
      writer.i32(message.y);
      break;
    case PacketType.ClockReply:
      writer.i64(message.requestSentNs);
      writer.i64(message.requestReceivedNs);
      writer.i64(message.replySentNs);
      break;
    case PacketType.Statistics:
      writer.u32(message.viewers);
      writer.u32(message.framesPerSecondMilli);
      writer.u64(message.bytesSent);
      writer.u64(message.framesMerged);
      writer.u32(message.hostCpuMilli);
      writer.zeros(4);
      break;
    case PacketType.Goodbye:
      writer.u16(message.reason);
      writer.string(message.text, limits.goodbyeTextBytesMax);
      break;
    case PacketType.Regions:
      writer.u32(message.generation);
      writer.u32(message.capturedAfterNs);
      writer.u32(message.encodedAfterNs);
      writer.u32(message.regions.length);
      for (const region of message.regions) {
        writer.u16(region.region);
        writer.u16(region.x);
        writer.u16(region.y);
        writer.u16(region.width);
        writer.u16(region.height);
        writer.u16(region.cover.length);
        writer.bytes(region.cover);
      }
      break;
    case PacketType.Video:
      writer.u32(message.generation);
      writer.u32(message.capturedAfterNs);
      writer.u32(message.encodedAfterNs);
      writer.u32(message.data.length);
      writer.u16(message.region);
      writer.u8(message.codec);
      writer.u8(message.flags);
      writer.u32(message.stream);
      writer.u32(message.number);
      writer.u16(message.codedWidth);
      writer.u16(message.codedHeight);
      writer.u16(message.x);
      writer.u16(message.y);
      writer.u16(message.width);
      writer.u16(message.height);
      writer.bytes(message.data);
      break;
    case PacketType.ViewerHello:
      writer.u16(message.capabilities);
      writer.string(message.name, limits.viewerNameBytesMax);
      break;
    case PacketType.Presented:
      writer.i64(message.receivedNs);
      writer.i64(message.decodedNs);
      writer.i64(message.presentedNs);
      break;
    case PacketType.ClockRequest:
      writer.i64(message.requestSentNs);
      break;
    case PacketType.Select:
      writer.u16(message.monitor);
      break;
    case PacketType.Refresh:
      break;
    case PacketType.KeyFrame:
      writer.u16(message.region);
      writer.u16(message.reason);
      break;
    case PacketType.Capabilities:
      writer.u16(message.capabilities);
      break;
  }
}
