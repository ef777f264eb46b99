import { tileSide } from '../../../wire/limits';
import type { Region } from '../../../wire/messages';
import { intersect, type Rectangle, takeRuns } from '../geometry';

/** The covered pixels of a region that has passed the parser: its rectangle, where its tiles' bits are set. */
export function coveredParts(region: Region): Rectangle[] {
  const left = Math.floor(region.x / tileSide);
  const top = Math.floor(region.y / tileSide);
  const columns = Math.ceil((region.x + region.width) / tileSide) - left;
  const rows = Math.ceil((region.y + region.height) / tileSide) - top;
  const marks = new Uint8Array(columns * rows);
  for (let i = 0; i < marks.length; i++) marks[i] = (region.cover[i >> 3] >> (i & 7)) & 1;
  const parts: Rectangle[] = [];
  for (const run of takeRuns(marks, columns, rows)) {
    const part = intersect(region, {
      x: (left + run.x) * tileSide, y: (top + run.y) * tileSide, width: run.width * tileSide, height: run.height * tileSide,
    });
    if (part) parts.push(part);
  }
  return parts;
}
