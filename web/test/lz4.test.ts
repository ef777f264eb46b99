import { describe, expect, it } from 'vitest';
import { decodeLz4Block } from '../src/viewer/worker/lz4';
import { encodeLz4Block, seeded } from './support/bytes';

function decode(source: readonly number[], length: number): number[] | undefined {
  const target = new Uint8Array(length);
  return decodeLz4Block(new Uint8Array(source), target) ? [...target] : undefined;
}

describe('decodeLz4Block', () => {
  it('Literals_Copied', () => expect(decode([0x30, 1, 2, 3], 3)).toEqual([1, 2, 3]));

  it('MatchThatOverlapsItself_Repeats', () => expect(decode([0x24, 1, 2, 2, 0, 0x10, 9], 11)).toEqual([1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 9]));

  it('NothingForNothing_IsOneEmptyToken', () => {
    expect(decode([0x00], 0)).toEqual([]);
    expect(decode([], 0)).toBeUndefined();
  });

  for (const [name, source, length] of [
    ['LiteralsBeyondTheSource', [0x40, 1, 2], 4],
    ['LiteralsBeyondTheTarget', [0x40, 1, 2, 3, 4], 3],
    ['LongLengthCutShort', [0xf0, 255, 255], 1_000],
    ['LengthOfManyBytes', [0xf0, ...Array<number>(3_000).fill(255)], 16],
    ['DistanceZero', [0x10, 1, 0, 0, 0x10, 1], 6],
    ['DistanceBeforeTheStart', [0x10, 1, 2, 0, 0x10, 1], 6],
    ['DistanceCutShort', [0x10, 1, 1], 6],
    ['MatchBeyondTheTarget', [0x1f, 1, 1, 0, 200, 0x10, 1], 20],
    ['TargetNotFilled', [0x20, 1, 2], 3],
    ['EndsAfterAMatch', [0x10, 1, 1, 0], 5],
    ['LastTokenAsksForAMatch', [0x12, 1], 1],
  ] as const) {
    it(`${name}_False`, () => expect(decode(source, length)).toBeUndefined());
  }

  it('AnyContent_ComesBack', () => {
    const random = seeded(2);
    for (let round = 0; round < 400; round++) {
      const length = 1 + Math.floor(random() * 16_384);
      const variety = 1 + Math.floor(random() * (round % 3 === 0 ? 256 : 4));
      const run = 1 + Math.floor(random() * 300);
      const source = new Uint8Array(length);
      let value = 0;
      for (let i = 0; i < length; i++) {
        if (i % run === 0 || variety > 4) value = Math.floor(random() * variety);
        source[i] = value;
      }
      const target = new Uint8Array(length);
      expect(decodeLz4Block(encodeLz4Block(source), target)).toBe(true);
      expect(Buffer.compare(target, source)).toBe(0);
    }
  });

  it('ChangedBytes_NeverWriteOutsideTheTarget', () => {
    const random = seeded(3);
    const memory = new Uint8Array(4_096);
    const original = encodeLz4Block(Uint8Array.from({ length: 200 }, (_, i) => (i % 7) * (i >> 5)));
    const untouched = new Uint8Array(memory.length - 200).fill(0xee);
    for (let round = 0; round < 20_000; round++) {
      const block = original.slice();
      for (let i = 0; i < 3; i++) block[Math.floor(random() * block.length)] = random() * 256;
      memory.fill(0xee);
      decodeLz4Block(block.subarray(0, Math.floor(random() * block.length) + 1), memory.subarray(1_000, 1_200));
      if (Buffer.compare(memory.subarray(0, 1_000), untouched.subarray(0, 1_000)) !== 0
        || Buffer.compare(memory.subarray(1_200), untouched.subarray(1_000)) !== 0) expect.fail(`round ${round} wrote outside`);
    }
  });
});
