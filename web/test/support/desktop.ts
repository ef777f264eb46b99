import type { FakeHost } from './fakeHost';

type Colour = readonly [number, number, number];

/** Something that looks like a desktop with a terminal and a few windows, in plain rectangles. */
export function paintDesktop(host: FakeHost): void {
  const { width, height } = host;
  for (let y = 0; y < height; y++) {
    const share = y / height;
    host.fill(0, y, width, 1, [Math.round(28 + 30 * share), Math.round(52 + 50 * share), Math.round(84 + 40 * share)]);
  }
  host.fill(0, 0, width, 28, [22, 24, 30]);
  host.fill(16, 10, 60, 8, [170, 178, 190]);
  host.fill(width - 90, 10, 74, 8, [120, 128, 140]);
  window(host, Math.round(width * 0.06), Math.round(height * 0.12), Math.round(width * 0.46), Math.round(height * 0.66), [24, 26, 32], [90, 200, 140]);
  window(host, Math.round(width * 0.56), Math.round(height * 0.2), Math.round(width * 0.37), Math.round(height * 0.44), [250, 250, 252], [70, 80, 96]);
  window(host, Math.round(width * 0.5), Math.round(height * 0.56), Math.round(width * 0.3), Math.round(height * 0.32), [40, 30, 48], [214, 150, 220]);
}

function window(host: FakeHost, x: number, y: number, width: number, height: number, back: Colour, ink: Colour): void {
  host.fill(x, y, width, 30, [52, 56, 66]);
  host.fill(x + 12, y + 10, 10, 10, [255, 95, 87]);
  host.fill(x + 30, y + 10, 10, 10, [254, 188, 46]);
  host.fill(x + 48, y + 10, 10, 10, [40, 200, 64]);
  host.fill(x, y + 30, width, height - 30, back);
  let seed = width * 31 + height;
  for (let line = y + 48; line + 12 < y + height; line += 20) {
    let at = x + 18;
    while (true) {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
      const word = 14 + (seed >> 16) % 60;
      if (at + word > x + width - 24 || (seed >> 8) % 9 === 0) break;
      host.fill(at, line, word, 7, (seed >> 4) % 7 === 0 ? [230, 180, 90] : ink);
      at += word + 8;
    }
  }
}
