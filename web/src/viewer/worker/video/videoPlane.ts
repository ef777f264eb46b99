import { KeyFrameReason, type Region, type Video, VideoCodec } from '../../../wire/messages';
import { regionsMax } from '../../../wire/limits';
import { clipAll, type Rectangle, subtract } from '../geometry';
import { coveredParts } from './cover';
import type { DecodedFrame, MakeDecoder } from './decoder';
import { JitterBuffer } from './jitterBuffer';
import { type Unit, VideoStream } from './videoStream';

/** A region that moves away may come back with the same stream: its decoder waits so long. */
const graceMs = 3_000;
/** Decoders at most, those that wait included: browsers and graphics drivers have few. */
const decodersMax = regionsMax;
/** So many resets in so long without a picture in between: the decoder does not work here. */
const resetsMax = 3;
const resetsWithinMs = 10_000;
const rateMs = 1_000;

export interface VideoPlaneEvents<Frame> {
  /** Pixels to draw: `destination` shows the frame's top left, `parts` are what of it is covered. */
  onFrame(frame: Frame, message: Video, parts: readonly Rectangle[]): void;
  askForKeyFrame(region: number, reason: number): void;
  /** The decoder does not work here: tiles are wanted instead. */
  onGivenUp(why: string): void;
}

export interface VideoFigures {
  readonly regions: number;
  /** «avc1.42c01f»; empty when nothing is being decoded. */
  readonly codec: string;
  readonly framesPerSecond: number;
  readonly framesDrawn: number;
  /** Access units that gave no picture here: skipped, lost with a decoder, or for a region that is gone. */
  readonly unitsDropped: number;
  readonly resets: number;
  readonly keyFramesAsked: number;
  readonly jitterDepthMs: number;
}

export interface ListedRegion {
  readonly region: Region;
  /** What of it is covered. */
  readonly parts: readonly Rectangle[];
}

interface Stream<Frame extends DecodedFrame> {
  readonly video: VideoStream<Frame>;
  unlistedSinceMs: number | undefined;
}

/** The regions of the picture, which of its pixels they cover, and the decoders behind them. */
export class VideoPlane<Frame extends DecodedFrame> {
  readonly #make: MakeDecoder<Frame>;
  readonly #events: VideoPlaneEvents<Frame>;
  readonly #nowMs: () => number;
  readonly #jitter = new JitterBuffer();
  #listed = new Map<number, ListedRegion>();
  #streams = new Map<number, Stream<Frame>>();
  #covered: readonly Rectangle[] = [];
  #resetsMs: number[] = [];
  #drawnMs: number[] = [];
  #framesDrawn = 0;
  #unitsDropped = 0;
  #resets = 0;
  #keyFramesAsked = 0;

  constructor(make: MakeDecoder<Frame>, events: VideoPlaneEvents<Frame>, nowMs: () => number) {
    this.#make = make;
    this.#events = events;
    this.#nowMs = nowMs;
  }

  /** Every covered pixel, in rectangles that do not overlap. */
  get covered(): readonly Rectangle[] {
    return this.#covered;
  }

  get regions(): readonly ListedRegion[] {
    return [...this.#listed.values()];
  }

  /** Returns the pixels that are not covered any more. */
  setRegions(regions: readonly Region[]): Rectangle[] {
    const before = this.#covered;
    const now = this.#nowMs();
    // The bits are the packet's, which may be gone before the region is.
    this.#listed = new Map(regions.map(region => [region.region, {
      region: { ...region, cover: region.cover.slice() }, parts: coveredParts(region),
    }]));
    this.#covered = [...this.#listed.values()].flatMap(({ parts }) => parts);
    for (const [number, stream] of this.#streams) {
      if (this.#listed.has(number)) stream.unlistedSinceMs = undefined;
      else stream.unlistedSinceMs ??= now;
    }
    return before.length === 0 ? [] : subtract(before, this.#covered);
  }

  /** Takes one access unit; `encodedNs` by the host's clock and `receivedNs` by ours say when it is due. 0: at once. */
  add(unit: Unit, encodedNs: number, receivedNs: number): void {
    const { message } = unit;
    let dueMs = 0;
    if (encodedNs === 0) this.#jitter.forget();
    else dueMs = this.#jitter.add(encodedNs, receivedNs) / 1e6;
    if (message.codec !== VideoCodec.H264 || !this.#listed.has(message.region)) {
      this.#unitsDropped++;
      unit.done(false);
      return;
    }
    this.#stream(message.region).video.add(unit, dueMs);
  }

  #stream(number: number): Stream<Frame> {
    let stream = this.#streams.get(number);
    if (stream) return stream;
    if (this.#streams.size >= decodersMax) this.#closeLongestGone();
    stream = {
      unlistedSinceMs: undefined,
      video: new VideoStream(this.#make, {
        onFrame: (frame, message) => this.#onFrame(frame, message),
        onReset: why => this.#onReset(why),
        onDropped: () => { this.#unitsDropped++; },
        areDecodersDoubtful: () => this.#resetsMs.length > 0,
        askForKeyFrame: reason => {
          if (!this.#listed.has(number)) return;
          this.#keyFramesAsked++;
          this.#events.askForKeyFrame(number, reason);
        },
      }, this.#nowMs),
    };
    this.#streams.set(number, stream);
    return stream;
  }

  #closeLongestGone(): void {
    let oldest: number | undefined;
    for (const [number, { unlistedSinceMs }] of this.#streams) {
      if (unlistedSinceMs !== undefined && unlistedSinceMs < (this.#streams.get(oldest ?? -1)?.unlistedSinceMs ?? Infinity)) oldest = number;
    }
    if (oldest !== undefined) this.#close(oldest);
  }

  #close(number: number): void {
    this.#streams.get(number)?.video.drop();
    this.#streams.delete(number);
  }

  #onFrame(frame: Frame, message: Video): void {
    this.#resetsMs = [];
    const now = this.#nowMs();
    this.#drawnMs.push(now);
    this.#forgetDrawn(now);
    this.#framesDrawn++;
    const listed = this.#listed.get(message.region);
    if (!listed) return;
    const parts = clipAll(listed.parts, message);
    if (parts.length > 0) this.#events.onFrame(frame, message, parts);
  }

  #onReset(why: string): void {
    this.#resets++;
    const now = this.#nowMs();
    this.#resetsMs = this.#resetsMs.filter(atMs => atMs > now - resetsWithinMs);
    this.#resetsMs.push(now);
    if (this.#resetsMs.length < resetsMax) return;
    this.#resetsMs = [];
    this.#events.onGivenUp(why);
  }

  #forgetDrawn(now: number): void {
    while (this.#drawnMs.length > 0 && this.#drawnMs[0] <= now - rateMs) this.#drawnMs.shift();
  }

  /** A few times a second: closes decoders whose grace is over, and looks after the others. */
  look(): void {
    const now = this.#nowMs();
    for (const [number, { video, unlistedSinceMs }] of this.#streams) {
      if (unlistedSinceMs !== undefined && now - unlistedSinceMs > graceMs) this.#close(number);
      else video.look();
    }
  }

  /** Nobody looks: what is under way is dropped, and decoders with it. */
  pause(): void {
    for (const { video } of this.#streams.values()) video.drop();
  }

  /** Covered pixels have lost what they showed: their video is wanted whole. */
  askForAll(): void {
    for (const number of this.#listed.keys()) this.#stream(number).video.ask(KeyFrameReason.Recreated);
  }

  /** Another picture, or another connection: no region, no decoder, no estimate. */
  clear(): void {
    for (const number of [...this.#streams.keys()]) this.#close(number);
    this.#listed.clear();
    this.#covered = [];
    this.#jitter.forget();
  }

  figures(): VideoFigures {
    this.#forgetDrawn(this.#nowMs());
    return {
      regions: this.#listed.size,
      codec: [...this.#streams.values()].find(({ video }) => video.codec !== '')?.video.codec ?? '',
      framesPerSecond: this.#drawnMs.length,
      framesDrawn: this.#framesDrawn,
      unitsDropped: this.#unitsDropped,
      resets: this.#resets,
      keyFramesAsked: this.#keyFramesAsked,
      jitterDepthMs: this.#jitter.depthMs,
    };
  }
}
