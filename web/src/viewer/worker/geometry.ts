/** In pixels, of the picture unless said otherwise. */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export function intersect(a: Rectangle, b: Rectangle): Rectangle | undefined {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  const width = Math.min(a.x + a.width, b.x + b.width) - x;
  const height = Math.min(a.y + a.height, b.y + b.height) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : undefined;
}

/** What of `areas` lies in `bounds`. */
export function clipAll(areas: readonly Rectangle[], bounds: Rectangle): Rectangle[] {
  const clipped: Rectangle[] = [];
  for (const area of areas) {
    const part = intersect(area, bounds);
    if (part) clipped.push(part);
  }
  return clipped;
}

/** What of `areas` lies outside of all `holes`: above, left of, right of and below each, cut in this order. */
export function subtract(areas: readonly Rectangle[], holes: readonly Rectangle[]): Rectangle[] {
  let left = [...areas];
  for (const hole of holes) {
    const next: Rectangle[] = [];
    for (const area of left) {
      const cut = intersect(area, hole);
      if (!cut) {
        next.push(area);
        continue;
      }
      const right = area.x + area.width;
      const bottom = area.y + area.height;
      const cutRight = cut.x + cut.width;
      const cutBottom = cut.y + cut.height;
      if (cut.y > area.y) next.push({ x: area.x, y: area.y, width: area.width, height: cut.y - area.y });
      if (cut.x > area.x) next.push({ x: area.x, y: cut.y, width: cut.x - area.x, height: cut.height });
      if (cutRight < right) next.push({ x: cutRight, y: cut.y, width: right - cutRight, height: cut.height });
      if (cutBottom < bottom) next.push({ x: area.x, y: cutBottom, width: area.width, height: bottom - cutBottom });
    }
    left = next;
  }
  return left;
}

/**
 * The marked cells of a grid as few rectangles of cells: runs within a row, joined downwards where the run below is the
 * same. Clears the marks.
 */
export function takeRuns(marks: Uint8Array, columns: number, rows: number): Rectangle[] {
  const rectangles: Rectangle[] = [];
  const isRun = (row: number, left: number, right: number): boolean => {
    for (let at = row * columns + left, end = row * columns + right; at < end; at++) {
      if (marks[at] === 0) return false;
    }
    return true;
  };
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (marks[row * columns + column] === 0) continue;
      let right = column;
      while (right < columns && marks[row * columns + right] === 1) right++;
      let bottom = row;
      while (bottom < rows && isRun(bottom, column, right)) {
        marks.fill(0, bottom * columns + column, bottom * columns + right);
        bottom++;
      }
      rectangles.push({ x: column, y: row, width: right - column, height: bottom - row });
      column = right;
    }
  }
  return rectangles;
}
