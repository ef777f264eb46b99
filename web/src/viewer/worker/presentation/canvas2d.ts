import type { Rectangle } from '../geometry';
import type { Picture } from '../picture';
import type { MakeSurface, Surface } from './surface';

/** Drawn by the browser: no graphics processor is needed. */
class Canvas2dSurface implements Surface {
  readonly kind = 'canvas2d';
  readonly #canvas: OffscreenCanvas;
  readonly #context: OffscreenCanvasRenderingContext2D;
  #picture: Picture | undefined;
  #image: ImageData | undefined;
  #onLost: (() => void) | undefined;

  constructor(canvas: OffscreenCanvas, context: OffscreenCanvasRenderingContext2D, onLost: (why: string) => void) {
    this.#canvas = canvas;
    this.#context = context;
    this.#onLost = () => onLost('the 2D context was lost');
    canvas.addEventListener('contextlost', () => this.#onLost?.());
  }

  resize(width: number, height: number): boolean {
    // Setting a size clears the canvas even when it stays the same.
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    return true;
  }

  putCanvas(canvas: OffscreenCanvas): void {
    this.#context.drawImage(canvas, 0, 0);
  }

  putTiles(picture: Picture, view: Rectangle, areas: readonly Rectangle[]): void {
    if (picture !== this.#picture) {
      this.#picture = picture;
      this.#image = new ImageData(picture.bytes, picture.width, picture.height);
    }
    for (const area of areas) {
      this.#context.putImageData(this.#image!, -view.x, -view.y, area.x, area.y, area.width, area.height);
    }
  }

  drawVideo(frame: VideoFrame, source: { readonly width: number; readonly height: number }, { x, y, width, height }: Rectangle, parts: readonly Rectangle[]): void {
    const context = this.#context;
    context.save();
    context.beginPath();
    for (const part of parts) context.rect(part.x, part.y, part.width, part.height);
    context.clip();
    context.imageSmoothingEnabled = source.width !== width || source.height !== height;
    context.imageSmoothingQuality = 'low';
    context.drawImage(frame, 0, 0, source.width, source.height, x, y, width, height);
    context.restore();
  }

  /** The browser takes what is drawn by itself. */
  present(): void {}

  dispose(): void {
    this.#onLost = undefined;
    this.#picture = undefined;
    this.#image = undefined;
    // Its pixels are given back now, whenever it is collected.
    this.#canvas.width = this.#canvas.height = 0;
  }
}

async function make(canvas: OffscreenCanvas, onLost: (why: string) => void, settings?: CanvasRenderingContext2DSettings): Promise<Surface | string> {
  // Not desynchronized: it may tear, and single runs with software compositing showed no clear gain.
  const context = canvas.getContext('2d', { alpha: false, ...settings });
  return context === null ? 'this browser gives no 2D context to a worker' : new Canvas2dSurface(canvas, context, onLost);
}

export const makeCanvas2d: MakeSurface = (canvas, onLost) => make(canvas, onLost);

/** Keeps its pixels in memory: begins at once whatever the graphics processor does, and can be read as quickly. */
export const makeCanvas2dInMemory: MakeSurface = (canvas, onLost) => make(canvas, onLost, { willReadFrequently: true });
