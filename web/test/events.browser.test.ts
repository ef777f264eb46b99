import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildPages, launchChromium } from './support/browser';
import { FakeEvents, type SampleEvent, sampleSteps } from './support/fakeEvents';
import { FakeHost, token } from './support/fakeHost';

const deadline = { timeout: 15_000, interval: 20 };
let browser: Browser;
let folder: string;
let log: FakeEvents;
let host: FakeHost;
let context: BrowserContext;
let page: Page;
let problems: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vitrine-events-'));
  await buildPages(folder);
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  log = new FakeEvents();
  host = new FakeHost({ width: 64, height: 64, folder, api: log.answer });
  await host.start();
});

afterEach(async () => {
  await context?.close();
  log.drop();
  await host.stop();
});

async function open(query = `?t=${token}`, options: { colorScheme?: 'dark' | 'light'; width?: number; height?: number } = {}): Promise<void> {
  context = await browser.newContext({ viewport: { width: options.width ?? 1_280, height: options.height ?? 800 }, colorScheme: options.colorScheme ?? 'dark', reducedMotion: 'reduce' });
  page = await context.newPage();
  problems = [];
  page.on('pageerror', error => problems.push(error.message));
  page.on('console', message => {
    // A refused request is reported by the browser itself; what the page or its policy says is a fault.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) problems.push(message.text());
  });
  await page.goto(`${host.url}events${query}`);
}

const happened = (secondsAgo: number, text: string, change: Partial<SampleEvent> = {}): SampleEvent =>
  ({ topic: 'sessions', text, host: 'build-07', atMs: Date.now() - secondsAgo * 1_000, ...change });
const untilState = (wanted: string): Promise<void> => vi.waitFor(async () => expect(await page.locator('html').getAttribute('data-state')).toBe(wanted), deadline);
const texts = (): Promise<string[]> => page.locator('#sizer .row .what').allTextContents();
const untilTexts = (...wanted: string[]): Promise<void> => vi.waitFor(async () => expect(await texts()).toEqual(wanted), deadline);
const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent || '');

describe('Events', () => {
  it('WhatHappened_NewestFirstAndLive', async () => {
    log.steps = sampleSteps(60, 10);
    log.add(happened(20, 'viewer 1 came'), happened(10, 'viewer 1 went'));
    await open();
    await untilState('live');
    await untilTexts('viewer 1 went', 'viewer 1 came');
    log.add(happened(0, 'viewer 2 came'));
    await untilTexts('viewer 2 came', 'viewer 1 went', 'viewer 1 came');
    await vi.waitFor(async () => expect(await page.locator('#answer').textContent()).toBe('2 viewers on 1 host, 99 of 100 frames seen within 14 ms. No alert is open.'), deadline);
    expect(await page.locator('#count').textContent()).toBe('3 events');
    expect(page.url()).not.toContain(token);
    await page.reload();
    await untilTexts('viewer 2 came', 'viewer 1 went', 'viewer 1 came');
    expect(problems).toEqual([]);
  });

  it('Paused_NothingComesUntilItGoesOn', async () => {
    log.add(happened(20, 'before'));
    await open();
    await untilTexts('before');
    await page.getByRole('button', { name: 'Pause' }).click();
    await untilState('paused');
    await vi.waitFor(() => expect(log.followers).toBe(0), deadline);
    log.add(happened(0, 'meanwhile'));
    await page.keyboard.press('p');
    await untilTexts('meanwhile', 'before');
    await untilState('live');
    await page.keyboard.press('p');
    await untilState('paused');
    await page.getByRole('searchbox', { name: 'Search' }).fill('mean');
    await untilState('live'); // another search begins anew
    log.add(happened(0, 'by no means'));
    await untilTexts('by no means', 'meanwhile');
  });

  it('HundredThousandOfThousandHosts_FewRowsAndAnswersAtOnce', async () => {
    const from = Date.now() - 800_000;
    log.add(...Array.from({ length: 100_000 }, (_, i) => ({ topic: 'sessions', text: `event ${i}`, host: `host-${i % 1_000}`, atMs: from + i * 7 })));
    log.steps = sampleSteps(60, 10, () => ({ viewers: 1_800 }));
    await open();
    await vi.waitFor(async () => expect((await texts())[0]).toBe('event 99999'), deadline);
    expect(await page.locator('#count').textContent()).toBe('5,000 events, the newest of more');
    expect(await page.locator('#sizer .row').count()).toBeLessThan(60);
    expect(await page.locator('#hosts option').count()).toBe(1_000);

    // The end of what is held, by keyboard, and what is before it.
    await page.keyboard.press('l');
    await page.keyboard.press('End');
    await vi.waitFor(async () => expect(await focused()).toContain('event 95000'), deadline);
    expect(await page.locator('#sizer .row').count()).toBeLessThan(60);
    await page.getByRole('button', { name: 'Older events' }).click();
    await vi.waitFor(async () => expect((await texts())[0]).toBe('event 95000'), deadline);
    await untilState('past');
    expect(new URL(page.url()).searchParams.get('until')).not.toBeNull();
    await page.keyboard.press('n');
    await vi.waitFor(async () => expect((await texts())[0]).toBe('event 99999'), deadline);

    await page.getByRole('combobox', { name: 'Host' }).fill('host-7');
    await page.keyboard.press('Enter');
    await vi.waitFor(async () => expect(await page.locator('#count').textContent()).toBe('100 events'), deadline);
    expect(problems).toEqual([]);
  });

  it('MoreHostsThanSecondsCanBeLookedAt_FiguresOfMinutes', async () => {
    log.hasManyHosts = true;
    log.stepSeconds = 60;
    log.steps = sampleSteps(14, 60, () => ({ viewers: 1_800 }));
    log.add(happened(5, 'one'));
    await open();
    await vi.waitFor(async () => expect(await page.locator('#answer').textContent()).toMatch(/^1,800 viewers on 1 host,/), deadline);
    await untilState('live');
    expect(log.queries.filter(({ method }) => method === 'figures').map(({ query }) => query.stepSeconds)).toEqual([0, 60]);
  });

  it('ReadingFurtherDown_WhatComesMovesNothing', async () => {
    log.add(...Array.from({ length: 400 }, (_, i) => happened(500 - i, `event ${i}`)));
    await open();
    await vi.waitFor(async () => expect((await texts())[0]).toBe('event 399'), deadline);
    await page.keyboard.press('l');
    for (let i = 0; i < 5; i++) await page.keyboard.press('PageDown');
    const before = await focused();
    const top = (): Promise<number> => page.evaluate(() => document.activeElement!.getBoundingClientRect().top);
    const topBefore = await top();
    log.add(...Array.from({ length: 30 }, (_, i) => happened(0, `new ${i}`)));
    await vi.waitFor(async () => expect(await page.locator('#count').textContent()).toBe('430 events'), deadline);
    expect(await focused()).toBe(before);
    expect(Math.abs(await top() - topBefore)).toBeLessThan(1);
    await page.getByRole('button', { name: 'Newest' }).click();
    await vi.waitFor(async () => expect((await texts())[0]).toBe('new 29'), deadline);
  });
});

describe('Filters', () => {
  it('AllOfThem_InTheAddressAndBack', async () => {
    log.add(
      happened(50, 'viewer 1 came'), happened(40, 'video does not work', { topic: 'errors' }), happened(30, 'viewer 2 came', { host: 'other' }),
      happened(4_000, 'long ago'),
    );
    await open();
    await untilTexts('viewer 2 came', 'video does not work', 'viewer 1 came');
    await page.getByRole('searchbox', { name: 'Search' }).fill('viewer');
    await untilTexts('viewer 2 came', 'viewer 1 came');
    await page.getByRole('combobox', { name: 'Host' }).fill('build-07');
    await page.keyboard.press('Enter');
    await untilTexts('viewer 1 came');
    await page.getByRole('searchbox', { name: 'Search' }).fill('');
    await untilTexts('video does not work', 'viewer 1 came');
    await page.getByRole('checkbox', { name: 'sessions' }).uncheck();
    await untilTexts('video does not work');
    await page.getByRole('combobox', { name: 'Time' }).selectOption('last day');
    await vi.waitFor(() => expect(new URL(page.url()).search).toBe('?since=1d&topics=alerts,errors,minutes,dead-letters&host=build-07'), deadline);
    const address = page.url();

    await page.goBack();
    await page.goBack();
    await untilTexts('video does not work', 'viewer 1 came');
    expect(await page.getByRole('checkbox', { name: 'sessions' }).isChecked()).toBe(true);
    await page.goForward();
    await untilTexts('video does not work');

    // The same for whoever gets the address.
    await page.goto(`${host.url}events`);
    await page.goto(address);
    await untilTexts('video does not work');
    expect(await page.getByRole('combobox', { name: 'Host' }).inputValue()).toBe('build-07');
    expect(await page.getByRole('combobox', { name: 'Time' }).inputValue()).toBe('1d');
    expect(problems).toEqual([]);
  });

  it('FromTo_ShownAndInTheAddress', async () => {
    log.add(happened(7_000, 'two hours ago'), happened(3_000, 'an hour ago'), happened(5, 'now'));
    await open(`?t=${token}&since=1d`);
    await untilTexts('now', 'an hour ago', 'two hours ago');
    await page.getByRole('combobox', { name: 'Time' }).selectOption('from … to …');
    await untilState('past');
    const local = (secondsAgo: number): Promise<string> => page.evaluate(ago => {
      const at = new Date(Date.now() - ago * 1_000);
      return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
    }, secondsAgo);
    await page.getByLabel('To', { exact: true }).fill(await local(600));
    await page.keyboard.press('Tab');
    await untilTexts('an hour ago', 'two hours ago');
    await page.getByLabel('From', { exact: true }).fill(await local(4_000));
    await page.keyboard.press('Tab');
    await untilTexts('an hour ago');
    expect(await page.getByRole('button', { name: 'Pause' }).isVisible()).toBe(false);
    await vi.waitFor(() => expect(log.followers).toBe(0), deadline);
  });

  it('Saved_WhatIsSearchedFor', async () => {
    log.add(happened(5, 'one'), happened(4, 'two'), happened(3, 'other', { host: 'other' }));
    await open(`?t=${token}&host=build-07`);
    await untilTexts('two', 'one');
    for (const [button, ending, content] of [['Save JSON', 'jsonl', /^\{"position":"0".*\n\{"position":"1".*\n$/], ['Save CSV', 'csv', /^time,text\r\n.*,one\r\n.*,two\r\n$/]] as const) {
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: button }).click()]);
      expect(download.suggestedFilename()).toMatch(new RegExp(`^vitrine-events-.*\\.${ending}$`));
      expect(readFileSync(await download.path(), 'utf8')).toMatch(content);
      await vi.waitFor(async () => expect(await page.locator('#announcement').textContent()).toBe('2 events were saved.'), deadline);
    }
    expect(log.queries.filter(({ method }) => method === 'table').at(-1)?.accept).toBe('text/csv');
    log.problem = { status: 400, code: 'OUT_OF_RANGE', detail: 'Too many.' };
    await page.getByRole('button', { name: 'Save CSV' }).click();
    await vi.waitFor(async () => expect(await page.locator('#announcement').textContent()).toBe('Nothing was saved. That is too much at a time. Too many.'), deadline);
  });
});

describe('States', () => {
  it('Empty_SaidAndMended', async () => {
    log.add(happened(100_000, 'yesterday'));
    await open();
    await untilState('live');
    await vi.waitFor(async () => expect(await page.locator('#empty-text').textContent()).toContain('Nothing happened in this time.'), deadline);
    await page.getByRole('button', { name: 'Look at the last 30 days' }).click();
    await untilTexts('yesterday');
    expect(await page.locator('#empty').isVisible()).toBe(false);
  });

  it('HostLost_EventsStayAndComeBackByThemselves', async () => {
    log.add(happened(5, 'before'));
    await open();
    await untilTexts('before');
    host.isDead = true;
    log.drop();
    await untilState('hostGone');
    expect(await page.locator('#trouble-detail').textContent()).toMatch(/What was told stays here\. Next try in \d+ s\.$/);
    expect(await texts()).toEqual(['before']);
    host.isDead = false;
    log.add(happened(0, 'after'));
    await page.getByRole('button', { name: 'Try now' }).click();
    await untilTexts('after', 'before');
    await untilState('live');
    expect(await page.locator('#trouble').isVisible()).toBe(false);
  });

  it('EmptyLogAndHostLost_BackAsWell', async () => {
    await open();
    await untilState('live');
    host.isDead = true;
    log.drop();
    await untilState('hostGone');
    host.isDead = false;
    await untilState('live');
    log.add(happened(0, 'first'));
    await untilTexts('first');
  });

  for (const [status, code, state, title] of [
    [403, 'PERMISSION_DENIED', 'viewOnly', 'This link may look at the screen, and not at events'],
    [400, 'FAILED_PRECONDITION', 'eventsOff', 'There are no events to show'],
    [429, 'RESOURCE_EXHAUSTED', 'busy', 'The host answers as many as it may'],
    [400, 'OUT_OF_RANGE', 'tooMuch', 'That is too much at a time'],
    [400, 'INVALID_ARGUMENT', 'refused', 'That cannot be searched for'],
    [500, 'UNKNOWN', 'failed', 'The host failed'],
  ] as const) {
    it(`${code}_${state}`, async () => {
      log.problem = { status, code, detail: 'Mend it so.' };
      await open(`?t=${token}&since=7d`);
      await untilState(state);
      expect(await page.getByRole('heading', { name: title }).isVisible()).toBe(true);
      if (status !== 403) expect(await page.locator('#trouble-detail').textContent()).toContain('Mend it so.');
    });
  }

  it('EventsOff_TriedAgainWhenAsked', async () => {
    log.problem = { status: 400, code: 'FAILED_PRECONDITION', detail: 'This host keeps no events. Start it with --events on.' };
    await open();
    await untilState('eventsOff');
    log.problem = undefined;
    log.add(happened(1, 'here'));
    await page.getByRole('button', { name: 'Try now' }).click();
    await untilTexts('here');
    await untilState('live');
  });

  it('NoToken_TakesAPastedLink', async () => {
    log.add(happened(1, 'here'));
    await open('');
    await untilState('noAccess');
    expect(log.queries).toEqual([]);
    await page.getByRole('textbox', { name: 'Link' }).fill('nothing of use');
    await page.keyboard.press('Enter');
    expect(await page.locator('#link').getAttribute('aria-invalid')).toBe('true');
    await page.getByRole('textbox', { name: 'Link' }).fill(`${host.url}events?t=${token}`);
    await page.keyboard.press('Enter');
    await untilTexts('here');
  });
});

describe('Access', () => {
  it('KeyboardOnly_EverythingIsReachedAndSeen', async () => {
    log.add(happened(9, 'one'), happened(5, 'two'));
    log.steps = sampleSteps(60, 10);
    await open();
    await untilTexts('two', 'one');
    const reached = new Set<string>();
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab');
      const at = await page.evaluate(() => {
        const element = document.activeElement as HTMLElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        const { width, height } = element.getBoundingClientRect();
        return { name: element.id || element.getAttribute('aria-label') || element.className || element.tagName, ring: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1, height, width, tag: element.tagName };
      });
      if (at.tag === 'BODY') break;
      if (reached.has(at.name)) continue;
      reached.add(at.name);
      expect(at, at.name).toMatchObject({ ring: true });
      if (at.tag === 'BUTTON') expect(at.height, at.name).toBeGreaterThanOrEqual(32);
    }
    for (const name of ['skip', 'pause', 'tables', 'save-lines', 'save-table', 'keys-button', 'text', 'range', 'host', 'row']) expect([...reached]).toContain(name);

    await page.keyboard.press('l');
    expect(await focused()).toContain('two');
    await page.keyboard.press('ArrowDown');
    expect(await focused()).toContain('one');
    await page.keyboard.press('Enter');
    expect(await page.getByRole('dialog', { name: 'one' }).isVisible()).toBe(true);
    expect(await page.locator('#details-json').textContent()).toContain('"hostName": "build-07"');
    await page.keyboard.press('Escape');
    expect(await focused()).toContain('one');
    await page.keyboard.press('t');
    expect(await page.getByRole('region', { name: 'Latency, table' }).isVisible()).toBe(true);
    expect(await page.getByRole('region', { name: 'Latency, table' }).getByRole('row').count()).toBeGreaterThan(50);
    await page.keyboard.press('t');
    await page.keyboard.press('?');
    expect(await page.getByRole('dialog', { name: 'Keys' }).isVisible()).toBe(true);
    await page.keyboard.press('Escape');
    await page.keyboard.press('/');
    expect(await focused()).toBe('text');
    await page.keyboard.type('one p/t');
    expect(await page.locator('#text').inputValue()).toBe('one p/t'); // letters are letters there
    expect(problems).toEqual([]);
  });

  it('AccessibilityTree_NamesEverything', async () => {
    log.add(happened(9, 'one'), happened(5, 'two'));
    log.steps = sampleSteps(60, 10);
    log.alerts = [{ since: new Date().toISOString(), message: 'Viewer 1 of build-07 sees changes 300 ms late.', alert: { kind: 'LATENCY', viewerId: '1' } }];
    await open();
    await untilTexts('two', 'one');
    await vi.waitFor(async () => expect(await page.locator('#alerts li').count()).toBe(1), deadline);
    for (const [role, name] of [
      ['banner', undefined], ['main', undefined], ['search', 'Which events'], ['heading', 'Events'], ['heading', 'Timeline'], ['list', 'Open alerts'], ['grid', 'Timeline'],
      ['img', /^Viewers: 2 at the end, 2 at most$/], ['img', /^Latency: 99 of 100 frames 14 ms at the end, 14 ms at most; half of them 7\.0 ms/], ['img', /^Sent: 1\.0 Mbit\/s at the end/],
      ['img', /^Alerts raised: none$/], ['group', 'Topics'], ['row', /sessions build-07 two$/], ['columnheader', 'What happened'],
    ] as const) {
      expect(await page.getByRole(role, name === undefined ? {} : { name }).first().isVisible(), `${role} ${name}`).toBe(true);
    }
    const unnamed = await page.evaluate(() => [...document.querySelectorAll('button, input, select, [role=img], [role=region]')]
      .filter(control => control.checkVisibility() && !(control as HTMLInputElement).labels?.length && !control.getAttribute('aria-label') && !control.textContent?.trim()).map(control => control.outerHTML));
    expect(unnamed).toEqual([]);
    expect(await page.locator('#list').getAttribute('aria-rowcount')).toBe('3');
    expect(await page.locator('#answer').textContent()).toContain('1 alert is open');
  });

  it('NewAlertsAreSaid_AndNothingElse', async () => {
    const alert = (message: string) => ({ since: new Date().toISOString(), message, alert: { kind: 'LATENCY', viewerId: '1' } });
    log.steps = sampleSteps(60, 10);
    log.alerts = [alert('old')];
    log.add(happened(5, 'one'));
    await open();
    await untilTexts('one');
    await vi.waitFor(() => expect(log.followers).toBe(2), deadline);
    log.add(happened(0, 'two'));
    await untilTexts('two', 'one');
    expect(await page.locator('[aria-live]').allTextContents()).toEqual(['']);
    log.alerts = [alert('Viewer 3 is late.'), ...log.alerts];
    log.tell();
    await vi.waitFor(async () => expect(await page.locator('#announcement').textContent()).toBe('New alert: Viewer 3 is late.'), deadline);
    expect(await page.title()).toBe('(2) Events · Vitrine');
    log.alerts = [];
    log.tell();
    await vi.waitFor(async () => expect(await page.title()).toBe('Events · Vitrine'), deadline);
    expect(await page.locator('#announcement').textContent()).toBe('New alert: Viewer 3 is late.');
  });

  for (const colorScheme of ['dark', 'light'] as const) {
    it(`Contrast_${colorScheme}`, async () => {
      log.add(happened(5, 'one'), happened(4, 'an error', { topic: 'errors' }), happened(3, 'ALERT late', { topic: 'alerts', what: { alertRaised: {} } }));
      log.steps = sampleSteps(60, 10);
      log.alerts = [{ since: new Date().toISOString(), message: 'late', alert: { kind: 'LATENCY', viewerId: '1' } }];
      await open(undefined, { colorScheme });
      await untilTexts('ALERT late', 'an error', 'one');
      await vi.waitFor(async () => expect(await page.locator('.plot .line').count()).toBe(4), deadline);
      const low = await page.evaluate(() => {
        const channels = (colour: string): number[] => colour.match(/[\d.]+/g)!.slice(0, 4).map(Number);
        const luminance = (colour: string): number => {
          const [r, g, b] = channels(colour).map(value => value / 255).map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const backOf = (element: Element): string => {
          for (let at: Element | null = element; at; at = at.parentElement) {
            const back = getComputedStyle(at).backgroundColor;
            if ((channels(back)[3] ?? 1) === 1) return back;
          }
          return 'rgb(255, 255, 255)';
        };
        const ratio = (one: string, other: string): number => {
          const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
          return (light + 0.05) / (dark + 0.05);
        };
        const bad: string[] = [];
        for (const element of document.querySelectorAll('body *')) {
          if (!element.checkVisibility() || element.closest('.visually-hidden')) continue;
          const style = getComputedStyle(element);
          const isSvg = element instanceof SVGElement;
          const hasText = [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.textContent!.trim() !== '');
          if (hasText) {
            const value = ratio(isSvg ? style.fill : style.color, backOf(element));
            if (value < 4.5) bad.push(`${element.className || element.tagName}: ${value.toFixed(2)}`);
          }
          if (element.matches('.plot .line')) {
            const value = ratio(style.stroke, backOf(element));
            if (value < 3) bad.push(`line ${style.stroke}: ${value.toFixed(2)}`);
          }
        }
        return bad;
      });
      expect(low).toEqual([]);
    });
  }

  it('Phone_NothingIsCutOffSideways', async () => {
    log.add(happened(5, 'something that takes more room than a telephone has in one line of its list'));
    log.steps = sampleSteps(60, 10);
    await open(undefined, { width: 320, height: 640 });
    await vi.waitFor(async () => expect(await page.locator('#sizer .row').count()).toBe(1), deadline);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
  });
});
