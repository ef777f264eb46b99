/** Hex as tests/vectors/README.md has it: spaces mean nothing, `61*257` is a byte 257 times. */
export function bytesFromHex(text: string): Uint8Array<ArrayBuffer> {
  const digits = text.replace(/([0-9a-f]{2})\*(\d+)/gi, (_, byte: string, times: string) => byte.repeat(Number(times))).replaceAll(' ', '');
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

/** A packet of a type with a payload, whatever it holds. */
export function withHeader(type: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(32 + payload.length);
  packet.set([0x56, 0x54, 1, type]);
  new DataView(packet.buffer).setUint32(8, payload.length, true);
  packet.set(payload, 32);
  return packet;
}

/** Numbers that are the same in every run (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A simple LZ4 block encoder for tests: greedy, one hash table, obeys the format's end conditions. */
export function encodeLz4Block(source: Uint8Array): Uint8Array {
  const out: number[] = [];
  const seen = new Map<number, number>();
  const length = (value: number): void => {
    let rest = value - 15;
    for (; rest >= 255; rest -= 255) out.push(255);
    out.push(rest);
  };
  let anchor = 0;
  let at = 0;
  while (at + 12 < source.length) {
    const key = source[at] | (source[at + 1] << 8) | (source[at + 2] << 16) | (source[at + 3] << 24);
    const before = seen.get(key);
    seen.set(key, at);
    if (before === undefined || at - before > 0xffff) {
      at++;
      continue;
    }
    let match = 4;
    while (at + match < source.length - 5 && source[before + match] === source[at + match]) match++;
    const literals = at - anchor;
    out.push((Math.min(literals, 15) << 4) | Math.min(match - 4, 15));
    if (literals >= 15) length(literals);
    for (let i = anchor; i < at; i++) out.push(source[i]);
    out.push((at - before) & 0xff, (at - before) >>> 8);
    if (match - 4 >= 15) length(match - 4);
    at += match;
    anchor = at;
  }
  const literals = source.length - anchor;
  out.push(Math.min(literals, 15) << 4);
  if (literals >= 15) length(literals);
  for (let i = anchor; i < source.length; i++) out.push(source[i]);
  return new Uint8Array(out);
}
