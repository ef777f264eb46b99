import type { Rectangle } from '../geometry';
import type { Picture } from '../picture';

/** From the most to the least wanted. */
export const presentationKinds = ['webgpu', 'webgl2', 'canvas2d'] as const;
export type PresentationKind = (typeof presentationKinds)[number];

/**
 * What the picture is drawn on, a painter's way: what was drawn stays until something is drawn over it, or until it is lost.
 * Pixels of the tile plane arrive bit for bit; video goes through the browser's own conversion of colours.
 */
export interface Surface {
  readonly kind: PresentationKind;
  /** False when it cannot be so large. What it shows afterwards is undefined. */
  resize(width: number, height: number): boolean;
  /** All that a canvas shows, which is as large as this and can be read: not one of WebGL or WebGPU. */
  putCanvas(canvas: OffscreenCanvas): void;
  /** Areas of the picture that lie within `view`, the part of the picture that the surface shows. */
  putTiles(picture: Picture, view: Rectangle, areas: readonly Rectangle[]): void;
  /**
   * The top left part of a frame, of the size of `source`, stretched to `destination`; only `parts` of it are drawn. All in
   * the surface's own pixels; the parts lie within the surface and the destination. Borrows the frame.
   */
  drawVideo(frame: VideoFrame, source: { readonly width: number; readonly height: number }, destination: Rectangle, parts: readonly Rectangle[]): void;
  /** What was drawn since the last time is to be seen from the next animation turn on. */
  present(): void;
  /** Gives everything back; says nothing of a loss any more. */
  dispose(): void;
}

/** Makes a surface on a canvas that has no context yet; a text says why it cannot. */
export type MakeSurface = (canvas: OffscreenCanvas, onLost: (why: string) => void) => Promise<Surface | string>;
