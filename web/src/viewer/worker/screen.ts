import { flagMore, wholePicture } from '../../wire/limits';
import { type Copy, type Header, PacketType, type Regions, type Tiles, type Topology, type Video, VideoFlag } from '../../wire/messages';
import type { PictureBounds } from '../../wire/parse';
import { clipAll, type Rectangle, subtract } from './geometry';
import { Picture } from './picture';
import type { Surface } from './presentation/surface';
import type { MakeDecoder } from './video/decoder';
import { VideoPlane } from './video/videoPlane';

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

/** A frame between its first packet and its acknowledgement. */
interface Frame {
  header: Header;
  capturedAfterNs: number;
  encodedAfterNs: number;
  receivedNs: bigint;
  decodedNs: bigint;
  presentedNs: bigint;
  isWhole: boolean;
  /** Its last packet has come and its tiles are drawn. */
  isComplete: boolean;
  /** Access units that are not drawn or dropped yet. */
  units: number;
  /** Its tiles are drawn, or an access unit of it gave a picture. */
  isDrawn: boolean;
  isOver: boolean;
}

export interface ScreenEvents {
  onShown(frame: ShownFrame): void;
  onView(view: Rectangle): void;
  askForKeyFrame(region: number, reason: number): void;
  /** H.264 cannot be decoded here after all. */
  onVideoGivenUp(why: string): void;
  /** The surface cannot be as large as the picture. */
  onSurfaceTooSmall(width: number, height: number): void;
  /** The surface does not take what a browser should be able to draw. */
  onSurfaceFailed(why: string): void;
  /** The regions changed, or what they cover; `refined` shows exact pixels again. */
  onRegions(refined: readonly Rectangle[]): void;
}

/** A monitor that has nothing new to send gets no frame: then the view changes after this time. */
const viewChangeMs = 150;
/** A visible page gets a turn to draw every 17 ms or so; without one for this long it is not really visible. */
const drawTurnMsMax = 100;
/** Frames that are not acknowledged yet; the host's window is smaller, so this bound is for a host that ignores it. */
const framesMax = 64;

/**
 * Two planes and the surface they are drawn on. The tile plane is the picture, exact at all times; its pixels are decoded
 * as packets arrive and drawn at once when the last packet of a frame has been applied, so that what is seen is always one
 * whole frame. The video plane lies over it: where a region covers the picture, its video is drawn as it is decoded, and
 * nothing of the tile plane.
 */
export class Screen {
  readonly #nowNs: () => bigint;
  readonly #events: ScreenEvents;
  readonly #plane: VideoPlane<VideoFrame>;
  #surface: Surface | undefined;
  #picture: Picture | undefined;
  #bounds: PictureBounds | undefined;
  #view: Rectangle = { x: 0, y: 0, width: 0, height: 0 };
  #nextView: Rectangle | undefined;
  #viewTimer: ReturnType<typeof setTimeout> | undefined;
  #isWholeNext = true;
  /** The surface holds nothing of what it should show. */
  #isSurfaceEmpty = true;
  /** In the order they came in: the host takes a frame's acknowledgement for those before it too. */
  #frames: Frame[] = [];
  #turn: Frame[] = [];
  #turnTimer: ReturnType<typeof setTimeout> | undefined;
  #isHidden = false;
  /** The host is this machine: nothing lies between that could delay one frame more than another. */
  isHostNear = false;

  constructor(nowNs: () => bigint, makeDecoder: MakeDecoder<VideoFrame>, events: ScreenEvents) {
    this.#nowNs = nowNs;
    this.#events = events;
    this.#plane = new VideoPlane(makeDecoder, {
      onFrame: (frame, message, parts) => this.#drawVideo(frame, message, parts),
      askForKeyFrame: (region, reason) => events.askForKeyFrame(region, reason),
      onGivenUp: why => events.onVideoGivenUp(why),
    }, () => performance.now());
  }

  get bounds(): PictureBounds | undefined {
    return this.#bounds;
  }

  get plane(): VideoPlane<VideoFrame> {
    return this.#plane;
  }

  /** What to draw on from now on; it holds nothing yet, and goes on from `before`, what was drawn until now, when that is given. */
  setSurface(surface: Surface | undefined, before?: OffscreenCanvas): void {
    const goesOn = before !== undefined && !this.#isSurfaceEmpty && !this.#nextView && !this.#isHidden;
    this.#surface = surface;
    this.#isSurfaceEmpty = true;
    if (!surface) return;
    this.#draw(goesOn ? before : undefined);
    if (!this.#isHidden && !goesOn) this.#plane.askForAll();
  }

  /** The next frame is the host's answer to a join: all of the picture, and no region before it says so. */
  expectWhole(): void {
    this.#isWholeNext = true;
    this.#frames = [];
    this.#turn = [];
    this.#clearPlane();
  }

  /** Another session: its generations mean other pictures. What is on the canvas stays until the new picture is there. */
  forget(): void {
    this.#bounds = undefined;
    this.#clearPlane();
  }

  #clearPlane(): void {
    for (const area of this.#plane.covered) this.#picture?.markDirty(area);
    this.#plane.clear();
    this.#events.onRegions([]);
  }

  /** False when there is no memory for a picture of that size. */
  setTopology(topology: Topology): boolean {
    const { generation, width, height, selected, monitors } = topology;
    if (width === 0 || height === 0) return true;
    const isNew = this.#bounds?.generation !== generation || this.#bounds.width !== width || this.#bounds.height !== height;
    if (isNew) {
      this.#clearPlane();
      try {
        this.#picture = new Picture(width, height);
      } catch (error) {
        if (error instanceof RangeError) return false;
        throw error;
      }
      this.#bounds = { generation, width, height };
      this.#isWholeNext = true;
    }

    const view = clipToMonitor(selected === wholePicture ? undefined : monitors[selected], width, height);
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
    if (isHidden === this.#isHidden) return;
    this.#isHidden = isHidden;
    if (isHidden) {
      // Nobody looks: decoding would cost, and holding what comes would fill the host's window.
      this.#plane.pause();
      this.#endTurn(0n);
    } else {
      this.#draw();
      this.#plane.askForAll();
    }
  }

  /** Applies one packet of a frame. False when it does not decode: the picture can no longer be trusted. */
  apply(header: Header, message: Tiles | Copy | Regions | Video, receivedNs: bigint): boolean {
    const frame = this.#frameOf(header, message, receivedNs);
    const isOurs = message.generation === this.#bounds?.generation;
    if (isOurs && this.#picture) {
      switch (message.type) {
        case PacketType.Tiles:
          for (const tile of message.tiles) {
            if (!this.#picture.applyTile(tile)) return false;
          }
          break;
        case PacketType.Copy:
          for (const copy of message.copies) this.#picture.applyCopy(copy);
          break;
        case PacketType.Regions: {
          const refined = this.#plane.setRegions(message.regions);
          for (const area of refined) this.#picture.markDirty(area);
          this.#events.onRegions(refined);
          break;
        }
        case PacketType.Video: this.#addVideo(frame, message); break;
      }
    }
    if (message.type !== PacketType.Video) frame.decodedNs = this.#nowNs();
    if ((header.flags & flagMore) !== 0) return true;

    frame.isComplete = true;
    // A skipped frame is acknowledged too: it holds a place in the host's window.
    if (isOurs && !this.#isHidden && this.#surface) {
      if (message.type !== PacketType.Video) frame.isDrawn = true;
      this.#isWholeNext = false;
      this.#draw();
    }
    this.#advance(frame);
    return true;
  }

  #frameOf(header: Header, message: Tiles | Copy | Regions | Video, receivedNs: bigint): Frame {
    let frame = this.#frames.at(-1);
    if (!frame || frame.isComplete || frame.header.sequence !== header.sequence) {
      // One whose end never came holds up no other.
      if (frame && !frame.isComplete) this.#finish(frame, 0n);
      frame = {
        header, capturedAfterNs: 0, encodedAfterNs: 0, receivedNs, decodedNs: receivedNs, presentedNs: 0n,
        isWhole: this.#isWholeNext, isComplete: false, units: 0, isDrawn: false, isOver: false,
      };
      this.#frames.push(frame);
      if (this.#frames.length > framesMax) this.#finish(this.#frames[0], 0n);
    }
    frame.header = header;
    frame.capturedAfterNs = message.capturedAfterNs;
    frame.encodedAfterNs = message.encodedAfterNs;
    frame.receivedNs = receivedNs;
    return frame;
  }

  // ---- The video plane ------------------------------------------------------------------------------------------

  #addVideo(frame: Frame, message: Video): void {
    if (this.#isHidden) return;
    frame.units++;
    const { originNs } = frame.header;
    // A frame without an origin says nothing about the network, and is shown at once.
    const encodedNs = originNs === 0n || this.isHostNear ? 0 : Number(originNs) + message.encodedAfterNs;
    this.#plane.add({
      message,
      done: hasPicture => {
        frame.units--;
        frame.isDrawn ||= hasPicture;
        frame.decodedNs = this.#nowNs();
        this.#advance(frame);
      },
    }, encodedNs, Number(frame.receivedNs));
  }

  #drawVideo(frame: VideoFrame, message: Video, parts: readonly Rectangle[]): void {
    if (this.#isHidden || !this.#surface || this.#nextView || this.#isSurfaceEmpty) return;
    const divisor = (message.flags & VideoFlag.HalfSize) === 0 ? 1 : 2;
    const source = { width: message.width / divisor, height: message.height / divisor };
    // The stream shows less than the packet says: there is nothing to draw for the rest.
    if (frame.displayWidth < source.width || frame.displayHeight < source.height) return;
    const { x, y } = this.#view;
    const visible = clipAll(parts, this.#view).map(part => ({ ...part, x: part.x - x, y: part.y - y }));
    if (visible.length === 0) return;
    try {
      this.#surface.drawVideo(frame, source, { x: message.x - x, y: message.y - y, width: message.width, height: message.height }, visible);
      this.#surface.present();
    } catch (error) {
      // Not every browser takes frames of video everywhere, and none says so beforehand.
      this.#events.onSurfaceFailed(String(error));
    }
  }

  // ---- Drawing --------------------------------------------------------------------------------------------------

  #draw(before?: OffscreenCanvas): void {
    const surface = this.#surface;
    const picture = this.#picture;
    if (this.#isHidden || !surface || !picture) return;
    clearTimeout(this.#viewTimer);
    let covered = this.#plane.covered;
    if (this.#nextView || this.#isSurfaceEmpty) {
      const view = this.#nextView ?? this.#view;
      if (!surface.resize(view.width, view.height)) {
        this.#events.onSurfaceTooSmall(view.width, view.height);
        return;
      }
      this.#isSurfaceEmpty = false;
      this.#view = view;
      this.#nextView = undefined;
      picture.markDirty(view);
      this.#events.onView(view);
      if (before) surface.putCanvas(before);
      // Until the next access unit is drawn the tile plane is the best there is, covered or not.
      else covered = [];
    }
    const dirty = clipAll(picture.takeDirty(), this.#view);
    const areas = covered.length === 0 ? dirty : subtract(dirty, covered);
    if (areas.length === 0) return;
    surface.putTiles(picture, this.#view, areas);
    surface.present();
  }

  // ---- Acknowledgements -----------------------------------------------------------------------------------------

  /** When nothing of a frame is left to be done, it counts as shown in the worker's next animation turn. */
  #advance(frame: Frame): void {
    if (frame.isOver || !frame.isComplete || frame.units > 0) return;
    if (frame.isDrawn && !this.#isHidden && this.#surface) this.#present(frame);
    else this.#finish(frame, 0n);
  }

  /**
   * The canvas hands its surface to the compositor in the worker's next animation turn, so that is when a frame counts
   * as shown. The compositor and the monitor add what no page can see (one or two refreshes).
   */
  #present(frame: Frame): void {
    this.#turn.push(frame);
    if (this.#turn.length > 1) return;
    requestAnimationFrame(() => this.#endTurn(this.#nowNs()));
    this.#turnTimer = setTimeout(() => this.#endTurn(0n), drawTurnMsMax);
  }

  #endTurn(presentedNs: bigint): void {
    clearTimeout(this.#turnTimer);
    for (const frame of this.#turn.splice(0)) this.#finish(frame, presentedNs);
  }

  #finish(frame: Frame, presentedNs: bigint): void {
    if (frame.isOver) return;
    frame.isOver = true;
    frame.presentedNs = presentedNs;
    while (this.#frames[0]?.isOver) this.#events.onShown(this.#frames.shift()!);
  }
}

/** A monitor's part of the picture; the whole picture for none, or for one that does not lie in it. */
function clipToMonitor(monitor: Rectangle | undefined, width: number, height: number): Rectangle {
  if (monitor) {
    const x = Math.max(0, monitor.x);
    const y = Math.max(0, monitor.y);
    const right = Math.min(width, monitor.x + monitor.width);
    const bottom = Math.min(height, monitor.y + monitor.height);
    if (right > x && bottom > y) return { x, y, width: right - x, height: bottom - y };
  }
  return { x: 0, y: 0, width, height };
}
