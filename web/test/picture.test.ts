import { describe, expect, it } from 'vitest';
import type { CopyRectangle } from '../src/wire/messages';
import { TileEncoding } from '../src/wire/messages';
import { straightFromPremultiplied } from '../src/viewer/worker/cursorPixels';
import { Picture } from '../src/viewer/worker/picture';
import { encodeLz4Block, seeded } from './support/bytes';

function numbered(picture: Picture): void {
  new Uint32Array(picture.bytes.buffer).forEach((_, i, pixels) => { pixels[i] = i; });
}

const pixelsOf = (picture: Picture): Uint32Array => new Uint32Array(picture.bytes.buffer);
const pixelsBytes = (picture: Picture): Buffer => Buffer.from(picture.bytes.buffer);

describe('Picture', () => {
  it('RawTile_SwizzledToItsPlace', () => {
    const picture = new Picture(66, 65);
    expect(picture.applyTile({ column: 1, row: 1, encoding: TileEncoding.Raw, data: new Uint8Array([1, 2, 3, 0, 4, 5, 6, 99]) })).toBe(true);
    expect([...picture.bytes.subarray((64 * 66 + 64) * 4)]).toEqual([3, 2, 1, 255, 6, 5, 4, 255]);
    expect(picture.takeDirty()).toEqual([{ x: 64, y: 64, width: 2, height: 1 }]);
    expect(picture.takeDirty()).toEqual([]);
  });

  it('SolidTileAtTheEdge_FillsOnlyThePicture', () => {
    const picture = new Picture(70, 10);
    expect(picture.applyTile({ column: 1, row: 0, encoding: TileEncoding.Solid, data: new Uint8Array([10, 20, 30, 40]) })).toBe(true);
    for (let y = 0; y < 10; y++) {
      expect([...picture.bytes.subarray((y * 70 + 63) * 4, (y * 70 + 66) * 4)]).toEqual([0, 0, 0, 255, 30, 20, 10, 255, 30, 20, 10, 255]);
    }
  });

  it('IndexedTile_FirstPixelInTheLowestBits', () => {
    const picture = new Picture(3, 2);
    const place = { column: 0, row: 0, encoding: TileEncoding.Indexed };
    const two = [2, 0, 1, 2, 3, 0, 4, 5, 6, 0, 0b101, 0b010];
    expect(picture.applyTile({ ...place, data: new Uint8Array(two) })).toBe(true);
    expect([...picture.bytes]).toEqual([
      6, 5, 4, 255, 3, 2, 1, 255, 6, 5, 4, 255,
      3, 2, 1, 255, 6, 5, 4, 255, 3, 2, 1, 255,
    ]);
    const three = [3, 1, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0x20, 0b10_01_00, 0b00_00_10];
    expect(picture.applyTile({ ...place, data: new Uint8Array(three) })).toBe(true);
    expect([...picture.bytes]).toEqual([
      3, 2, 1, 255, 6, 5, 4, 255, 9, 8, 7, 255,
      9, 8, 7, 255, 3, 2, 1, 255, 3, 2, 1, 255,
    ]);
  });

  it('IndexedTile_IndexBeyondTheColoursOrShortPlane_LeavesThePicture', () => {
    const picture = new Picture(3, 1);
    const before = [...picture.bytes];
    const place = { column: 0, row: 0, encoding: TileEncoding.Indexed };
    const colours = [1, 1, 1, 0, 2, 2, 2, 0, 3, 3, 3, 0];
    expect(picture.applyTile({ ...place, data: new Uint8Array([3, 0, ...colours, 0b11_00_00]) })).toBe(false);
    expect(picture.applyTile({ ...place, data: new Uint8Array([3, 0, ...colours]) })).toBe(false);
    expect(picture.applyTile({ ...place, data: new Uint8Array([3, 1, ...colours, 0x10]) })).toBe(false);
    expect([...picture.bytes]).toEqual(before);
  });

  it('Lz4Tile_SameAsRaw', () => {
    const random = seeded(5);
    const raw = Uint8Array.from({ length: 64 * 64 * 4 }, (_, i) => (i % 40 < 20 ? 7 : random() * 256));
    const [one, other] = [new Picture(64, 64), new Picture(64, 64)];
    expect(one.applyTile({ column: 0, row: 0, encoding: TileEncoding.Raw, data: raw })).toBe(true);
    expect(other.applyTile({ column: 0, row: 0, encoding: TileEncoding.Lz4, data: encodeLz4Block(raw) })).toBe(true);
    expect(Buffer.compare(pixelsBytes(one), pixelsBytes(other))).toBe(0);
  });

  it('BadTiles_FalseAndPictureUntouched', () => {
    const picture = new Picture(64, 64);
    const before = Buffer.from(pixelsBytes(picture));
    const place = { column: 0, row: 0 };
    expect(picture.applyTile({ ...place, encoding: TileEncoding.Solid, data: new Uint8Array(3) })).toBe(false);
    expect(picture.applyTile({ ...place, encoding: TileEncoding.Raw, data: new Uint8Array(16_380) })).toBe(false);
    expect(picture.applyTile({ ...place, encoding: TileEncoding.Lz4, data: new Uint8Array([0x10, 1]) })).toBe(false);
    expect(picture.applyTile({ column: 1, row: 0, encoding: TileEncoding.Solid, data: new Uint8Array(4) })).toBe(false);
    expect(Buffer.compare(pixelsBytes(picture), before)).toBe(0);
    expect(picture.takeDirty()).toEqual([]);
  });

  it('AnyCopy_AsIfTheSourceWereReadWhole', () => {
    const random = seeded(6);
    const below = (limit: number): number => Math.floor(random() * limit);
    for (let round = 0; round < 500; round++) {
      const picture = new Picture(1 + below(90), 1 + below(90));
      numbered(picture);
      const before = pixelsOf(picture).slice();
      const width = 1 + below(picture.width);
      const height = 1 + below(picture.height);
      const copy: CopyRectangle = {
        width, height,
        sourceX: below(picture.width - width + 1), sourceY: below(picture.height - height + 1),
        destinationX: below(picture.width - width + 1), destinationY: below(picture.height - height + 1),
      };
      picture.applyCopy(copy);
      const expected = before.slice();
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          expected[(copy.destinationY + y) * picture.width + copy.destinationX + x] = before[(copy.sourceY + y) * picture.width + copy.sourceX + x];
        }
      }
      expect(Buffer.compare(new Uint8Array(pixelsOf(picture).buffer), new Uint8Array(expected.buffer))).toBe(0);
    }
  });

  it('Dirty_FewRectanglesThatCoverExactlyTheMarkedTiles', () => {
    const random = seeded(7);
    for (let round = 0; round < 200; round++) {
      const picture = new Picture(1 + Math.floor(random() * 900), 1 + Math.floor(random() * 700));
      const marked = new Set<number>();
      for (let i = 0; i < 40; i++) {
        const column = Math.floor(random() * picture.columns);
        const row = Math.floor(random() * picture.rows);
        marked.add(row * picture.columns + column);
        picture.markDirty({ x: column * 64, y: row * 64, width: 1, height: 1 });
      }
      const covered: number[] = [];
      for (const area of picture.takeDirty()) {
        expect(area.x + area.width).toBeLessThanOrEqual(picture.width);
        expect(area.y + area.height).toBeLessThanOrEqual(picture.height);
        for (let y = area.y; y < area.y + area.height; y += 64) {
          for (let x = area.x; x < area.x + area.width; x += 64) covered.push((y / 64) * picture.columns + x / 64);
        }
      }
      expect(covered.length).toBe(marked.size);
      expect(new Set(covered)).toEqual(marked);
    }
  });

  it('WholePictureMarked_OneRectangle', () => {
    const picture = new Picture(1_920, 1_080);
    picture.markDirty({ x: -5, y: -5, width: 4_000, height: 4_000 });
    expect(picture.takeDirty()).toEqual([{ x: 0, y: 0, width: 1_920, height: 1_080 }]);
  });
});

describe('straightFromPremultiplied', () => {
  it('Premultiplied_DividedByAlphaAndClamped', () => {
    expect([...straightFromPremultiplied(new Uint8Array([10, 20, 30, 255, 0, 64, 128, 128, 9, 9, 9, 0, 200, 0, 0, 100]))])
      .toEqual([30, 20, 10, 255, 255, 128, 0, 128, 0, 0, 0, 0, 0, 0, 255, 100]);
  });
});
