import { describe, expect, it } from 'vitest';
import { DisplayState } from '../src/wire/messages';
import type { Connection, FrameSample } from '../src/viewer/messages';
import { sceneOf, type Situation } from '../src/viewer/page/scene';
import { percentiles, StatisticsWindow } from '../src/viewer/page/statistics';
import { readPastedLink, takeToken } from '../src/viewer/page/token';
import { centreOf, isPixelExact, place, scaleOf, zoomAt } from '../src/viewer/page/zoom';

describe('Zoom', () => {
  const picture = { width: 1_920, height: 1_080 };
  const stage = { width: 1_000, height: 800 };

  it('NamedZooms_Scale', () => {
    expect(scaleOf('actual', picture, stage)).toBe(1);
    expect(scaleOf('fit', picture, stage)).toBeCloseTo(1_000 / 1_920);
    expect(scaleOf('fill', picture, stage)).toBeCloseTo(800 / 1_080);
    expect(scaleOf(2.5, picture, stage)).toBe(2.5);
  });

  it('SmallerPicture_CentredOnWholePixels', () => {
    expect(place('actual', { width: 333, height: 201 }, stage, { x: 0, y: 0 }))
      .toEqual({ scale: 1, left: 333, top: 299, width: 333, height: 201, isPannable: false });
  });

  it('LargerPicture_NoEmptyEdgeWhateverTheCentre', () => {
    for (const centre of [{ x: -5_000, y: -5_000 }, { x: 960, y: 540 }, { x: 9_999, y: 9_999 }]) {
      const placed = place('actual', picture, stage, centre);
      expect(placed.left).toBeLessThanOrEqual(0);
      expect(placed.left + placed.width).toBeGreaterThanOrEqual(stage.width);
      expect(placed.top + placed.height).toBeGreaterThanOrEqual(stage.height);
      expect(Number.isInteger(placed.left) && Number.isInteger(placed.top)).toBe(true);
      expect(placed.isPannable).toBe(true);
    }
  });

  it('ZoomAtAPoint_PointStays', () => {
    const before = place(1.3, picture, stage, { x: 900, y: 500 });
    const at = { x: 250, y: 610 };
    const next = zoomAt(before, stage, 1.7, at);
    const after = place(next.zoom, picture, stage, next.centre);
    const under = (placed: typeof before) => ({ x: (at.x - placed.left) / placed.scale, y: (at.y - placed.top) / placed.scale });
    expect(Math.abs(under(after).x - under(before).x)).toBeLessThan(1);
    expect(Math.abs(under(after).y - under(before).y)).toBeLessThan(1);
  });

  it('NearAWholeZoom_Whole', () => {
    expect(zoomAt(place(1, picture, stage, { x: 0, y: 0 }), stage, 1.99, { x: 0, y: 0 }).zoom).toBe(2);
    expect([0.5, 1, 1.5, 2, 3].filter(isPixelExact)).toEqual([1, 2, 3]);
  });

  it('CentreOf_IsWhatWasPlaced', () => {
    const placed = place('actual', picture, stage, { x: 900, y: 500 });
    expect(centreOf(placed, stage)).toEqual({ x: 900, y: 500 });
  });
});

describe('Statistics', () => {
  const about = { state: 'live', host: 'h', source: ':0', picture: { width: 1, height: 1 } };
  const sample = (atMs: number, total: number): FrameSample => ({ atMs, capture: 1, encode: 1, network: 1, decode: 1, show: 1, total });

  it('Percentiles_NearestRank', () => {
    expect(percentiles(Array.from({ length: 100 }, (_, i) => 100 - i))).toEqual({ p50: 50, p95: 95, p99: 99 });
    expect(percentiles([3])).toEqual({ p50: 3, p95: 3, p99: 3 });
    expect(percentiles([NaN, 2.346, NaN])).toEqual({ p50: 2.35, p95: 2.35, p99: 2.35 });
    expect(percentiles([NaN])).toBeNull();
  });

  it('Window_KeepsTenSecondsAndTotals', () => {
    const statistics = new StatisticsWindow();
    statistics.add([sample(1_000, 900)], 1_000, 2, 1_000);
    statistics.add([sample(10_900, 10), sample(10_950, NaN)], 126_000, 3, 11_000);
    const document = statistics.document(about, 11_500);
    expect(document.framesTimed).toBe(1);
    expect(document.stages.total).toEqual({ p50: 10, p95: 10, p99: 10 });
    expect(document.framesShown).toBe(3);
    expect(document.framesPerSecond).toBe(2);
    expect(document.megabitsPerSecond).toBe(1);
    expect(document.bytesReceived).toBe(126_000);
    expect(statistics.document(about, 12_100).megabitsPerSecond).toBe(0);
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
  });

  it('FloodOfFrames_Bounded', () => {
    const statistics = new StatisticsWindow();
    for (let i = 0; i < 100; i++) statistics.add(Array.from({ length: 100 }, () => sample(1_000 + i, 1)), i, 1, 1_000 + i);
    expect(statistics.document(about, 1_200).framesTimed).toBe(2_000);
  });
});

describe('Token', () => {
  function places(href: string, kept: string | null = null) {
    const stored = new Map(kept === null ? [] : [['vitrine.token', kept]]);
    const state = { href, stored };
    return {
      state,
      location: state,
      history: { replaceState: (_: unknown, __: string, url: string) => { state.href = url; } },
      storage: { getItem: (key: string) => stored.get(key) ?? null, setItem: (key: string, value: string) => void stored.set(key, value) },
    };
  }

  it('InTheLink_KeptAndTakenOutOfTheAddress', () => {
    const where = places('http://host:8790/?t=abc-_%2B&zoom=2#x', 'old');
    expect(takeToken(where)).toBe('abc-_+');
    expect(where.state.href).toBe('http://host:8790/?zoom=2#x');
    expect(takeToken(where)).toBe('abc-_+');
  });

  it('Nowhere_Null', () => expect(takeToken(places('http://host:8790/'))).toBeNull());

  it('PastedLinks_Understood', () => {
    const here = 'http://host:8790/';
    expect(readPastedLink(' http://host:8790/?t=abc ', here)).toEqual({ token: 'abc' });
    expect(readPastedLink('https://other/?t=abc', here)).toEqual({ open: 'https://other/?t=abc' });
    expect(readPastedLink('4dK-x_9', here)).toEqual({ token: '4dK-x_9' });
    for (const bad of ['', 'http://host:8790/', 'javascript:alert(1)//?t=1', 'two words', 'ftp://host/?t=1']) {
      expect(readPastedLink(bad, here)).toBeUndefined();
    }
  });
});

describe('Scene', () => {
  const live: Situation = { connection: { state: 'live' }, display: DisplayState.Live, host: 'h', source: ':0', behindMs: 5, wasCatchingUp: false, whyNoVideo: undefined };

  it('Behind_CatchingUpUntilClearlyNot', () => {
    expect(sceneOf(live).state).toBe('live');
    expect(sceneOf({ ...live, behindMs: 1_234 })).toMatchObject({ state: 'catchingUp', word: 'catching up, 1.2 s behind' });
    expect(sceneOf({ ...live, behindMs: 300 }).state).toBe('live');
    expect(sceneOf({ ...live, behindMs: 300, wasCatchingUp: true }).state).toBe('catchingUp');
    expect(sceneOf({ ...live, behindMs: null, wasCatchingUp: true }).state).toBe('live');
  });

  it('NoVideoHere_SaidBesideThePictureWhileItIsShown', () => {
    expect(sceneOf(live).remark).toBeUndefined();
    const without = { ...live, whyNoVideo: 'This browser comes without an H.264 decoder' };
    const remark = { word: 'no video', detail: 'This browser comes without an H.264 decoder. The picture is exact, but what moves may be jerky.' };
    expect(sceneOf(without)).toEqual({ state: 'live', word: 'live', mood: 'good', remark });
    expect(sceneOf({ ...without, behindMs: 1_234 })).toMatchObject({ state: 'catchingUp', remark });
    expect(sceneOf({ ...without, display: DisplayState.DisplayGone }).remark).toBeUndefined();
    expect(sceneOf({ ...without, connection: { state: 'connecting', waitingFor: 'answer' } }).remark).toBeUndefined();
  });

  it('EveryTrouble_HasASentenceAndOneAction', () => {
    const connections: Connection[] = [
      { state: 'connecting', waitingFor: 'answer' }, { state: 'connecting', waitingFor: 'picture' },
      ...(['hostGone', 'hostClosing', 'refused', 'tooManyViewers', 'tooManyFailures', 'protocolError', 'stalled', 'internalError'] as const)
        .map(cause => ({ state: 'retrying', cause, retryAfterMs: 1, text: '' }) as const),
      ...(['noAccess', 'versionMismatch', 'sourceClosed', 'pictureTooLarge'] as const).map(cause => ({ state: 'stopped', cause, text: '' }) as const),
    ];
    const scenes = [
      ...connections.map(connection => sceneOf({ ...live, connection })),
      ...[DisplayState.DisplayGone, DisplayState.Hidden, DisplayState.Closed].map(display => sceneOf({ ...live, display })),
    ];
    for (const { notice, word } of scenes) {
      expect(word.length).toBeGreaterThan(2);
      expect(notice?.title).toMatch(/^\S.*[^.]$/);
      expect(notice?.detail).toMatch(/[.:]$/);
      expect(notice?.actionLabel.length).toBeGreaterThan(3);
    }
    expect(new Set(scenes.map(({ notice }) => notice?.title)).size).toBe(scenes.length - 1);
  });

  it('HostsWords_BecomeASentence', () => {
    const scene = sceneOf({ ...live, connection: { state: 'retrying', cause: 'hostClosing', retryAfterMs: 1, text: 'the machine restarts' } });
    expect(scene.notice?.detail).toBe('The machine restarts.');
  });
});
