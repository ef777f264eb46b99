import { flagMore, wholePicture } from '../../wire/limits';
import { type Copy, type Header, PacketType, type Tiles, type Topology } from '../../wire/messages';
import type { PictureBounds } from '../../wire/parse';
import { Picture, type Rectangle } from './picture';

/** A frame whose pixels are in the picture, on their way to the canvas's surface. Times by this worker's clock. */
export interface ShownFrame {
  readonly header: Header;
  readonly capturedAfterNs: number;
  readonly encodedAfterNs: number;
  readonly receivedNs: bigint;
  readonly decodedNs: bigint;
  /** 0: applied, but not shown. */
  readonly presentedNs: bigint;
  /** The first frame after a join, a new size or another monitor says how long a whole picture takes, not a change. */
  readonly isWhole: boolean;
}

type PendingFrame = Omit<ShownFrame, 'presentedNs'>;

/** A monitor that has nothing new to send gets no frame: then the view changes after this time. */
const viewChangeMs = 150;
/** A visible page gets a turn to draw every 17 ms or so; without one for this long it is not really visible. */
const drawTurnMsMax = 100;
/** Frames that wait for one turn to draw; the host's window is smaller, so this bound is for a host that ignores it. */
const pendingMax = 64;

/**
 * The picture and the canvas it is drawn on. Pixels are decoded into the picture as packets arrive and drawn at once
 * when the last packet of a frame has been applied: what is on the canvas is always one whole frame.
 */
export class Screen {
  readonly #canvas: OffscreenCanvas;
  readonly #context: OffscreenCanvasRenderingContext2D;
  readonly #nowNs: () => bigint;
  readonly #onShown: (frame: ShownFrame) => void;
  readonly #onView: (view: Rectangle) => void;
  #picture: Picture | undefined;
  #image: ImageData | undefined;
  #bounds: PictureBounds | undefined;
  #view: Rectangle = { x: 0, y: 0, width: 0, height: 0 };
  #nextView: Rectangle | undefined;
  #viewTimer: ReturnType<typeof setTimeout> | undefined;
  #isWholeNext = true;
  #pending: PendingFrame[] = [];
  #turnTimer: ReturnType<typeof setTimeout> | undefined;
  #isHidden = false;

  constructor(
    canvas: OffscreenCanvas,
    nowNs: () => bigint,
    onShown: (frame: ShownFrame) => void,
    onView: (view: Rectangle) => void,
  ) {
    this.#canvas = canvas;
    // Not desynchronized: it may tear, and single runs with software compositing showed no clear gain.
    const context = canvas.getContext('2d', { alpha: false });
    if (context === null) throw new Error('This browser gives no 2D context to a worker.');
    this.#context = context;
    this.#nowNs = nowNs;
    this.#onShown = onShown;
    this.#onView = onView;
  }

  get bounds(): PictureBounds | undefined {
    return this.#bounds;
  }

  /** The next frame is the host's answer to a join: all of the picture. */
  expectWhole(): void {
    this.#isWholeNext = true;
  }

  /** Another session: its generations mean other pictures. What is on the canvas stays until the new picture is there. */
  forget(): void {
    this.#bounds = undefined;
  }

  /** False when there is no memory for a picture of that size. */
  setTopology(topology: Topology): boolean {
    const { generation, width, height, selected, monitors } = topology;
    if (width === 0 || height === 0) return true;
    const isNew = this.#bounds?.generation !== generation || this.#bounds.width !== width || this.#bounds.height !== height;
    if (isNew) {
      try {
        const picture = new Picture(width, height);
        this.#image = new ImageData(picture.bytes, width, height);
        this.#picture = picture;
      } catch (error) {
        if (error instanceof RangeError || error instanceof DOMException) return false;
        throw error;
      }
      this.#bounds = { generation, width, height };
      this.#isWholeNext = true;
    }

    const view = clip(selected === wholePicture ? undefined : monitors[selected], width, height);
    const target = this.#nextView ?? this.#view;
    if (isNew || view.x !== target.x || view.y !== target.y || view.width !== target.width || view.height !== target.height) {
      this.#nextView = view;
      this.#isWholeNext = true;
      clearTimeout(this.#viewTimer);
      // A new picture has nothing to show before its first frame; another monitor's pixels may all be here already.
      if (!isNew) this.#viewTimer = setTimeout(() => this.#draw(), viewChangeMs);
    }
    return true;
  }

  setHidden(isHidden: boolean): void {
    this.#isHidden = isHidden;
    if (isHidden) this.#finishPending(0n);
    else this.#draw();
  }

  /** Applies one packet of a frame. False when it does not decode: the picture can no longer be trusted. */
  apply(header: Header, message: Tiles | Copy, receivedNs: bigint): boolean {
    const isOurs = message.generation === this.#bounds?.generation;
    if (isOurs && this.#picture) {
      if (message.type === PacketType.Tiles) {
        for (const tile of message.tiles) {
          if (!this.#picture.applyTile(tile)) return false;
        }
      } else {
        for (const copy of message.copies) this.#picture.applyCopy(copy);
      }
    }
    if ((header.flags & flagMore) !== 0) return true;

    const frame: PendingFrame = {
      header,
      capturedAfterNs: message.capturedAfterNs,
      encodedAfterNs: message.encodedAfterNs,
      receivedNs,
      decodedNs: this.#nowNs(),
      isWhole: this.#isWholeNext,
    };
    // A skipped frame is acknowledged too: it holds a place in the host's window.
    if (!isOurs || this.#isHidden) {
      this.#onShown({ ...frame, presentedNs: 0n });
      return true;
    }
    this.#isWholeNext = false;
    this.#draw();
    this.#present(frame);
    return true;
  }

  #draw(): void {
    if (this.#isHidden || !this.#picture || !this.#image) return;
    clearTimeout(this.#viewTimer);
    if (this.#nextView) {
      this.#view = this.#nextView;
      this.#nextView = undefined;
      // Setting a size clears the canvas even when it stays the same.
      if (this.#canvas.width !== this.#view.width) this.#canvas.width = this.#view.width;
      if (this.#canvas.height !== this.#view.height) this.#canvas.height = this.#view.height;
      this.#picture.markDirty(this.#view);
      this.#onView(this.#view);
    }
    const { x, y } = this.#view;
    for (const area of this.#picture.takeDirty()) {
      this.#context.putImageData(this.#image, -x, -y, area.x, area.y, area.width, area.height);
    }
  }

  /**
   * The canvas hands its surface to the compositor in the worker's next animation turn, so that is when a frame counts
   * as shown. The compositor and the monitor add what no page can see (one or two refreshes).
   */
  #present(frame: PendingFrame): void {
    if (this.#pending.length === pendingMax) this.#finishPending(this.#nowNs());
    this.#pending.push(frame);
    if (this.#pending.length > 1) return;
    requestAnimationFrame(() => this.#finishPending(this.#nowNs()));
    this.#turnTimer = setTimeout(() => this.#finishPending(0n), drawTurnMsMax);
  }

  #finishPending(presentedNs: bigint): void {
    clearTimeout(this.#turnTimer);
    const frames = this.#pending;
    this.#pending = [];
    for (const frame of frames) this.#onShown({ ...frame, presentedNs });
  }
}

/** A monitor's part of the picture; the whole picture for none, or for one that does not lie in it. */
function clip(monitor: Rectangle | undefined, width: number, height: number): Rectangle {
  if (monitor) {
    const x = Math.max(0, monitor.x);
    const y = Math.max(0, monitor.y);
    const right = Math.min(width, monitor.x + monitor.width);
    const bottom = Math.min(height, monitor.y + monitor.height);
    if (right > x && bottom > y) return { x, y, width: right - x, height: bottom - y };
  }
  return { x: 0, y: 0, width, height };
}
