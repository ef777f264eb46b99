import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { headerBytes, hostPayloadBytesMax } from '../src/wire/limits';
import { PacketType } from '../src/wire/messages';
import { parseHeader, parseHostPacket, parseViewerPacket } from '../src/wire/parse';
import { Picture } from '../src/viewer/worker/picture';
import { bytesFromHex, seeded, withHeader } from './support/bytes';

const seconds = Number(process.env['VITRINE_FUZZ_SECONDS'] ?? 2);
const seed = Number(process.env['VITRINE_FUZZ_SEED'] ?? 1);
const folder = new URL('../../tests/vectors/', import.meta.url);

interface VectorFile { type?: number; valid: { hex: string }[]; malformed?: { hex: string }[] }

function corpus(): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (const name of readdirSync(folder).filter(file => file.endsWith('.json'))) {
    const file = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as VectorFile;
    for (const vector of [...file.valid, ...(file.malformed ?? [])]) {
      const bytes = bytesFromHex(vector.hex);
      packets.push(file.type === undefined ? bytes : withHeader(file.type, bytes));
    }
  }
  return packets;
}

/** Flips, cuts, doubles and overwrites; often with the numbers that break arithmetic. */
function mutate(packet: Uint8Array, random: () => number): Uint8Array {
  const below = (limit: number): number => Math.floor(random() * limit);
  let bytes: Uint8Array = packet.slice(0, 4_096);
  for (let i = below(5); i >= 0 && bytes.length > 0; i--) {
    const at = below(bytes.length);
    switch (below(6)) {
      case 0: bytes[at] ^= 1 << below(8); break;
      case 1: bytes[at] = below(256); break;
      case 2: bytes.fill(random() < 0.5 ? 0xff : 0, at, at + 1 + below(4)); break;
      case 3: bytes = bytes.slice(0, at); break;
      case 4: {
        const part = bytes.subarray(at, at + below(64));
        const longer = new Uint8Array(bytes.length + part.length);
        longer.set(bytes);
        longer.set(part, bytes.length);
        bytes = longer;
        break;
      }
      default: bytes.copyWithin(at, below(bytes.length), below(bytes.length));
    }
  }
  // Most of the time with a true length, or everything would end at the header.
  if (bytes.length >= headerBytes && random() < 0.9) new DataView(bytes.buffer, bytes.byteOffset).setUint32(8, bytes.length - headerBytes, true);
  return bytes;
}

it(`AnyBytes_NoExceptionAndNothingBeyondTheBounds (${seconds} s)`, () => {
  const random = seeded(seed);
  const packets = corpus();
  const picture = new Picture(130, 70);
  const picturePixels = picture.bytes.length;
  const kinds: Record<string, number> = {};
  const until = performance.now() + seconds * 1_000;
  let count = 0;
  while (performance.now() < until) {
    for (let i = 0; i < 500; i++, count++) {
      // Inside a larger buffer, as a view: what reads outside the packet would find the 0xEE around it.
      const mutated = mutate(packets[Math.floor(random() * packets.length)], random);
      const around = new Uint8Array(mutated.length + 64).fill(0xee);
      around.set(mutated, 32);
      const bytes = around.subarray(32, 32 + mutated.length);
      parseHeader(bytes, hostPayloadBytesMax);
      parseViewerPacket(bytes);
      const parsed = parseHostPacket(bytes, { generation: 1, width: 130, height: 70 });
      kinds[parsed.kind] = (kinds[parsed.kind] ?? 0) + 1;
      if (parsed.kind !== 'ok') continue;
      const { message } = parsed;
      if (message.type === PacketType.Tiles) {
        // Every tile took its 8 bytes of the packet and borrows the rest of it.
        if (message.tiles.length * 8 > bytes.length || message.tiles.some(tile => tile.data.buffer !== around.buffer)) expect.fail('more tiles than bytes');
        if (message.generation === 1) for (const tile of message.tiles) picture.applyTile(tile);
      } else if (message.type === PacketType.Copy) {
        if (message.copies.length > 256) expect.fail('too many copies');
        if (message.generation === 1) for (const copy of message.copies) picture.applyCopy(copy);
      } else if (message.type === PacketType.Topology) {
        if (message.monitors.length > 64 || message.width * message.height > 67_108_864) expect.fail('a topology above its bounds');
      } else if (message.type === PacketType.Regions) {
        // What a region covers lies within the picture, and a tile's bit is found within its bytes.
        if (message.regions.length > 8 || message.regions.some(region => region.cover.buffer !== around.buffer)) expect.fail('more regions than there may be');
        if (message.generation === 1 && message.regions.some(({ x, y, width, height }) => x + width > 130 || y + height > 70)) expect.fail('a region outside');
      } else if (message.type === PacketType.Video) {
        if (message.data.length > bytes.length || message.data.buffer !== around.buffer) expect.fail('an access unit above its bounds');
      } else if (message.type === PacketType.CursorShape && message.pixels.length > 256 * 256 * 4) {
        expect.fail('a cursor above its bounds');
      }
    }
  }
  expect(picture.bytes.length).toBe(picturePixels);
  expect(count).toBeGreaterThan(1_000);
  // A loop that only ever finds one outcome tests nothing.
  for (const kind of ['ok', 'malformed', 'otherVersion', 'unknown']) expect(kinds[kind], kind).toBeGreaterThan(0);
}, seconds * 1_000 + 30_000);
