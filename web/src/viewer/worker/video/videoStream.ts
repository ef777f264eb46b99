import { KeyFrameReason, type Video, VideoFlag } from '../../../wire/messages';
import { codecOf } from './annexB';
import type { DecodedFrame, Decoder, MakeDecoder } from './decoder';
import { StreamChain } from './streamChain';

/** Access units that are being decoded; with more the decoder is too slow, and what it would show is old. */
export const decodingMax = 16;
/** Access units that wait until they are due: what 100 ms hold at 240 a second. */
const heldMax = 24;
/** A decoder that gives out nothing for so long although it has something is stuck. */
const silenceMsMax = 500;
/** A key frame that was asked for and did not come is asked for again; the host makes at most one in 250 ms. */
const askEveryMs = 250;
const askAgainMs = 1_000;

export interface Unit {
  readonly message: Video;
  /** Called once: it was drawn (or there was nothing to draw it on), or it was dropped. */
  done(hasPicture: boolean): void;
}

export interface VideoStreamEvents<Frame> {
  /** Borrows the frame, which is closed afterwards. */
  onFrame(frame: Frame, message: Video): void;
  onReset(why: string): void;
  onDropped(): void;
  askForKeyFrame(reason: number): void;
  /** Decoders have failed lately, and none has given a picture since. */
  areDecodersDoubtful(): boolean;
}

/**
 * One region's access units on their way to pictures: in order, when they are due, through one decoder. Whatever comes,
 * every unit is over at some time and nothing is thrown.
 */
export class VideoStream<Frame extends DecodedFrame> {
  readonly #make: MakeDecoder<Frame>;
  readonly #events: VideoStreamEvents<Frame>;
  readonly #nowMs: () => number;
  readonly #chain = new StreamChain();
  #decoder: Decoder | undefined;
  #codec = '';
  /** By the time stamp that the decoder gives back. */
  #decoding = new Map<number, Unit>();
  #timestamp = 0;
  #lastSignMs = 0;
  #held: { readonly unit: Unit; readonly dueMs: number }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #askedMs = -Infinity;
  #isAskOwed = false;
  #owedReason: number = KeyFrameReason.Missing;

  constructor(make: MakeDecoder<Frame>, events: VideoStreamEvents<Frame>, nowMs: () => number) {
    this.#make = make;
    this.#events = events;
    this.#nowMs = nowMs;
  }

  get codec(): string {
    return this.#decoder ? this.#codec : '';
  }

  /** Takes one access unit, to be decoded when it is due. */
  add(unit: Unit, dueMs: number): void {
    if (this.#held.length === 0 && dueMs <= this.#nowMs()) {
      this.#take(unit);
      return;
    }
    // Never before the one in front of it.
    this.#held.push({ unit, dueMs: Math.max(dueMs, this.#held.at(-1)?.dueMs ?? 0) });
    if (this.#held.length > heldMax) this.#takeDue(this.#held.length - heldMax);
    this.#wait();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    if (this.#held.length === 0) return;
    this.#timer = setTimeout(() => {
      const now = this.#nowMs();
      // Half a millisecond early is nearer than the timer's next tick.
      const later = this.#held.findIndex(held => held.dueMs > now + 0.5);
      this.#takeDue(later < 0 ? this.#held.length : later);
      this.#wait();
    }, Math.max(0, this.#held[0].dueMs - this.#nowMs()));
  }

  #takeDue(count: number): void {
    for (const { unit } of this.#held.splice(0, count)) this.#take(unit);
  }

  #take(unit: Unit): void {
    const { message } = unit;
    const isKeyFrame = (message.flags & VideoFlag.KeyFrame) !== 0;
    const step = this.#chain.next(message.stream, message.number, isKeyFrame);
    if (step === 'skip' || step === 'skipAndAsk') {
      this.#drop(unit);
      if (step === 'skipAndAsk') this.ask(KeyFrameReason.Missing);
      return;
    }
    if (this.#decoding.size >= decodingMax) {
      this.#reset();
      if (!isKeyFrame) {
        this.#drop(unit);
        this.ask(KeyFrameReason.Missing);
        return;
      }
      // The chain begins anew with this very unit.
      this.#chain.next(message.stream, message.number, true);
    }
    if (isKeyFrame) {
      this.#isAskOwed = false;
      const codec = codecOf(message.data);
      if (codec === undefined) {
        this.#drop(unit);
        this.#fail('a key frame without its parameter sets');
        return;
      }
      if (step === 'decodeWithNewDecoder' || codec !== this.#codec) this.#closeDecoder();
      this.#codec = codec;
      this.#decoder ??= this.#makeDecoder(codec, message);
    }
    const timestamp = this.#timestamp++;
    if (this.#decoding.size === 0) this.#lastSignMs = this.#nowMs();
    this.#decoding.set(timestamp, unit);
    if (this.#decoder?.decode(message.data, isKeyFrame, timestamp) !== true) this.#fail('the decoder does not take it');
  }

  #makeDecoder(codec: string, { codedWidth, codedHeight }: Video): Decoder | undefined {
    // A decoder that was replaced may still call.
    let isCurrent = (): boolean => true;
    const decoder = this.#make({ codec, codedWidth, codedHeight, isSoftwareWanted: this.#events.areDecodersDoubtful() }, {
      onFrame: frame => {
        if (isCurrent()) this.#onFrame(frame);
        else frame.close();
      },
      onError: why => {
        if (isCurrent()) this.#fail(why);
      },
    });
    isCurrent = () => this.#decoder === decoder;
    return decoder;
  }

  #onFrame(frame: Frame): void {
    this.#lastSignMs = this.#nowMs();
    const unit = this.#decoding.get(frame.timestamp);
    // Frames come in order: what was before this one gave no picture.
    for (const [timestamp, earlier] of this.#decoding) {
      if (timestamp >= frame.timestamp) break;
      this.#decoding.delete(timestamp);
      this.#drop(earlier);
    }
    if (unit) {
      this.#decoding.delete(frame.timestamp);
      this.#events.onFrame(frame, unit.message);
    }
    // Now, not when it is collected: a decoder has few, and waits for them.
    frame.close();
    unit?.done(true);
  }

  #drop(unit: Unit): void {
    this.#events.onDropped();
    unit.done(false);
  }

  /** The decoder is gone or cannot be trusted. */
  #fail(why: string): void {
    this.#reset();
    this.#events.onReset(why);
    this.ask(KeyFrameReason.DecoderError);
  }

  #reset(): void {
    this.#closeDecoder();
    this.#chain.break();
  }

  #closeDecoder(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
    const units = [...this.#decoding.values()];
    this.#decoding.clear();
    for (const unit of units) this.#drop(unit);
  }

  /** Asks for a key frame, at most once in 250 ms; what is asked in between is asked at the next look. */
  ask(reason: number): void {
    const now = this.#nowMs();
    if (now - this.#askedMs < askEveryMs) {
      if (!this.#isAskOwed) this.#owedReason = reason;
      this.#isAskOwed = true;
      return;
    }
    this.#askedMs = now;
    this.#isAskOwed = false;
    this.#events.askForKeyFrame(reason);
  }

  /** Once in a while: a stuck decoder, and a key frame that did not come. */
  look(): void {
    const now = this.#nowMs();
    if (this.#decoding.size > 0 && now - this.#lastSignMs > silenceMsMax) this.#fail('the decoder gives no picture');
    if (this.#isAskOwed) this.ask(this.#owedReason);
    else if (this.#chain.isBroken && Number.isFinite(this.#askedMs) && now - this.#askedMs > askAgainMs) this.ask(KeyFrameReason.Missing);
  }

  /** What was not drawn yet is not wanted any more: the page is hidden, or the picture is another one. Asks for nothing. */
  drop(): void {
    clearTimeout(this.#timer);
    for (const { unit } of this.#held.splice(0)) this.#drop(unit);
    this.#reset();
    this.#isAskOwed = false;
    this.#askedMs = -Infinity;
  }
}
