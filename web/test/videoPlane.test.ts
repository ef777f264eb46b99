import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KeyFrameReason, PacketType, type Region, type Video, VideoCodec, VideoFlag } from '../src/wire/messages';
import { type Rectangle, subtract, takeRuns } from '../src/viewer/worker/geometry';
import { codecOf } from '../src/viewer/worker/video/annexB';
import { coveredParts } from '../src/viewer/worker/video/cover';
import type { DecodedFrame, DecoderEvents, DecoderWish } from '../src/viewer/worker/video/decoder';
import { JitterBuffer } from '../src/viewer/worker/video/jitterBuffer';
import { StreamChain } from '../src/viewer/worker/video/streamChain';
import { VideoPlane } from '../src/viewer/worker/video/videoPlane';
import { decodingMax } from '../src/viewer/worker/video/videoStream';
import { seeded } from './support/bytes';
import { type Box, regionOf } from './support/video';

/** How often each pixel of a picture lies in one of the rectangles. */
function counts(width: number, height: number, rectangles: readonly Rectangle[]): Uint8Array {
  const map = new Uint8Array(width * height);
  for (const { x, y, width: across, height: down } of rectangles) {
    for (let line = y; line < y + down; line++) for (let column = x; column < x + across; column++) map[line * width + column]++;
  }
  return map;
}

describe('Geometry', () => {
  it('RandomHoles_EveryPixelOutsideOnceAndNoneInside', () => {
    const random = seeded(5);
    const box = (): Rectangle => ({
      x: Math.floor(random() * 30), y: Math.floor(random() * 20), width: 1 + Math.floor(random() * 20), height: 1 + Math.floor(random() * 14),
    });
    for (let i = 0; i < 300; i++) {
      const area = box();
      const holes = Array.from({ length: Math.floor(random() * 4) }, box);
      const wanted = counts(60, 40, [area]);
      const inHoles = counts(60, 40, holes);
      for (let at = 0; at < wanted.length; at++) if (inHoles[at] > 0) wanted[at] = 0;
      expect(counts(60, 40, subtract([area], holes))).toEqual(wanted);
    }
  });

  it('RandomMarks_EachInOneRunAndCleared', () => {
    const random = seeded(6);
    for (let i = 0; i < 100; i++) {
      const marks = Uint8Array.from({ length: 70 }, () => (random() < 0.6 ? 1 : 0));
      const before = marks.slice();
      expect(counts(10, 7, takeRuns(marks, 10, 7))).toEqual(before);
      expect(marks.every(mark => mark === 0)).toBe(true);
    }
  });
});

describe('Cover', () => {
  it('Rectangle_CutsItsTiles', () => {
    expect(coveredParts(regionOf(1, { x: 50, y: 62, width: 100, height: 20 }))).toEqual([{ x: 50, y: 62, width: 100, height: 20 }]);
  });

  it('BitsAndRectangle_CoverAPixelOnlyTogether', () => {
    const box = { x: 34, y: 60, width: 200, height: 140 };
    const isCovered = (column: number, row: number): boolean => (column + row) % 2 === 0 || column === 1;
    const covered = counts(256, 256, coveredParts(regionOf(1, box, isCovered)));
    for (let y = 0; y < 256; y++) {
      for (let x = 0; x < 256; x++) {
        const isInside = x >= box.x && y >= box.y && x < box.x + box.width && y < box.y + box.height;
        if (covered[y * 256 + x] !== Number(isInside && isCovered(x >> 6, y >> 6))) expect.fail(`pixel ${x}, ${y}`);
      }
    }
  });
});

describe('AnnexB', () => {
  it('ParameterSet_GivesTheCodec', () => {
    expect(codecOf(new Uint8Array([0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 0x64, 0x00, 0x28, 0xac]))).toBe('avc1.640028');
    expect(codecOf(new Uint8Array([0, 0, 1, 0x67, 0x42, 0xc0, 0x1f]))).toBe('avc1.42c01f');
  });

  it('NoParameterSet_Undefined', () => {
    expect(codecOf(new Uint8Array())).toBeUndefined();
    expect(codecOf(new Uint8Array([0, 0, 0, 1, 0x65, 1, 2, 3, 0, 0, 1, 0x67, 1, 2, 3]))).toBeUndefined();
    expect(codecOf(new Uint8Array([0, 0, 1, 0x67, 0x42, 0xc0]))).toBeUndefined();
    expect(codecOf(new Uint8Array(5_000).fill(1))).toBeUndefined();
  });
});

describe('StreamChain', () => {
  it('KeyFrameAndSuccessors_Decoded', () => {
    const chain = new StreamChain();
    expect(chain.next(3, 0xffffffff, true)).toBe('decodeWithNewDecoder');
    expect(chain.next(3, 0, false)).toBe('decode');
    expect(chain.next(3, 1, true)).toBe('decode');
    expect(chain.next(4, 1, true)).toBe('decodeWithNewDecoder');
  });

  it('Gap_NothingUntilTheNextKeyFrame', () => {
    const chain = new StreamChain();
    chain.next(1, 1, true);
    expect(chain.next(1, 3, false)).toBe('skipAndAsk');
    expect(chain.next(1, 2, false)).toBe('skipAndAsk');
    expect(chain.next(1, 4, false)).toBe('skipAndAsk');
    expect(chain.next(1, 5, true)).toBe('decode');
    expect(chain.next(1, 6, false)).toBe('decode');
  });

  it('SameAgain_SkippedWithoutHarm', () => {
    const chain = new StreamChain();
    chain.next(1, 1, true);
    chain.next(1, 2, false);
    expect(chain.next(1, 2, false)).toBe('skip');
    expect(chain.next(1, 3, false)).toBe('decode');
  });

  it('OtherStreamWithoutKeyFrame_Asked', () => {
    const chain = new StreamChain();
    expect(chain.next(1, 1, false)).toBe('skipAndAsk');
    chain.next(1, 2, true);
    expect(chain.next(2, 3, false)).toBe('skipAndAsk');
    expect(chain.isBroken).toBe(true);
  });
});

describe('JitterBuffer', () => {
  const ms = 1e6;

  /** Frames at 30 a second over a network of so much delay, in milliseconds; what was waited for each. */
  function play(buffer: JitterBuffer, delays: readonly number[], startNs = 0, offsetNs = 7e15): { waits: number[]; shown: number[] } {
    const waits: number[] = [];
    const shown: number[] = [];
    let arrivedNs = 0;
    delays.forEach((delay, index) => {
      const sentNs = startNs + index * 33.3 * ms;
      // One connection: nothing overtakes.
      arrivedNs = Math.max(arrivedNs, sentNs + offsetNs + delay * ms);
      const dueNs = buffer.add(sentNs, arrivedNs);
      waits.push((dueNs - arrivedNs) / ms);
      shown.push((dueNs - offsetNs) / ms);
    });
    return { waits, shown };
  }

  it('Loopback_NeverWaits', () => {
    const random = seeded(1);
    const { waits } = play(new JitterBuffer(), Array.from({ length: 300 }, () => 0.2 + random() * 4));
    expect(Math.max(...waits)).toBe(0);
  });

  it('RareStalls_NeverWait', () => {
    const buffer = new JitterBuffer();
    const { waits } = play(buffer, Array.from({ length: 300 }, (_, index) => (index % 20 === 19 ? 30 : 1)));
    expect(Math.max(...waits)).toBe(0);
    expect(buffer.depthMs).toBe(0);
  });

  it('JitteryNetwork_FramesComeEvenly', () => {
    const random = seeded(2);
    const buffer = new JitterBuffer();
    const { shown } = play(buffer, Array.from({ length: 400 }, () => 20 + random() * 30));
    const steps = shown.slice(101).map((at, index) => at - shown[index + 100]);
    expect(buffer.depthMs).toBeGreaterThan(22);
    expect(buffer.depthMs).toBeLessThanOrEqual(30);
    // Nine of ten come to the moment, the rest late.
    const even = steps.filter(step => Math.abs(step - 33.3) < 0.5).length / steps.length;
    expect(even).toBeGreaterThan(0.75);
  });

  it('TerribleNetwork_AtMostAHundredMilliseconds', () => {
    const random = seeded(3);
    const buffer = new JitterBuffer();
    const { waits } = play(buffer, Array.from({ length: 400 }, () => random() * 900));
    expect(buffer.depthMs).toBe(100);
    expect(Math.max(...waits)).toBeLessThanOrEqual(100.001);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
  });

  it('NetworkCalmsDown_DepthGoes', () => {
    const random = seeded(4);
    const buffer = new JitterBuffer();
    play(buffer, Array.from({ length: 300 }, () => random() * 50));
    expect(buffer.depthMs).toBeGreaterThan(30);
    play(buffer, Array.from({ length: 320 }, () => 5), 300 * 33.3 * ms);
    expect(buffer.depthMs).toBe(0);
  });

  it('ClockJumps_StartsOver', () => {
    const random = seeded(5);
    const buffer = new JitterBuffer();
    play(buffer, Array.from({ length: 300 }, () => random() * 50));
    const { waits } = play(buffer, [10, 10, 10], 300 * 33.3 * ms, 7e15 + 3_600e9);
    expect(waits).toEqual([0, 0, 0]);
    expect(buffer.depthMs).toBe(0);
  });
});

class FakeFrame implements DecodedFrame {
  static open = 0;
  readonly timestamp: number;
  constructor(timestamp: number) {
    this.timestamp = timestamp;
    FakeFrame.open++;
  }
  close(): void { FakeFrame.open--; }
}

class FakeDecoder {
  static made: FakeDecoder[] = [];
  static takes = true;
  readonly wish: DecoderWish;
  readonly events: DecoderEvents<FakeFrame>;
  readonly waiting: number[] = [];
  isOpen = true;

  constructor(wish: DecoderWish, events: DecoderEvents<FakeFrame>) {
    this.wish = wish;
    this.events = events;
    FakeDecoder.made.push(this);
  }

  static get open(): number { return FakeDecoder.made.filter(decoder => decoder.isOpen).length; }

  decode(_data: Uint8Array, _isKeyFrame: boolean, timestamp: number): boolean {
    this.waiting.push(timestamp);
    return FakeDecoder.takes;
  }

  close(): void { this.isOpen = false; }

  give(count = this.waiting.length): void {
    for (const timestamp of this.waiting.splice(0, count)) this.events.onFrame(new FakeFrame(timestamp));
  }
}

const parameters = new Uint8Array([0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0, 0, 1, 0x65, 9, 9]);
const box: Box = { x: 64, y: 64, width: 128, height: 64 };

describe('VideoPlane', () => {
  let asked: [number, number][];
  let drawn: { number: number; parts: readonly Rectangle[] }[];
  let done: [number, boolean][];
  let givenUp: string[];
  let plane: VideoPlane<FakeFrame>;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    [asked, drawn, done, givenUp] = [[], [], [], []];
    FakeDecoder.made = [];
    FakeDecoder.takes = true;
    FakeFrame.open = 0;
    plane = new VideoPlane<FakeFrame>((wish, events) => new FakeDecoder(wish, events), {
      onFrame: (_frame, message, parts) => { drawn.push({ number: message.number, parts }); },
      askForKeyFrame: (region, reason) => { asked.push([region, reason]); },
      onGivenUp: why => { givenUp.push(why); },
    }, () => performance.now());
  });

  afterEach(() => {
    plane.clear();
    expect(FakeFrame.open, 'frames left open').toBe(0);
    expect(FakeDecoder.open, 'decoders left open').toBe(0);
    vi.useRealTimers();
  });

  function add(number: number, change: Partial<Video> = {}): void {
    const isKeyFrame = ((change.flags ?? (number === 1 ? VideoFlag.KeyFrame : 0)) & VideoFlag.KeyFrame) !== 0;
    const message: Video = {
      type: PacketType.Video, generation: 1, capturedAfterNs: 0, encodedAfterNs: 0, region: 1, codec: VideoCodec.H264,
      flags: isKeyFrame ? VideoFlag.KeyFrame : 0, stream: 1, number, codedWidth: 128, codedHeight: 64, ...box,
      data: isKeyFrame ? parameters : new Uint8Array([0, 0, 1, 0x41]), ...change,
    };
    plane.add({ message, done: hasPicture => { done.push([number, hasPicture]); } }, 0, 0);
  }

  const decoder = (): FakeDecoder => FakeDecoder.made.at(-1)!;
  const listed = (...regions: number[]): Region[] => regions.map((region, index) => regionOf(region, { ...box, y: 64 + index * 64 }));

  it('AccessUnits_DecodedInOrderAndDrawnWhereCovered', () => {
    plane.setRegions([regionOf(1, box, column => column === 1)]);
    add(1);
    add(2);
    expect(done).toEqual([]);
    decoder().give();
    expect(decoder().wish).toEqual({ codec: 'avc1.42c01f', codedWidth: 128, codedHeight: 64, isSoftwareWanted: false });
    expect(done).toEqual([[1, true], [2, true]]);
    expect(drawn).toEqual([1, 2].map(number => ({ number, parts: [{ x: 64, y: 64, width: 64, height: 64 }] })));
    expect(asked).toEqual([]);
  });

  it('BitClearedWhileDecoding_NotDrawnThere', () => {
    plane.setRegions([regionOf(1, box)]);
    add(1);
    expect(plane.setRegions([regionOf(1, box, column => column === 2)])).toEqual([{ x: 64, y: 64, width: 64, height: 64 }]);
    decoder().give();
    expect(drawn[0].parts).toEqual([{ x: 128, y: 64, width: 64, height: 64 }]);
    expect(plane.setRegions([])).toEqual([{ x: 128, y: 64, width: 64, height: 64 }]);
    add(2);
    expect(done).toEqual([[1, true], [2, false]]);
  });

  it('RegionOrCodecUnknown_SkippedAndOver', () => {
    plane.setRegions(listed(1));
    add(1, { region: 9 });
    add(2, { codec: 99 });
    expect(done).toEqual([[1, false], [2, false]]);
    expect(FakeDecoder.made).toEqual([]);
  });

  it('Gap_AskedOnceIn250MsUntilAKeyFrameComes', () => {
    plane.setRegions(listed(1));
    add(1);
    add(3);
    add(4);
    expect(asked).toEqual([[1, KeyFrameReason.Missing]]);
    vi.advanceTimersByTime(260);
    plane.look();
    expect(asked.length).toBe(2);
    add(5, { flags: VideoFlag.KeyFrame });
    vi.advanceTimersByTime(5_000);
    decoder().give();
    plane.look();
    expect(asked.length).toBe(2);
    expect(done).toEqual([[3, false], [4, false], [1, true], [5, true]]);
  });

  it('KeyFrameNeverComes_AskedForAgain', () => {
    plane.setRegions(listed(1));
    add(2);
    for (let i = 0; i < 12; i++) {
      vi.advanceTimersByTime(250);
      plane.look();
    }
    expect(asked.length).toBeGreaterThanOrEqual(3);
    expect(asked.length).toBeLessThanOrEqual(4);
  });

  it('OtherStream_OtherDecoder', () => {
    plane.setRegions(listed(1));
    add(1);
    decoder().give();
    add(1, { stream: 2 });
    expect(FakeDecoder.made.length).toBe(2);
    expect(FakeDecoder.open).toBe(1);
    // What the old one still says is nobody's business.
    FakeDecoder.made[0].events.onFrame(new FakeFrame(77));
    FakeDecoder.made[0].events.onError('late');
    decoder().give();
    expect(done).toEqual([[1, true], [1, true]]);
    expect(plane.figures().resets).toBe(0);
  });

  it('DecoderError_CountedResetAndKeyFrameAsked', () => {
    plane.setRegions(listed(1));
    add(1);
    add(2);
    decoder().isOpen = false;
    decoder().events.onError('bad');
    expect(done).toEqual([[1, false], [2, false]]);
    expect(asked).toEqual([[1, KeyFrameReason.DecoderError]]);
    add(3);
    add(4, { flags: VideoFlag.KeyFrame });
    expect(decoder().wish.isSoftwareWanted).toBe(true);
    decoder().give();
    expect(done.slice(2)).toEqual([[3, false], [4, true]]);
    expect(plane.figures()).toMatchObject({ resets: 1, keyFramesAsked: 1, framesDrawn: 1, unitsDropped: 3 });
    expect(givenUp).toEqual([]);
  });

  it('ThreeErrorsWithoutAPicture_GivenUp', () => {
    plane.setRegions(listed(1));
    for (let i = 0; i < 3; i++) {
      vi.advanceTimersByTime(1_000);
      add(i + 1, { flags: VideoFlag.KeyFrame });
      decoder().isOpen = false;
      decoder().events.onError('broken');
    }
    expect(givenUp).toEqual(['broken']);
  });

  it('ErrorsWithPicturesBetween_NotGivenUp', () => {
    plane.setRegions(listed(1));
    for (let i = 0; i < 9; i++) {
      add(i + 1, { flags: VideoFlag.KeyFrame });
      decoder().give();
      decoder().isOpen = false;
      decoder().events.onError('broken');
    }
    expect(givenUp).toEqual([]);
    expect(plane.figures().resets).toBe(9);
  });

  it('DecoderRefusesAUnit_Reset', () => {
    plane.setRegions(listed(1));
    FakeDecoder.takes = false;
    add(1);
    expect(done).toEqual([[1, false]]);
    expect(plane.figures().resets).toBe(1);
  });

  it('KeyFrameWithoutParameterSets_Reset', () => {
    plane.setRegions(listed(1));
    add(1, { data: new Uint8Array([1, 2, 3]) });
    expect(done).toEqual([[1, false]]);
    expect(plane.figures().resets).toBe(1);
  });

  it('DecoderSilent_ResetAfterHalfASecond', () => {
    plane.setRegions(listed(1));
    add(1);
    vi.advanceTimersByTime(400);
    plane.look();
    expect(done).toEqual([]);
    vi.advanceTimersByTime(200);
    plane.look();
    expect(done).toEqual([[1, false]]);
    expect(plane.figures().resets).toBe(1);
  });

  it('UnitWithoutPicture_OverWhenTheNextOneIs', () => {
    plane.setRegions(listed(1));
    add(1);
    add(2);
    decoder().waiting.shift();
    decoder().give();
    expect(done).toEqual([[1, false], [2, true]]);
  });

  it('TooManyInTheDecoder_OnToTheNextKeyFrame', () => {
    plane.setRegions(listed(1));
    for (let i = 1; i <= decodingMax + 1; i++) add(i);
    expect(done.length).toBe(decodingMax + 1);
    expect(done.every(([, hasPicture]) => !hasPicture)).toBe(true);
    expect(asked).toEqual([[1, KeyFrameReason.Missing]]);
    add(decodingMax + 2);
    add(decodingMax + 3, { flags: VideoFlag.KeyFrame });
    decoder().give();
    expect(done.at(-1)).toEqual([decodingMax + 3, true]);
    expect(plane.figures().resets).toBe(0);
  });

  it('RegionGone_DecoderKeptForAWhile', () => {
    plane.setRegions(listed(1));
    add(1);
    decoder().give();
    plane.setRegions([]);
    vi.advanceTimersByTime(2_000);
    plane.look();
    expect(FakeDecoder.open).toBe(1);
    plane.setRegions(listed(1));
    add(2);
    decoder().give();
    expect(done).toEqual([[1, true], [2, true]]);
    plane.setRegions([]);
    vi.advanceTimersByTime(3_100);
    plane.look();
    expect(FakeDecoder.open).toBe(0);
  });

  it('ManyRegionsInTurn_EightDecodersAtMost', () => {
    for (let region = 1; region <= 30; region++) {
      plane.setRegions(listed(region));
      add(1, { region });
      decoder().give();
      expect(FakeDecoder.open).toBeLessThanOrEqual(8);
    }
    expect(done.length).toBe(30);
  });

  it('Paused_EverythingOverAndAskedAnew', () => {
    plane.setRegions(listed(1));
    add(1);
    plane.pause();
    expect(done).toEqual([[1, false]]);
    vi.advanceTimersByTime(5_000);
    plane.look();
    expect(asked).toEqual([]);
    plane.askForAll();
    expect(asked).toEqual([[1, KeyFrameReason.Recreated]]);
  });

  it('JitteryArrivals_HeldInOrderAndNoLongerThanDue', () => {
    plane.setRegions(listed(1));
    const random = seeded(7);
    const start = performance.now();
    let number = 0;
    let isGiven = true;
    for (let i = 0; i < 200; i++) {
      const at = start + i * 33;
      const arrival = Math.max(performance.now(), at + random() * 40);
      vi.advanceTimersByTime(arrival - performance.now());
      number++;
      const message: Video = {
        type: PacketType.Video, generation: 1, capturedAfterNs: 0, encodedAfterNs: 0, region: 1, codec: VideoCodec.H264,
        flags: number === 1 ? 1 : 0, stream: 1, number, codedWidth: 128, codedHeight: 64, ...box, data: number === 1 ? parameters : new Uint8Array(4),
      };
      plane.add({ message, done: hasPicture => { isGiven &&= hasPicture; } }, at * 1e6, performance.now() * 1e6);
      decoder()?.give();
    }
    expect(plane.figures().jitterDepthMs).toBeGreaterThan(20);
    vi.advanceTimersByTime(110);
    decoder().give();
    expect(isGiven).toBe(true);
    expect(drawn.map(frame => frame.number)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
    expect(asked).toEqual([]);
  });

  it('AnyOrderOfAnything_EveryUnitOverOnce', () => {
    const random = seeded(8);
    let added = 0;
    const over: number[] = [];
    for (let i = 0; i < 4_000; i++) {
      const choice = random();
      if (choice < 0.05) plane.setRegions(listed(...[1, 2, 3].filter(() => random() < 0.7)));
      else if (choice < 0.08 && FakeDecoder.open > 0) {
        const victim = FakeDecoder.made.filter(one => one.isOpen)[0];
        victim.isOpen = false;
        victim.events.onError('x');
      } else if (choice < 0.3) for (const one of FakeDecoder.made) if (one.isOpen) one.give(Math.floor(random() * 4));
      if (choice > 0.98) vi.advanceTimersByTime(random() * 1_000);
      if (choice > 0.97) plane.look();
      const id = added++;
      const isKeyFrame = random() < 0.15;
      const message: Video = {
        type: PacketType.Video, generation: 1, capturedAfterNs: 0, encodedAfterNs: 0, region: 1 + Math.floor(random() * 4), codec: random() < 0.95 ? 1 : 2,
        flags: Number(isKeyFrame), stream: random() < 0.9 ? 1 : 2, number: 1 + Math.floor(random() * 5), codedWidth: 128, codedHeight: 64, ...box,
        data: isKeyFrame && random() < 0.8 ? parameters : new Uint8Array([0, 0, 1]),
      };
      const arrivedNs = performance.now() * 1e6;
      plane.add({ message, done: () => { over[id] = (over[id] ?? 0) + 1; } }, arrivedNs - random() * 5e7, arrivedNs);
    }
    vi.advanceTimersByTime(200);
    plane.clear();
    expect(over.length).toBe(added);
    expect(over.every(times => times === 1)).toBe(true);
  });
});
