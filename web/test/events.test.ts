import { describe, expect, it } from 'vitest';
import { linePath, niceMax } from '../src/events/chart';
import { answerOf, bitRate, FigureBoard, milliseconds, type Point } from '../src/events/figures';
import { queryOf, readFilters, spanOf, topicNames, writeFilters } from '../src/events/filters';
import { HeldEvents } from '../src/events/held';
import { Lost, Problem, readLines } from '../src/events/lines';
import type { Figures, FigureStep } from '../src/events/messages';
import { mendNames, troubleOf } from '../src/events/trouble';
import { seeded } from './support/bytes';

const usual = readFilters(new URLSearchParams());

describe('Filters', () => {
  it('Usual_NotInTheAddress', () => {
    expect(writeFilters(usual)).toBe('');
    expect(usual.topics).not.toContain('statistics');
    expect(queryOf(usual)).toEqual({ topics: usual.topics, since: '15m', until: '', host: '', text: '' });
  });

  it('EveryFilter_ThereAndBack', () => {
    const filters = {
      since: '2030-01-31T12:00:00.000Z', until: '2030-02-01T12:00:00Z', topics: ['alerts', 'statistics'] as const, host: 'build 07&x=1', text: 'viewer 3 über',
    };
    const query = writeFilters(filters);
    expect(query).toContain('topics=alerts,statistics');
    expect(readFilters(new URLSearchParams(query))).toEqual(filters);
    for (const topics of [[topicNames[0]], [...topicNames]]) {
      expect(readFilters(new URLSearchParams(writeFilters({ ...usual, topics })))).toEqual({ ...usual, topics });
    }
  });

  it('Nonsense_Usual', () => {
    for (const query of ['since=yesterday&until=soon', 'topics=', 'topics=colours', 'since=1', 'until=15m', 'since=2030', 'since=javascript:alert(1)']) {
      expect(readFilters(new URLSearchParams(query))).toEqual(usual);
    }
    expect(readFilters(new URLSearchParams(`q=${'x'.repeat(9_999)}`)).text).toHaveLength(256);
  });

  it('Span_RelativeOrNot', () => {
    expect(spanOf(usual, 10_000_000)).toEqual({ fromMs: 10_000_000 - 900_000, toMs: 10_000_000 });
    expect(spanOf({ ...usual, since: '1970-01-01T00:00:01Z', until: '1970-01-01T00:00:02Z' }, 9)).toEqual({ fromMs: 1_000, toMs: 2_000 });
  });
});

describe('HeldEvents', () => {
  const line = (position: string, second: number, text = ''): string =>
    JSON.stringify({ position, taken: `2030-01-01T00:00:${String(second).padStart(2, '0')}.123456789Z`, topic: 'sessions', text, event: { source: { hostName: 'h' } } });

  it('Lines_NewestFirstAndEachOnce', () => {
    const held = new HeldEvents(100);
    expect(held.add([line('1', 1), line('2', 2)])).toBe(2);
    expect(held.add([line('2', 2), line('3', 3)])).toBe(1);
    expect([0, 1, 2].map(index => held.at(index).position)).toEqual(['3', '2', '1']);
    expect(held.ends).toEqual(['3']);
    expect(held.at(0)).toMatchObject({ host: 'h', atMs: Date.UTC(2030, 0, 1, 0, 0, 3, 123), isAlert: false });
  });

  it('WhatWasToldByWhoWatches_IsOfTheHostThatItIsAbout', () => {
    const held = new HeldEvents(100);
    const told = (position: string, what: object): string =>
      JSON.stringify({ position, taken: '2030-01-01T00:00:01Z', topic: 'minutes', text: '', event: { source: { hostName: 'watch' }, ...what } });
    const host = { hostName: 'h' };
    held.add([told('1', { minuteSummary: { host } }), told('2', { alertRaised: { alert: { host } } }), told('3', { alertCleared: { alert: { host } } }), told('4', { deadLetter: {} })]);
    expect([3, 2, 1, 0].map(index => held.at(index).host)).toEqual(['h', 'h', 'h', 'watch']);
  });

  it('OrdersBesideEachOther_ByTimeAndOneEndEach', () => {
    const held = new HeldEvents(100);
    held.add([line('t/0/5', 1), line('t/0/6', 9), line('t/1/3', 4), line('u/0/1', 7)]);
    expect([0, 1, 2, 3].map(index => held.at(index).position)).toEqual(['t/0/6', 'u/0/1', 't/1/3', 't/0/5']);
    expect(held.ends).toEqual(['t/0/6', 't/1/3', 'u/0/1']);
  });

  it('HundredThousand_OnlyTheNewestAreHeld', () => {
    const held = new HeldEvents(5_000);
    for (let i = 0; i < 100_000; i += 1_000) held.add(Array.from({ length: 1_000 }, (_, k) => line(String(i + k), Math.floor((i + k) / 2_000))));
    expect(held.count).toBeLessThanOrEqual(5_500);
    expect(held.count).toBeGreaterThanOrEqual(5_000);
    expect(held.at(0).position).toBe('99999');
    expect(held.at(held.count - 1).position).toBe(String(100_000 - held.count));
    expect(held.add([line('99999', 49)])).toBe(0);
  });
});

describe('Lines', () => {
  const answer = (text: string): Response => new Response(new ReadableStream({
    start(stream) {
      const bytes = new TextEncoder().encode(text);
      // Cut anywhere, within letters too.
      const random = seeded(3);
      for (let at = 0; at < bytes.length;) {
        const end = Math.min(bytes.length, at + 1 + Math.floor(random() * 5));
        stream.enqueue(bytes.slice(at, end));
        at = end;
      }
      stream.close();
    },
  }));

  it('CutAnywhere_WholeLines', async () => {
    const seen: string[] = [];
    await readLines(answer('{"a":"«ü»"}\n{"b":2}\n\n{"c":3}\n'), lines => seen.push(...lines));
    expect(seen).toEqual(['{"a":"«ü»"}', '{"b":2}', '{"c":3}']);
  });

  it('ProblemAtTheEnd_ThrownAfterTheLines', async () => {
    const seen: string[] = [];
    const failure = await readLines(answer('{"a":1}\n{"problem":{"status":400,"code":"OUT_OF_RANGE","detail":"too much"}}\n'), lines => seen.push(...lines))
      .then(() => undefined, (error: unknown) => error as Problem);
    expect(seen).toEqual(['{"a":1}']);
    expect(failure).toMatchObject({ status: 400, code: 'OUT_OF_RANGE', message: 'too much' });
  });
});

describe('Figures', () => {
  const atMs = Date.UTC(2030, 0, 1);
  const step = (index: number, change: Partial<FigureStep> = {}): FigureStep => ({
    start: new Date(atMs + index * 10_000).toISOString(), samples: 1, viewers: 2, bytesSent: '2500000', framesTimed: '9', latencyP50Milliseconds: 5,
    latencyP99Milliseconds: 20, alertsRaised: 0, ...change,
  });
  const figures = (nowSeconds: number, ...steps: FigureStep[]): Figures =>
    ({ now: new Date(atMs + nowSeconds * 1_000).toISOString(), stepSeconds: 10, steps, hosts: [], hostCount: 2, alerts: [], alertCount: 0 });

  it('Steps_GapsAndUnfinishedOnes', () => {
    const board = new FigureBoard();
    board.add(figures(45, step(0), step(2, { framesTimed: '0' }), step(4)));
    const points = board.points(atMs, atMs + 100_000);
    expect(points.map(point => point.viewers)).toEqual([2, undefined, 2]); // the one before now may still come; the one of now is not over
    expect(points[0]).toMatchObject({ p50Ms: 5, p99Ms: 20, bitsPerSecond: 2_000_000 });
    expect(points[2].p99Ms).toBeUndefined();
    board.add(figures(55, step(2, { viewers: 7 })));
    expect(board.points(atMs, atMs + 100_000).map(point => point.viewers)).toEqual([2, undefined, 7, undefined, 2]);
    board.forgetBefore(atMs + 35_000);
    expect(board.points(atMs, atMs + 100_000).map(point => point.viewers)).toEqual([undefined, undefined, undefined, undefined, 2]);
    board.add({ ...figures(55), stepSeconds: 60 });
    expect(board.points(atMs, atMs + 100_000)).toEqual([]);
  });

  it('Answer_OneSentence', () => {
    const point = (viewers: number | undefined, p99Ms?: number): Point => ({ atMs, viewers, p50Ms: p99Ms, p99Ms, bitsPerSecond: 0, alerts: 0 });
    expect(answerOf([], 0, 0, true)).toBe('No figures were told in this time.');
    expect(answerOf([point(3, 14)], 1, 0, true)).toBe('3 viewers on 1 host, 99 of 100 frames seen within 14 ms. No alert is open.');
    expect(answerOf([point(5, 14), point(0)], 2, 1, true)).toBe('Nobody looks now, 5 viewers at most before. 1 alert is open.');
    expect(answerOf([point(5, 14), point(1)], 2, 2, false)).toBe('5 viewers on 2 hosts at most, 99 of 100 frames seen within 14 ms. 2 alerts are open.');
    expect(answerOf([point(1_800)], 1_000, 1_200, true)).toBe('1,800 viewers on 1,000 hosts. 1,200 alerts are open.');
    expect(answerOf([point(undefined)], 1, 0, true)).toBe('No alert is open, and no figures were told in this time.');
  });

  it('Numbers_ForPeople', () => {
    expect([0.04, 9.94, 9.96, 250].map(milliseconds)).toEqual(['0.0 ms', '9.9 ms', '10 ms', '250 ms']);
    expect([0, 999, 1_500, 12_345_678, 2e9].map(bitRate)).toEqual(['0 bit/s', '999 bit/s', '1.5 kbit/s', '12 Mbit/s', '2.0 Gbit/s']);
    expect([0, 30, 1, 3, 7, 50, 51, 101, 1e6].map(niceMax)).toEqual([1, 30, 1, 3, 8, 50, 60, 150, 1e6]);
  });

  it('LinePath_GapsAreGapsAndOneAloneIsADot', () => {
    expect(linePath([1, 2, undefined, 3], x => x * 10, y => y)).toBe('M0.0 1.0L10.0 2.0M30.0 3.0h0.1');
    expect(linePath([undefined], x => x, y => y)).toBe('');
  });
});

describe('Trouble', () => {
  it('EveryTrouble_HasASentenceAndAMend', () => {
    const problems = [
      new Lost(), new Problem(401, {}), new Problem(403, {}), new Problem(429, { detail: 'x' }), new Problem(503, { detail: 'x' }),
      ...['FAILED_PRECONDITION', 'OUT_OF_RANGE', 'INVALID_ARGUMENT', 'UNKNOWN'].map(code => new Problem(400, { code, detail: 'What is wrong.' })),
    ];
    const troubles = problems.map(problem => troubleOf(problem, 'host:1'));
    for (const trouble of troubles) {
      expect(trouble.title).toMatch(/^\S.*[^.]$/);
      expect(mendNames[trouble.mend].length).toBeGreaterThan(3);
    }
    expect(new Set(troubles.map(({ title }) => title)).size).toBe(troubles.length);
    expect(troubles.filter(trouble => trouble.isPassing).map(trouble => trouble.state)).toEqual(['hostGone', 'busy', 'hostGone']);
  });
});
