import { inflateSync } from 'node:zlib';

/** Pixels R, G, B, A of a PNG of 8 bits a channel without interlace: what Chromium's screenshots are. */
export function decodePng(file: Buffer): { width: number; height: number; pixels: Uint8Array } {
  const width = file.readUInt32BE(16);
  const height = file.readUInt32BE(20);
  const channels = file[25] === 6 ? 4 : 3;
  const parts: Buffer[] = [];
  for (let at = 8; at < file.length;) {
    const bytes = file.readUInt32BE(at);
    if (file.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(file.subarray(at + 8, at + 8 + bytes));
    at += bytes + 12;
  }
  const data = inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const pixels = new Uint8Array(width * height * 4).fill(255);
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const filter = data[y * (stride + 1)];
    const line = new Uint8Array(data.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1)));
    for (let i = 0; i < stride; i++) {
      const left = i >= channels ? line[i - channels] : 0;
      const corner = i >= channels ? above[i - channels] : 0;
      line[i] += filter === 1 ? left : filter === 2 ? above[i] : filter === 3 ? (left + above[i]) >> 1 : filter === 4 ? paeth(left, above[i], corner) : 0;
    }
    for (let x = 0; x < width; x++) pixels.set(line.subarray(x * channels, (x + 1) * channels), (y * width + x) * 4);
    above = line;
  }
  return { width, height, pixels };
}

function paeth(a: number, b: number, c: number): number {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}
