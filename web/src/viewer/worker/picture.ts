import { indexedColoursMax, tileBytesMax, tileSide } from '../../wire/limits';
import { type CopyRectangle, type Tile, TileEncoding } from '../../wire/messages';
import { indexedPlaneBytes } from '../../wire/parse';
import { type Rectangle, takeRuns } from './geometry';
import { decodeLz4Block } from './lz4';

/**
 * The host's picture as this viewer knows it: one RGBA buffer, and which of its tiles have changed since they were last
 * taken. Tiles and copies must have passed the parser with this picture's bounds.
 */
export class Picture {
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly rows: number;
  /** R, G, B, 255: what a canvas takes. */
  readonly bytes: Uint8ClampedArray<ArrayBuffer>;
  readonly #pixels: Uint32Array;
  readonly #dirty: Uint8Array;
  readonly #raw = new Uint8Array(tileBytesMax);
  readonly #colours = new Uint32Array(indexedColoursMax);
  readonly #rawPixels = new Uint32Array(this.#raw.buffer);

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.columns = Math.ceil(width / tileSide);
    this.rows = Math.ceil(height / tileSide);
    this.bytes = new Uint8ClampedArray(width * height * 4);
    this.#pixels = new Uint32Array(this.bytes.buffer);
    this.#pixels.fill(0xff000000);
    this.#dirty = new Uint8Array(this.columns * this.rows);
  }

  /** False when the tile's data do not decode to exactly its pixels; the picture is then as before. */
  applyTile(tile: Tile): boolean {
    const x = tile.column * tileSide;
    const y = tile.row * tileSide;
    const width = Math.min(tileSide, this.width - x);
    const height = Math.min(tileSide, this.height - y);
    if (width <= 0 || height <= 0) return false;
    const rawBytes = width * height * 4;

    if (tile.encoding === TileEncoding.Solid) {
      if (tile.data.length !== 4) return false;
      const [b, g, r] = tile.data;
      const pixel = (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
      for (let line = 0, at = y * this.width + x; line < height; line++, at += this.width) {
        this.#pixels.fill(pixel, at, at + width);
      }
    } else if (tile.encoding === TileEncoding.Indexed) {
      if (!this.#applyIndexed(tile.data, x, y, width, height)) return false;
    } else {
      if (tile.encoding === TileEncoding.Raw) {
        if (tile.data.length !== rawBytes) return false;
        this.#raw.set(tile.data);
      } else if (!decodeLz4Block(tile.data, this.#raw.subarray(0, rawBytes))) {
        return false;
      }
      // Every platform with a browser is little-endian: a pixel reads as 0xXXRRGGBB here and is wanted as 0xFFBBGGRR.
      const from = this.#rawPixels;
      const to = this.#pixels;
      let read = 0;
      for (let line = 0; line < height; line++) {
        let write = (y + line) * this.width + x;
        for (const end = write + width; write < end; write++) {
          const pixel = from[read++];
          to[write] = 0xff000000 | ((pixel & 0xff) << 16) | (pixel & 0xff00) | ((pixel >>> 16) & 0xff);
        }
      }
    }
    this.#dirty[tile.row * this.columns + tile.column] = 1;
    return true;
  }

  /** Few colours and a plane of indices, the first pixel in the lowest bits; all indices are looked at before any is drawn. */
  #applyIndexed(data: Uint8Array, x: number, y: number, width: number, height: number): boolean {
    const count = data[0];
    const planeBytes = indexedPlaneBytes(width, height, count);
    let plane = data.subarray(2 + count * 4);
    if (data[1] === 1) {
      const decoded = this.#raw.subarray(0, planeBytes);
      if (!decodeLz4Block(plane, decoded)) return false;
      plane = decoded;
    } else if (plane.length !== planeBytes) {
      return false;
    }
    const bits = count <= 2 ? 1 : count <= 4 ? 2 : 4;
    const mask = (1 << bits) - 1;
    const rowBytes = planeBytes / height;
    if (count <= mask) {
      for (let line = 0; line < height; line++) {
        for (let column = 0; column < width; column++) {
          if (((plane[line * rowBytes + ((column * bits) >> 3)] >> ((column * bits) & 7)) & mask) >= count) return false;
        }
      }
    }
    const colours = this.#colours;
    for (let i = 0, at = 2; i < count; i++, at += 4) {
      colours[i] = 0xff000000 | (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
    }
    for (let line = 0; line < height; line++) {
      const row = line * rowBytes;
      const write = (y + line) * this.width + x;
      for (let column = 0; column < width; column++) {
        const bit = column * bits;
        this.#pixels[write + column] = colours[(plane[row + (bit >> 3)] >> (bit & 7)) & mask];
      }
    }
    return true;
  }

  /** As if the source were read whole before the destination is written. */
  applyCopy(copy: CopyRectangle): void {
    const { sourceX, sourceY, width, height, destinationX, destinationY } = copy;
    if (Math.max(sourceX, destinationX) + width > this.width || Math.max(sourceY, destinationY) + height > this.height) return;
    // Within a line copyWithin minds the overlap; between lines the order does.
    const upwards = destinationY <= sourceY;
    for (let i = 0; i < height; i++) {
      const line = upwards ? i : height - 1 - i;
      const from = (sourceY + line) * this.width + sourceX;
      this.#pixels.copyWithin((destinationY + line) * this.width + destinationX, from, from + width);
    }
    this.markDirty({ x: destinationX, y: destinationY, width, height });
  }

  /** Marks every tile that the rectangle touches; it is clipped to the picture. */
  markDirty(area: Rectangle): void {
    const right = Math.min(this.columns, Math.ceil((area.x + area.width) / tileSide));
    const bottom = Math.min(this.rows, Math.ceil((area.y + area.height) / tileSide));
    for (let row = Math.max(0, Math.floor(area.y / tileSide)); row < bottom; row++) {
      const start = row * this.columns;
      this.#dirty.fill(1, start + Math.max(0, Math.floor(area.x / tileSide)), start + Math.max(0, right));
    }
  }

  /** The changed tiles as few rectangles. Clears the marks. */
  takeDirty(): Rectangle[] {
    return takeRuns(this.#dirty, this.columns, this.rows).map(run => {
      const x = run.x * tileSide;
      const y = run.y * tileSide;
      return {
        x, y,
        width: Math.min(this.width, x + run.width * tileSide) - x,
        height: Math.min(this.height, y + run.height * tileSide) - y,
      };
    });
  }
}
