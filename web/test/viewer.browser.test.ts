import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { DisplayState, GoodbyeReason, PacketType, type Region } from '../src/wire/messages';
import type { StatisticsDocument } from '../src/viewer/page/statistics';
import { seeded, withHeader } from './support/bytes';
import { buildPages, launchChromium } from './support/browser';
import { FakeHost, now, token } from './support/fakeHost';
import { decodePng } from './support/png';
import { regionOf } from './support/video';

declare const vitrineStatistics: () => StatisticsDocument;

const deadline = { timeout: 15_000, interval: 20 };
let browser: Browser;
let folder: string;
let host: FakeHost;
let context: BrowserContext;
let page: Page;
let problems: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vitrine-web-'));
  await buildPages(folder);
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  host = new FakeHost({ width: 333, height: 201, folder });
  await host.start();
});

afterEach(async () => {
  await context?.close();
  await host.stop();
});

async function open(query = `?t=${token}`, from = browser): Promise<void> {
  context = await from.newContext({ viewport: null });
  page = await context.newPage();
  problems = [];
  page.on('pageerror', error => problems.push(error.message));
  page.on('console', message => {
    // A refused connection is reported by the browser itself; what the page or its policy says is a fault.
    if (message.type() === 'error' && !/Failed to load resource|WebSocket connection/.test(message.text())) problems.push(message.text());
  });
  await page.goto(host.url + query);
}

const state = (): Promise<string | null> => page.locator('html').getAttribute('data-state');
const untilState = (wanted: string): Promise<void> => vi.waitFor(async () => expect(await state()).toBe(wanted), deadline);
const untilShown = (sequence: number): Promise<void> =>
  vi.waitFor(() => expect(host.presented.some(shown => shown.sequence === sequence)).toBe(true), deadline);

/** What the canvas holds, R G B A. */
async function canvasPixels(): Promise<Buffer> {
  const base64 = await page.evaluate(() => {
    const canvas = document.getElementById('picture') as HTMLCanvasElement;
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d')!;
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    let text = '';
    for (let i = 0; i < data.length; i += 8_192) text += String.fromCharCode(...data.subarray(i, i + 8_192));
    return btoa(text);
  });
  return Buffer.from(base64, 'base64');
}

function expectedPixels(): Buffer {
  const expected = Buffer.alloc(host.picture.length);
  for (let i = 0; i < expected.length; i += 4) expected.set([host.picture[i + 2], host.picture[i + 1], host.picture[i], 255], i);
  return expected;
}

const untilExact = (): Promise<void> =>
  vi.waitFor(async () => expect(Buffer.compare(await canvasPixels(), expectedPixels())).toBe(0), deadline);

/** Noise, so that every pixel's place counts; a solid corner and a repeating part, so that each encoding is used. */
function paintNoise(): void {
  const random = seeded(1);
  for (let i = 0; i < host.picture.length; i++) host.picture[i] = random() * 256;
  host.fill(64, 64, 64, 64, [10, 200, 30]);
  host.fill(128, 0, 205, 64, [255, 255, 255]);
  host.fill(140, 10, 60, 3, [0, 0, 0]);
}

/** Tiles of every encoding, a scroll that overlaps itself, and the same through several packets. */
async function paintAndMove(): Promise<void> {
  paintNoise();
  host.sendEverything();
  const scroll = { sourceX: 0, sourceY: 17, width: 333, height: 184, destinationX: 0, destinationY: 0 };
  const aside = { sourceX: 0, sourceY: 0, width: 200, height: 150, destinationX: 33, destinationY: 21 };
  host.copy(scroll);
  host.copy(aside);
  host.fill(0, 184, 333, 17, [1, 2, 3]);
  const last = host.sendFrame(host.tilesOf(0, 184, 333, 17), [scroll, aside], now(), 1);
  await untilShown(last);
}

describe('Picture', () => {
  for (const ratio of [1, 1.25, 2]) {
    it(`TilesAndCopies_ExactPixelsOnTheGlassAt${ratio}x`, async () => {
      const scaled = ratio === 1 ? browser : await launchChromium(ratio);
      onTestFinished(async () => {
        if (scaled !== browser) await scaled.close();
      });
      await open(undefined, scaled);
      await untilState('live');
      await paintAndMove();
      await untilExact();

      // One picture pixel is one pixel of the screenshot, wherever the picture stands.
      host.send({ type: PacketType.CursorShape, width: 0, height: 0, hotspotX: 0, hotspotY: 0, pixels: new Uint8Array() });
      for (const key of ['1', 'p', 'Escape']) await page.keyboard.press(key);
      await vi.waitFor(async () => {
        const { left, top } = await page.evaluate(() => {
          const box = document.getElementById('picture')!.getBoundingClientRect();
          return { left: Math.round(box.left * devicePixelRatio), top: Math.round(box.top * devicePixelRatio) };
        });
        const shot = decodePng(await page.screenshot());
        const expected = expectedPixels();
        let wrongLines = 0;
        for (let y = 0; y < host.height; y++) {
          const line = shot.pixels.subarray(((top + y) * shot.width + left) * 4, ((top + y) * shot.width + left + 333) * 4);
          if (Buffer.compare(line, expected.subarray(y * 333 * 4, (y + 1) * 333 * 4)) !== 0) wrongLines++;
        }
        expect(wrongLines).toBe(0);
      }, deadline);
      expect(problems).toEqual([]);
    });
  }

  it('PageHidden_AppliedAndAcknowledgedAsNotShown', async () => {
    await open();
    await untilState('live');
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: true, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    });
    paintNoise();
    // The order of two messages to the worker, one through the page and one through the network, is not given.
    await vi.waitFor(async () => {
      const sequence = host.sendEverything();
      await untilShown(sequence);
      expect(host.presented.find(shown => shown.sequence === sequence)?.message.presentedNs).toBe(0n);
    }, deadline);
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: false, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await untilExact();
  });

  it('MonitorChosen_CanvasHoldsItsPart', async () => {
    await host.stop();
    const monitor = { width: 160, height: 201, y: 0, scaleMilli: 1_000, rotationDegrees: 0 };
    host = new FakeHost({
      width: 333, height: 201, folder,
      monitors: [{ ...monitor, x: 0, primary: true, name: 'L' }, { ...monitor, x: 160, primary: false, name: 'R' }],
    });
    await host.start();
    paintNoise();
    await open();
    await untilState('live');
    await page.keyboard.press('m');
    await page.keyboard.press('2');
    await page.keyboard.press('Enter');
    await vi.waitFor(() => expect(host.selected).toBe(1), deadline);
    await vi.waitFor(async () => {
      const pixels = await canvasPixels();
      const whole = expectedPixels();
      expect(pixels.length).toBe(160 * 201 * 4);
      for (let y = 0; y < 201; y++) {
        const line = (y * 333 + 160) * 4;
        expect(Buffer.compare(pixels.subarray(y * 640, (y + 1) * 640), whole.subarray(line, line + 640))).toBe(0);
      }
    }, deadline);
    expect(await page.locator('#monitor-label').textContent()).toBe('Screen 2 · R');

    // The host forgets the choice with the connection, the viewer does not.
    host.selected = 0xffff;
    host.dropViewers();
    await vi.waitFor(() => expect(host.selected).toBe(1), deadline);
    expect(problems).toEqual([]);
  });
});

describe('Latency', () => {
  it('FramesShown_TimesAreTheHostsAndAddUp', async () => {
    await open();
    await untilState('live');
    // The first exchanges shared the way with the whole picture: wait for one that was quick.
    await vi.waitFor(async () => {
      host.sendEverything();
      expect(await page.evaluate(() => vitrineStatistics().roundTripMs ?? 1_000)).toBeLessThan(8);
    }, { timeout: 8_000, interval: 300 });
    for (let i = 0; i < 20; i++) {
      host.fill(0, 0, 64, 64, [i, i, i]);
      const before = now();
      const sequence = host.sendFrame(host.tilesOf(0, 0, 64, 64), [], before - 600_000n);
      await untilShown(sequence);
      const { message, atNs } = host.presented.find(shown => shown.sequence === sequence)!;
      expect(message.receivedNs).toBeLessThanOrEqual(message.decodedNs);
      expect(message.decodedNs).toBeLessThanOrEqual(message.presentedNs);
      // Within what half the delay of an exchange on a busy machine can hide.
      expect(Number(message.receivedNs - before) / 1e6).toBeGreaterThan(-5);
      expect(Number(atNs - message.presentedNs) / 1e6).toBeGreaterThan(-5);
    }
    await vi.waitFor(async () => {
      const document = await page.evaluate(() => vitrineStatistics());
      expect(document).toMatchObject({ schema: 1, state: 'live', host: 'build-07', source: ':0', picture: { width: 333, height: 201 } });
      expect(document.framesTimed).toBeGreaterThanOrEqual(20);
      expect(document.stages.capture?.p50).toBe(0.2);
      expect(document.stages.encode?.p50).toBe(0.4);
      expect(document.stages.total!.p50).toBeGreaterThan(0.6);
    }, deadline);
  });
});

describe('States', () => {
  it('HostLost_PictureStaysAndComesBackByItself', async () => {
    paintNoise();
    await open();
    await untilState('live');
    await untilExact();
    host.isDead = true;
    host.dropViewers();
    await untilState('hostGone');
    expect(await page.locator('#notice-title').textContent()).toBe('build-07 does not answer');
    expect(await page.locator('#notice-countdown').textContent()).toMatch(/^next try in \d+ s$/);
    expect(Buffer.compare(await canvasPixels(), expectedPixels())).toBe(0);
    host.fill(0, 0, 333, 201, [9, 9, 9]);
    host.isDead = false;
    await untilState('live');
    await untilExact();
    expect(problems).toEqual([]);
  });

  it('WrongToken_SaysSoAndTakesAnotherLink', async () => {
    await open('?t=wrong');
    await untilState('noAccess');
    expect(page.url()).not.toContain('wrong');
    await page.fill('#link', `${host.url}?t=${token}`);
    await page.keyboard.press('Enter');
    await untilState('live');
    expect(page.url()).not.toContain(token);
    await page.reload();
    await untilState('live');
  });

  it('NoToken_SaysSoWithoutAsking', async () => {
    await open('');
    await untilState('noAccess');
    expect(host.viewers).toBe(0);
  });

  it('TooManyFailures_WaitsAsLongAsTold', async () => {
    host.health = { status: 429, retryAfter: '30' };
    await open();
    await untilState('tooManyFailures');
    expect(await page.locator('#notice-countdown').textContent()).toMatch(/^next try in (29|30) s$/);
  });

  it('TooManyViewers_Said', async () => {
    host.health = { status: 503 };
    await open();
    await untilState('tooManyViewers');
  });

  it('DisplayGone_SaidAndOverWhenItReturns', async () => {
    await open();
    await untilState('live');
    host.displayState = DisplayState.DisplayGone;
    host.send(host.topology());
    await untilState('displayGone');
    host.displayState = DisplayState.Hidden;
    host.send(host.topology());
    await untilState('windowHidden');
    host.displayState = DisplayState.Live;
    host.generation++;
    host.send(host.topology());
    paintNoise();
    host.sendEverything();
    await untilState('live');
    await untilExact();
  });

  it('MalformedPacket_GoodbyeAndStartsOver', async () => {
    await open();
    await untilState('live');
    const [closed] = await Promise.all([
      vi.waitFor(() => host.received.find(message => message.type === PacketType.Goodbye) ?? expect.fail('no goodbye'), deadline),
      host.sendBytes(withHeader(PacketType.Copy, new Uint8Array(3))),
    ]);
    expect(closed).toMatchObject({ reason: GoodbyeReason.ProtocolError });
    await untilState('live');
  });

  it('UnknownPacketAndOtherGeneration_Skipped', async () => {
    paintNoise();
    await open();
    await untilState('live');
    host.sendBytes(withHeader(0x3f, new Uint8Array(100)));
    host.generation = 77;
    const sequence = host.sendFrame(host.tilesOf(0, 0, 64, 64));
    await untilShown(sequence);
    expect(host.presented.at(-1)?.message.presentedNs).toBe(0n);
    expect(await state()).toBe('live');
    await untilExact();
  });

  for (const [reason, wanted] of [
    [GoodbyeReason.VersionMismatch, 'versionMismatch'], [GoodbyeReason.AccessDenied, 'noAccess'], [GoodbyeReason.SourceClosed, 'sourceClosed'],
    [GoodbyeReason.TooManyViewers, 'tooManyViewers'],
  ] as const) {
    it(`Goodbye${reason}_${wanted}`, async () => {
      await open();
      await untilState('live');
      host.goodbye(reason, '');
      await untilState(wanted);
    });
  }
});

describe('Outlines', () => {
  const box = { x: 70, y: 34, width: 200, height: 120 };
  /** All of it but the tile from 128, 64. */
  const region = regionOf(5, box, (column, row) => !(column === 2 && row === 1));
  const coveredArea = 200 * 120 - 64 * 64;

  const sendRegions = (...regions: Region[]): Promise<void> =>
    untilShown(host.sendAsFrame([{ type: PacketType.Regions, generation: host.generation, capturedAfterNs: 0, encodedAfterNs: 0, regions }]));

  const boxes = (name: string): Promise<typeof box[]> => page.evaluate(selector => [...document.querySelectorAll(selector)].map(shape => {
    const [x, y, width, height] = ['x', 'y', 'width', 'height'].map(attribute => Number(shape.getAttribute(attribute)));
    return { x, y, width, height };
  }), `#outlines .${name}`);

  it('RegionCovered_DrawnAroundItAndWhatIsExactAgainFlashes', async () => {
    await open();
    await untilState('live');
    await sendRegions(region);
    expect(await boxes('outline-region')).toEqual([]);
    await page.evaluate(() => {
      const flashes = { area: 0 };
      new MutationObserver(changes => {
        for (const node of changes.flatMap(change => [...change.addedNodes])) {
          const shape = node as SVGRectElement;
          if (shape.classList.contains('outline-refined')) flashes.area += shape.width.baseVal.value * shape.height.baseVal.value;
        }
      }).observe(document.getElementById('outlines')!, { childList: true, subtree: true });
      Object.assign(globalThis, { flashes });
    });
    await page.keyboard.press('1');
    await page.keyboard.press('o');
    await vi.waitFor(async () => expect(await boxes('outline-region')).toEqual([box]), deadline);
    expect((await boxes('outline-covered')).reduce((sum, { width, height }) => sum + width * height, 0)).toBe(coveredArea);

    // One picture pixel is one pixel of the page: it lies where the video does.
    const at = (selector: string): Promise<number[]> => page.evaluate(wanted => {
      const { left, top, width, height } = document.querySelector(wanted)!.getBoundingClientRect();
      return [left, top, width, height];
    }, selector);
    const [left, top] = await at('#picture');
    const drawn = await at('#outlines .outline-region');
    [left + box.x, top + box.y, box.width, box.height].forEach((wanted, index) => expect(Math.abs(drawn[index] - wanted)).toBeLessThan(1.5));

    await sendRegions();
    await vi.waitFor(async () => expect(await boxes('outline-region')).toEqual([]), deadline);
    expect(await boxes('outline-covered')).toEqual([]);
    expect(await page.evaluate(() => (globalThis as unknown as { flashes: { area: number } }).flashes.area)).toBe(coveredArea);
    await vi.waitFor(async () => expect(await boxes('outline-refined')).toEqual([]), deadline);

    await page.keyboard.press('o');
    await sendRegions(region);
    expect(await boxes('outline-region')).toEqual([]);
    expect(problems).toEqual([]);
  });
});

describe('Keyboard', () => {
  it('EveryKey_DoesWhatTheListSays', async () => {
    await open();
    await untilState('live');
    await page.keyboard.press('i');
    expect(await page.locator('#statistics').isVisible()).toBe(true);
    await page.keyboard.press('Escape');
    expect(await page.locator('#statistics').isVisible()).toBe(false);
    for (const [key, zoom] of [['1', 'actual'], ['2', 'fit'], ['3', 'fill']] as const) {
      await page.keyboard.press(key);
      expect(await page.locator(`#zoom-${zoom}`).getAttribute('aria-pressed')).toBe('true');
    }
    for (const isOn of [true, false]) {
      await page.keyboard.press('o');
      expect(await page.locator('#outlines').isVisible()).toBe(isOn);
      expect(await page.locator('#outlines-button').getAttribute('aria-pressed')).toBe(String(isOn));
    }
    await page.keyboard.press('p');
    expect(await page.locator('#pill').isVisible()).toBe(false);
    await page.keyboard.press('?');
    expect(await page.locator('#keys').isVisible()).toBe(true);
    await page.keyboard.press('Escape');
    expect(await page.locator('#keys').isVisible()).toBe(false);
    await page.keyboard.press('r');
    await vi.waitFor(() => expect(host.received.some(message => message.type === PacketType.Refresh)).toBe(true), deadline);
    expect(problems).toEqual([]);
  });
});
