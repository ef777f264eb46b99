export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A named zoom follows the window's size; a number is device pixels a picture pixel. */
export type Zoom = 'actual' | 'fit' | 'fill' | number;

const scaleMin = 0.05;
const scaleMax = 16;

/** Device pixels of this screen for one pixel of the picture. */
export function scaleOf(zoom: Zoom, picture: Size, stage: Size): number {
  if (typeof zoom === 'number') return zoom;
  if (zoom === 'actual' || picture.width === 0 || picture.height === 0) return 1;
  const across = stage.width / picture.width;
  const down = stage.height / picture.height;
  return Math.max(zoom === 'fit' ? Math.min(across, down) : Math.max(across, down), 0.001);
}

/** Whole zooms keep hard pixels; all others are resampled smoothly. */
export function isPixelExact(scale: number): boolean {
  return scale >= 1 && Number.isInteger(scale);
}

export interface Placement {
  readonly scale: number;
  /** Whole device pixels from the stage's top left: a fraction would blur. */
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** The picture is larger than the stage and can be moved. */
  readonly isPannable: boolean;
}

/**
 * Where the picture goes, in device pixels. `centre` is the point of the picture wanted in the stage's middle; a picture
 * that is smaller than the stage is centred, a larger one leaves no empty edge.
 */
export function place(zoom: Zoom, picture: Size, stage: Size, centre: Point): Placement {
  const scale = scaleOf(zoom, picture, stage);
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  const along = (stageSide: number, side: number, middle: number): number =>
    side <= stageSide
      ? Math.floor((stageSide - side) / 2)
      : Math.min(0, Math.max(stageSide - side, Math.round(stageSide / 2 - middle * scale)));
  return {
    scale,
    left: along(stage.width, width, centre.x),
    top: along(stage.height, height, centre.y),
    width,
    height,
    isPannable: width > stage.width || height > stage.height,
  };
}

/** The point of the picture in the stage's middle, as it was placed: clamped where `centre` asked for too much. */
export function centreOf(placement: Placement, stage: Size): Point {
  return {
    x: (stage.width / 2 - placement.left) / placement.scale,
    y: (stage.height / 2 - placement.top) / placement.scale,
  };
}

/** Zoom by a factor with the picture's point under `at` (device pixels of the stage) staying there. */
export function zoomAt(placement: Placement, stage: Size, factor: number, at: Point): { zoom: number; centre: Point } {
  let zoom = Math.min(scaleMax, Math.max(scaleMin, placement.scale * factor));
  // Near a whole zoom the whole one is meant: it is the sharp one.
  const whole = Math.round(zoom);
  if (whole >= 1 && Math.abs(zoom - whole) / whole < 0.04) zoom = whole;
  const point = { x: (at.x - placement.left) / placement.scale, y: (at.y - placement.top) / placement.scale };
  return {
    zoom,
    centre: { x: point.x + (stage.width / 2 - at.x) / zoom, y: point.y + (stage.height / 2 - at.y) / zoom },
  };
}
