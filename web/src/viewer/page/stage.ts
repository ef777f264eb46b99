import type { Rectangle } from '../worker/geometry';
import { centreOf, isPixelExact, place, type Placement, type Point, type Size, type Zoom, zoomAt } from './zoom';

/** Device pixels that an arrow key moves a picture that is larger than the window. */
const arrowStep = 64;

interface CursorShape {
  readonly width: number;
  readonly height: number;
  readonly hotspotX: number;
  readonly hotspotY: number;
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
}

/** Lays the picture and the cursor out in whole device pixels, and moves and zooms them. */
export class Stage {
  readonly #stage: HTMLElement;
  readonly #frame: HTMLElement;
  #picture: HTMLCanvasElement;
  /** Lies under the picture until something is drawn on it. */
  #nextPicture: HTMLCanvasElement | undefined;
  readonly #cursor: HTMLCanvasElement;
  readonly #onZoom: (zoom: Zoom) => void;
  #zoom: Zoom = 'fit';
  #view: Rectangle = { x: 0, y: 0, width: 0, height: 0 };
  #size: Size = { width: 0, height: 0 };
  #ratio = devicePixelRatio;
  #centre: Point = { x: 0, y: 0 };
  #placement: Placement = { scale: 1, left: 0, top: 0, width: 1, height: 1, isPannable: false };
  #shape: CursorShape | undefined;
  #cursorAt: Point = { x: 0, y: 0 };
  readonly #pointers = new Map<number, Point>();

  constructor(stage: HTMLElement, frame: HTMLElement, picture: HTMLCanvasElement, cursor: HTMLCanvasElement, onZoom: (zoom: Zoom) => void) {
    this.#stage = stage;
    this.#frame = frame;
    this.#picture = picture;
    this.#cursor = cursor;
    this.#onZoom = onZoom;
    this.#observeSize();
    stage.addEventListener('wheel', event => this.#wheel(event), { passive: false });
    stage.addEventListener('pointerdown', event => this.#pointerDown(event));
    stage.addEventListener('pointermove', event => this.#pointerMove(event));
    for (const end of ['pointerup', 'pointercancel'] as const) {
      stage.addEventListener(end, event => this.#pointers.delete(event.pointerId));
    }
  }

  #observeSize(): void {
    const observer = new ResizeObserver(entries => {
      const entry = entries[0];
      this.#ratio = devicePixelRatio;
      const width = entry.contentRect.width * this.#ratio;
      const height = entry.contentRect.height * this.#ratio;
      // Only the browser knows to how many real pixels it rounds the window. Safari does not tell, and an emulated ratio
      // (developer tools) is not in the figure: then the ratio times the CSS size is as near as it gets.
      const exact = entry.devicePixelContentBoxSize?.[0];
      const isExact = exact !== undefined && Math.abs(exact.inlineSize - width) < 2 && Math.abs(exact.blockSize - height) < 2;
      this.#size = isExact
        ? { width: exact.inlineSize, height: exact.blockSize }
        : { width: Math.round(width), height: Math.round(height) };
      this.#layOut();
    });
    try {
      observer.observe(this.#stage, { box: 'device-pixel-content-box' });
    } catch {
      // Safari knows the plain box only.
      observer.observe(this.#stage);
    }
  }

  get zoom(): Zoom {
    return this.#zoom;
  }

  get isPannable(): boolean {
    return this.#placement.isPannable;
  }

  setZoom(zoom: Zoom): void {
    this.#zoom = zoom;
    this.#layOut();
    this.#onZoom(zoom);
  }

  zoomBy(factor: number, at: Point = { x: this.#size.width / 2, y: this.#size.height / 2 }): void {
    const next = zoomAt(this.#placement, this.#size, factor, at);
    this.#centre = next.centre;
    this.setZoom(next.zoom);
  }

  pan(right: number, down: number): void {
    if (!this.#placement.isPannable) return;
    const { scale } = this.#placement;
    const middle = centreOf(this.#placement, this.#size);
    this.#centre = { x: middle.x + right / scale, y: middle.y + down / scale };
    this.#layOut();
  }

  panBySteps(right: number, down: number): void {
    this.pan(right * arrowStep * this.#ratio, down * arrowStep * this.#ratio);
  }

  /** A new canvas for a presentation that the old one cannot have; the old one is seen until `showNextPicture`. */
  addNextPicture(): HTMLCanvasElement {
    this.#nextPicture?.remove();
    // What it is called, but neither its size nor what it shows.
    const picture = this.#picture.cloneNode() as HTMLCanvasElement;
    picture.removeAttribute('id');
    this.#nextPicture = picture;
    this.#picture.before(picture);
    return picture;
  }

  showNextPicture(): void {
    if (!this.#nextPicture) return;
    this.#nextPicture.id = this.#picture.id;
    this.#picture.remove();
    this.#picture = this.#nextPicture;
    this.#nextPicture = undefined;
    this.#layOut();
  }

  /** The part of the host's picture that the canvas holds. */
  setView(view: Rectangle): void {
    const isOther = view.width !== this.#view.width || view.height !== this.#view.height || view.x !== this.#view.x || view.y !== this.#view.y;
    this.#view = view;
    if (isOther) this.#centre = { x: view.width / 2, y: view.height / 2 };
    this.#layOut();
  }

  setCursorShape(shape: CursorShape): void {
    this.#shape = shape;
    if (shape.width > 0) {
      this.#cursor.width = shape.width;
      this.#cursor.height = shape.height;
      this.#cursor.getContext('2d')?.putImageData(new ImageData(shape.pixels, shape.width, shape.height), 0, 0);
    }
    this.#placeCursor();
  }

  setCursorPosition(x: number, y: number): void {
    this.#cursorAt = { x, y };
    this.#placeCursor();
  }

  #layOut(): void {
    if (this.#view.width === 0 || this.#size.width === 0) return;
    const placement = place(this.#zoom, this.#view, this.#size, this.#centre);
    this.#placement = placement;
    const ratio = this.#ratio;
    const { style } = this.#frame;
    style.left = `${placement.left / ratio}px`;
    style.top = `${placement.top / ratio}px`;
    style.width = `${placement.width / ratio}px`;
    style.height = `${placement.height / ratio}px`;
    const isExact = isPixelExact(placement.scale);
    this.#picture.classList.toggle('exact', isExact);
    this.#cursor.classList.toggle('exact', isExact);
    this.#stage.classList.toggle('pannable', placement.isPannable);
    this.#placeCursor();
  }

  #placeCursor(): void {
    const shape = this.#shape;
    const isVisible = shape !== undefined && shape.width > 0 && this.#view.width > 0;
    this.#cursor.hidden = !isVisible;
    if (!isVisible) return;
    const scale = this.#placement.scale / this.#ratio;
    const x = (this.#cursorAt.x - shape.hotspotX - this.#view.x) * scale;
    const y = (this.#cursorAt.y - shape.hotspotY - this.#view.y) * scale;
    const { style } = this.#cursor;
    style.width = `${shape.width * scale}px`;
    style.height = `${shape.height * scale}px`;
    style.transform = `translate(${x}px, ${y}px)`;
  }

  #toStage(event: MouseEvent): Point {
    const box = this.#stage.getBoundingClientRect();
    return { x: (event.clientX - box.left) * this.#ratio, y: (event.clientY - box.top) * this.#ratio };
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault();
    // Lines and pages become pixels; a pinch on a touch pad comes as a wheel with Ctrl.
    const unit = (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : event.deltaMode === WheelEvent.DOM_DELTA_PAGE ? 400 : 1) * this.#ratio;
    if (event.ctrlKey) this.zoomBy(Math.exp(-event.deltaY * unit / this.#ratio / 240), this.#toStage(event));
    else if (event.shiftKey && event.deltaX === 0) this.pan(event.deltaY * unit, 0);
    else this.pan(event.deltaX * unit, event.deltaY * unit);
  }

  #pointerDown(event: PointerEvent): void {
    if (event.pointerType === 'mouse' && event.button !== 0) return;
    // Two fingers are all that means something.
    if (this.#pointers.size === 2) return;
    this.#stage.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, this.#toStage(event));
  }

  #pointerMove(event: PointerEvent): void {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const now = this.#toStage(event);
    this.#pointers.set(event.pointerId, now);
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (!other) {
      this.pan(before.x - now.x, before.y - now.y);
      return;
    }
    const distance = (point: Point): number => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
    this.zoomBy(distance(now) / distance(before), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
  }
}
