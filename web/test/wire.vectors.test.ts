import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hostPayloadBytesMax } from '../src/wire/limits';
import { type Message, PacketType } from '../src/wire/messages';
import { parseHeader, parseHostPacket, parseViewerPacket } from '../src/wire/parse';
import { writePacket } from '../src/wire/write';
import { bytesFromHex, withHeader } from './support/bytes';

interface Vector {
  name: string;
  hex: string;
  picture?: { width: number; height: number };
  bound?: number;
  fields?: Record<string, unknown>;
  outcome?: string;
  readOnly?: boolean;
}

interface VectorFile {
  message: string;
  type?: number;
  valid: Vector[];
  malformed?: Vector[];
}

const folder = new URL('../../tests/vectors/', import.meta.url);
const files = readdirSync(folder).filter(name => name.endsWith('.json'));

/** Fields as the vectors spell them: 64-bit integers as strings, bytes as hex. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex').toUpperCase();
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).filter(([key]) => key !== 'type').map(([key, field]) => [key, plain(field)]));
  }
  return value;
}

/** The vectors' byte fields in the one form that `plain` gives; a tile's place follows from the picture. */
function expected(value: unknown, key = ''): unknown {
  if (typeof value === 'string' && ['data', 'pixels', 'sessionId', 'cover'].includes(key)) {
    return Buffer.from(bytesFromHex(value)).toString('hex').toUpperCase();
  }
  if (Array.isArray(value)) return value.map(item => expected(item, key));
  if (value !== null && typeof value === 'object') {
    const skipped = key === 'tiles' ? ['x', 'y', 'width', 'height'] : [];
    return Object.fromEntries(Object.entries(value).filter(([name]) => !skipped.includes(name)).map(([name, item]) => [name, expected(item, name)]));
  }
  return value;
}

function parse(type: number, vector: Vector, generation: number) {
  const packet = withHeader(type, bytesFromHex(vector.hex));
  if (type > 0x40) return parseViewerPacket(packet);
  return parseHostPacket(packet, vector.picture && { ...vector.picture, generation });
}

it('The vectors cover every message', () => {
  const types = files.map(name => (JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as VectorFile).type);
  for (const type of Object.values(PacketType)) expect(types).toContain(type);
});

for (const name of files) {
  const file = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as VectorFile;
  describe(file.message, () => {
    for (const vector of file.valid) {
      it(`${vector.name}_Parsed`, () => {
        if (file.type === undefined) {
          const parsed = parseHeader(bytesFromHex(vector.hex), vector.bound ?? hostPayloadBytesMax);
          expect(parsed.kind).toBe('ok');
          if (parsed.kind === 'ok') {
            expect(plain({ ...parsed.header, typeOfPacket: parsed.header.type })).toEqual(
              { ...vector.fields, type: undefined, typeOfPacket: vector.fields?.['type'] });
          }
          return;
        }
        const parsed = parse(file.type, vector, Number(vector.fields?.['generation'] ?? 0));
        expect(parsed).toMatchObject({ kind: 'ok' });
        if (parsed.kind !== 'ok') return;
        expect(plain(parsed.message)).toEqual(expected(vector.fields));
        if (!vector.readOnly) {
          expect(writePacket(parsed.message as Message).subarray(32)).toEqual(bytesFromHex(vector.hex));
        }
      });
    }
    for (const vector of file.malformed ?? []) {
      it(`${vector.name}_${vector.outcome}`, () => {
        const bytes = bytesFromHex(vector.hex);
        if (file.type === undefined) {
          const kinds: Record<string, string> = { Malformed: 'malformed', VersionMismatch: 'otherVersion', Incomplete: 'incomplete' };
          expect(parseHeader(bytes, vector.bound ?? hostPayloadBytesMax).kind).toBe(kinds[vector.outcome ?? '']);
          return;
        }
        // Generation: the first field of the messages that belong to a picture.
        const generation = bytes.length >= 4 ? new DataView(bytes.buffer).getUint32(0, true) : 0;
        expect(parse(file.type, vector, generation).kind).toBe('malformed');
      });
    }
  });
}
