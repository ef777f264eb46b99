import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { presentationKinds } from '../src/viewer/worker/presentation/surface';
import { DisplayState } from '../src/wire/messages';
import { buildPages, launchChromium, launchChromiumWithSoftwareGpu } from './support/browser';
import { paintDesktop } from './support/desktop';
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
});
