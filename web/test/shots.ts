import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { presentationKinds } from '../src/viewer/worker/presentation/surface';
import { DisplayState } from '../src/wire/messages';
import { buildPages, launchChromium, launchChromiumWithSoftwareGpu } from './support/browser';
import { paintDesktop } from './support/desktop';
import { FakeEvents, type SampleEvent, sampleSteps } from './support/fakeEvents';
import { FakeHost, type FakeHostOptions, now, token } from './support/fakeHost';
import { encodeMotion } from './support/h264';
import { regionOf, VideoSender } from './support/video';

/** Pictures of the pages for people to look at: VITRINE_SHOTS=folder npx vitest run test/shots.ts */
const shots = process.env['VITRINE_SHOTS'] ?? '.';

describe('Shots', () => {
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vitrine-shots-'));
    await buildPages(folder);
    browser = await launchChromium();
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  interface View {
    readonly theme?: 'dark' | 'light';
    readonly width?: number;
    readonly height?: number;
    readonly query?: string;
    readonly browser?: Browser;
    readonly options?: Partial<FakeHostOptions>;
  }

  async function shoot(name: string, view: View, act: (page: Page, host: FakeHost) => Promise<void>): Promise<void> {
    const host = new FakeHost({ width: 1280, height: 720, folder, source: ':0', ...view.options });
    await host.start();
    paintDesktop(host);
    const context = await (view.browser ?? browser).newContext({
      viewport: { width: view.width ?? 1280, height: view.height ?? 720 }, colorScheme: view.theme ?? 'dark', reducedMotion: 'reduce',
    });
    const page = await context.newPage();
    await page.goto(host.url + (view.query ?? `?t=${token}`));
    await act(page, host);
    await page.screenshot({ path: join(shots, `${name}.png`) });
    await context.close();
    await host.stop();
  }

  const until = (page: Page, state: string): Promise<void> =>
    vi.waitFor(async () => expect(await page.locator('html').getAttribute('data-state')).toBe(state), { timeout: 8_000, interval: 30 });

  async function move(host: FakeHost, frames: number): Promise<void> {
    for (let i = 0; i < frames; i++) {
      host.fill(800 + i % 60, 260, 40, 40, [240 - i % 200, 140, 60 + i % 190]);
      const sequence = host.sendFrame(host.tilesOf(768, 256, 192, 64), [], now() - 600_000n);
      await vi.waitFor(() => expect(host.presented.some(shown => shown.sequence === sequence)).toBe(true), { timeout: 5_000, interval: 4 });
    }
  }

  const monitors = (columns: number, rows: number): FakeHostOptions['monitors'] => Array.from({ length: columns * rows }, (_, index) => ({
    x: index % columns * (1_280 / columns), y: Math.floor(index / columns) * (720 / rows), width: 1_280 / columns, height: 720 / rows,
    scaleMilli: index === 1 ? 1_500 : 1_000, rotationDegrees: index === 2 ? 90 : 0, primary: index === 0, name: `DP-${index + 1}`,
  }));

  /** A video in a window, with one tile that rests; the last frame is always the same. */
  async function play(host: FakeHost, frames: number): Promise<void> {
    const box = { x: 160, y: 120, width: 480, height: 300 };
    const sender = new VideoSender(host, encodeMotion(496, 304, frames, 60), { width: 496, height: 304 });
    const show = async (sequence: number): Promise<void> => {
      await vi.waitFor(() => expect(host.presented.some(shown => shown.sequence === sequence)).toBe(true), { timeout: 5_000, interval: 4 });
    };
    await show(host.sendAsFrame([sender.regions(regionOf(1, box))]));
    for (let i = 0; i < frames; i++) {
      if (i === frames - 1) await show(host.sendAsFrame([sender.regions(regionOf(1, box, (column, row) => column !== 5 || row !== 4))]));
      await show(host.sendAsFrame([sender.next(1, box)], now() - 5_000_000n));
    }
  }

  for (const kind of presentationKinds) {
    it(`presentation ${kind}`, async () => {
      const withGpu = await launchChromiumWithSoftwareGpu();
      await shoot(`presentation-${kind}`, { browser: withGpu, width: 800, height: 450, query: `?t=${token}&present=${kind}` }, async (page, host) => {
        await until(page, 'live');
        await page.keyboard.press('p');
        await play(host, 12);
        await page.keyboard.press('Escape');
        await page.waitForTimeout(500);
      });
      await withGpu.close();
    }, 60_000);
  }

  for (const theme of ['dark', 'light'] as const) {
    it(`video ${theme}`, () => shoot(`video-${theme}`, { theme, width: 1_100, height: 720 }, async (page, host) => {
      await until(page, 'live');
      await page.keyboard.press('i');
      await page.keyboard.press('o');
      await play(host, 40);
      await page.waitForTimeout(700);
    }), 30_000);

    it(`live ${theme}`, () => shoot(`live-${theme}`, { theme }, async (page, host) => {
      await until(page, 'live');
      await move(host, 40);
      await page.mouse.move(600, 300);
      await page.waitForTimeout(600);
    }), 30_000);

    it(`statistics ${theme}`, () => shoot(`statistics-${theme}`, { theme, width: 1_100, height: 720 }, async (page, host) => {
      await until(page, 'live');
      await move(host, 20);
      await page.waitForTimeout(2_200);
      await page.keyboard.press('i');
      await move(host, 60);
      await page.waitForTimeout(700);
    }), 30_000);

    it(`host gone ${theme}`, () => shoot(`host-gone-${theme}`, { theme }, async (page, host) => {
      await until(page, 'live');
      host.isDead = true;
      host.dropViewers();
      await page.waitForTimeout(2_500);
      await until(page, 'hostGone');
    }), 30_000);

    it(`no access ${theme}`, () => shoot(`no-access-${theme}`, { theme, query: '?t=wrong' }, page => until(page, 'noAccess')), 30_000);

    it(`sixteen monitors ${theme}`, () => shoot(`monitors-16-${theme}`, { theme, options: { monitors: monitors(4, 4)! } }, async page => {
      await until(page, 'live');
      await page.keyboard.press('m');
      await page.keyboard.press('ArrowDown');
      await page.waitForTimeout(200);
    }), 30_000);

    it(`keys ${theme}`, () => shoot(`keys-${theme}`, { theme }, async page => {
      await until(page, 'live');
      await page.keyboard.press('?');
    }), 30_000);
  }

  it('display gone', () => shoot('display-gone', {}, async (page, host) => {
    await until(page, 'live');
    host.displayState = DisplayState.DisplayGone;
    host.send(host.topology());
    await until(page, 'displayGone');
  }), 30_000);

  it('connecting', () => shoot('connecting', {}, async (page, host) => {
    await until(page, 'live');
    host.sendsFirstPicture = false;
    host.dropViewers();
    await page.waitForTimeout(2_000);
  }), 30_000);

  it('phone', () => shoot('phone', { width: 320, height: 568, options: { monitors: monitors(2, 1)! } }, async (page, host) => {
    await until(page, 'live');
    await move(host, 10);
    await page.mouse.move(100, 300);
    await page.waitForTimeout(300);
  }), 30_000);

  it('phone with statistics', () => shoot('phone-statistics', { width: 320, height: 568 }, async (page, host) => {
    await until(page, 'live');
    await page.keyboard.press('i');
    await move(host, 20);
    await page.waitForTimeout(700);
  }), 30_000);

  it('phone without access', () => shoot('phone-no-access', { width: 320, height: 568, query: '' }, page => until(page, 'noAccess')), 30_000);

  // ---- Events ----

  async function shootEvents(name: string, view: View & { readonly act?: (page: Page) => Promise<void> }, fill: (log: FakeEvents) => void, state = 'live'): Promise<void> {
    const log = new FakeEvents();
    fill(log);
    const host = new FakeHost({ width: 64, height: 64, folder, api: log.answer });
    await host.start();
    const context = await browser.newContext({
      viewport: { width: view.width ?? 1_280, height: view.height ?? 860 }, colorScheme: view.theme ?? 'dark', reducedMotion: 'reduce',
    });
    const page = await context.newPage();
    await page.goto(`${host.url}events${view.query ?? `?t=${token}`}`);
    await until(page, state);
    await view.act?.(page);
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(shots, `${name}.png`) });
    await context.close();
    log.drop();
    await host.stop();
  }

  /** An afternoon of one host: viewers come and go, one of them over a slow link. */
  function fillOne(log: FakeEvents): void {
    const slow = (index: number): boolean => index >= 52 && index < 78;
    log.steps = sampleSteps(88, 10, index => ({
      viewers: index < 8 ? 0 : index < 30 ? 1 : slow(index) ? 3 : 2,
      bytesSent: String(Math.round((index < 8 ? 0 : 900_000 + 500_000 * Math.sin(index / 5) + (slow(index) ? 1_600_000 : 0)))),
      framesTimed: index < 8 ? '0' : '300',
      latencyP50Milliseconds: 6.5 + Math.sin(index / 3),
      latencyP99Milliseconds: slow(index) ? 290 + 40 * Math.sin(index) : 14 + 3 * Math.cos(index / 2),
      alertsRaised: index === 56 ? 1 : 0,
    }));
    const at = (index: number): number => Date.parse(log.steps[index].start);
    const say = (index: number, topic: string, text: string, what = {}): SampleEvent => ({ topic, text, host: 'build-07', atMs: at(index) + 1_000, what });
    log.add(
      say(0, 'sessions', 'shares at 192.168.4.7:8790'),
      say(0, 'sessions', 'shows :0, 2560x1440'),
      say(8, 'sessions', 'viewer 1 came: Chromium 156, from 192.168.4.20:51210 over websocket, may view'),
      ...[12, 18, 24].map(index => say(index, 'minutes', `minute ${new Date(at(index)).toISOString().slice(11, 16)} UTC: 1 viewers at most, 3412 frames, 6.2 MB, 0.21 processors, latency p50 6.4 ms, p99 14.9 ms`)),
      say(30, 'sessions', 'viewer 2 came: Firefox 149, from 192.168.4.31:40122 over websocket, may view'),
      ...[30, 36, 42, 48].map(index => say(index, 'minutes', `minute ${new Date(at(index)).toISOString().slice(11, 16)} UTC: 2 viewers at most, 6980 frames, 11.8 MB, 0.34 processors, latency p50 6.8 ms, p99 15.2 ms`)),
      say(50, 'errors', 'video does not work: libx264 gave no picture for 2 s; its regions are tiles until it is tried again'),
      say(52, 'sessions', 'viewer 3 came: vitrine view, from 10.8.0.6:60114 over quic, may view'),
      say(56, 'alerts', 'ALERT latency (viewer 3): Viewer 3 of build-07 sees changes 311 ms late (95 of 100 frames are faster).', { alertRaised: {} }),
      ...[60, 66, 72].map(index => say(index, 'minutes', `minute ${new Date(at(index)).toISOString().slice(11, 16)} UTC: 3 viewers at most, 9120 frames, 24.5 MB, 0.52 processors, latency p50 7.4 ms, p99 322 ms`)),
      say(78, 'alerts', 'alert latency (viewer 3) is over, after 221 s', { alertCleared: {} }),
      say(79, 'sessions', 'viewer 3 went (left) after 4 min 29 s, 16022 frames, 38.4 MB'),
      say(86, 'minutes', `minute ${new Date(at(86)).toISOString().slice(11, 16)} UTC: 2 viewers at most, 7040 frames, 12.1 MB, 0.33 processors, latency p50 6.6 ms, p99 15.0 ms`),
    );
  }

  function fillMany(log: FakeEvents): void {
    log.steps = sampleSteps(88, 10, index => ({
      viewers: 1_780 + Math.round(40 * Math.sin(index / 6)), bytesSent: String(2_900_000_000 + 400_000_000 * Math.sin(index / 7)), framesTimed: '90000',
      latencyP50Milliseconds: 8 + Math.sin(index / 9), latencyP99Milliseconds: 61 + 30 * Math.abs(Math.sin(index / 11)), alertsRaised: [3, 0, 0, 1, 0, 0, 0, 2][index % 8],
    }));
    const name = (i: number): string => `render-${String(i * 7 % 1_000).padStart(3, '0')}`;
    const from = Date.now() - 850_000;
    log.add(...Array.from({ length: 100_000 }, (_, i) => {
      const kinds: [string, string, object][] = [
        ['sessions', `viewer ${i % 9 + 1} came: Chromium 156, from 10.1.${i % 200}.${i % 250}:51210 over websocket, may view`, {}],
        ['minutes', `minute 14:0${i % 10} UTC: ${i % 4} viewers at most, ${3_000 + i % 900} frames, 6.2 MB, 0.21 processors, latency p50 6.4 ms, p99 14.9 ms`, {}],
        ['sessions', `viewer ${i % 9 + 1} went (left) after 12 min ${10 + i % 50} s, 16022 frames, 38.4 MB`, {}],
        ['alerts', `ALERT starved viewer (viewer ${i % 9 + 1}): Viewer ${i % 9 + 1} of ${name(i)} gets 41 % of the frames one by one: it, or its link, is too slow.`, { alertRaised: {} }],
        ['errors', 'quic does not work: UDP port 8790 is taken by another program', {}],
      ];
      const [topic, text, what] = kinds[i % 17 === 0 ? 3 : i % 23 === 0 ? 4 : i % 3];
      return { topic, text, host: name(i), atMs: from + i * 8.4, what: what as Record<string, unknown> };
    }));
    log.alerts = Array.from({ length: 37 }, (_, i) => ({
      since: new Date(Date.now() - i * 20_000).toISOString(), alert: { kind: 'STARVED', viewerId: '2' },
      message: `Viewer ${i % 9 + 1} of ${name(i)} gets 41 % of the frames one by one: it, or its link, is too slow.`,
    }));
  }

  for (const theme of ['dark', 'light'] as const) {
    it(`events ${theme}`, () => shootEvents(`events-${theme}`, { theme }, fillOne), 30_000);
    it(`events of many hosts ${theme}`, () => shootEvents(`events-many-${theme}`, { theme, height: 1_000 }, fillMany), 60_000);
    it(`no events ${theme}`, () => shootEvents(`events-empty-${theme}`, { theme }, () => undefined), 30_000);
    it(`events are off ${theme}`, () => shootEvents(`events-off-${theme}`, { theme }, log => {
      log.problem = { status: 400, code: 'FAILED_PRECONDITION', detail: 'This host keeps no events. Start it with --events on, and with a folder that it may write: --events-folder FOLDER.' };
    }, 'eventsOff'), 30_000);
    it(`events, view only ${theme}`, () => shootEvents(`events-view-only-${theme}`, { theme }, log => log.problem = { status: 403, code: 'PERMISSION_DENIED', detail: '' }, 'viewOnly'), 30_000);
    it(`one event ${theme}`, () => shootEvents(`events-details-${theme}`, { theme, act: async page => {
      await page.keyboard.press('l');
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
    } }, fillOne), 30_000);
    it(`events as tables ${theme}`, () => shootEvents(`events-tables-${theme}`, { theme, act: page => page.keyboard.press('t') }, fillOne), 30_000);
  }

  it('events on a phone', () => shootEvents('events-phone', { width: 320, height: 1_400 }, fillOne), 30_000);
});
