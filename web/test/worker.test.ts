import { describe, expect, it } from 'vitest';
import { GoodbyeReason, PacketType } from '../src/wire/messages';
import { Backoff } from '../src/viewer/worker/backoff';
import { HostClock } from '../src/viewer/worker/hostClock';
import { outcomeOfGoodbye, outcomeOfStatus } from '../src/viewer/worker/hostConnection';

describe('HostClock', () => {
  /** An exchange at a time of ours, with the delays there and back; the host is ahead by `offset`. */
  function exchange(clock: HostClock, at: bigint, there: bigint, back: bigint, offset = 1_000_000n): void {
    const received = at + there + offset;
    clock.add(at, received, received + 50n, at + there + 50n + back);
  }

  it('NoExchange_Unknown', () => {
    const clock = new HostClock();
    expect(clock.isKnown).toBe(false);
    expect(clock.toHost(5n)).toBe(0n);
    expect(clock.delayMs).toBeNull();
  });

  it('EvenDelays_Exact', () => {
    const clock = new HostClock();
    exchange(clock, 10n, 300n, 300n);
    expect(clock.toHost(10n)).toBe(1_000_010n);
  });

  it('OneQuickExchangeAmongSlowOnes_Believed', () => {
    const clock = new HostClock();
    for (let i = 0n; i < 5n; i++) exchange(clock, i * 1_000n, 90_000n, 300n);
    exchange(clock, 9_000n, 200n, 200n);
    for (let i = 0n; i < 10n; i++) exchange(clock, 20_000n + i, 300n, 50_000n);
    expect(clock.toHost(0n)).toBe(1_000_000n);
    expect(clock.delayMs).toBeCloseTo(0.0004);
  });

  it('QuickExchangeOlderThanSixteen_Forgotten', () => {
    const clock = new HostClock();
    exchange(clock, 0n, 1n, 1n);
    for (let i = 0n; i < 16n; i++) exchange(clock, 100n + i, 500n, 500n, 2_000_000n);
    expect(clock.toHost(0n)).toBe(2_000_000n);
  });

  it('ImpossibleExchange_Ignored', () => {
    const clock = new HostClock();
    clock.add(1_000n, 5n, 6n, 900n);
    clock.add(1_000n, 0n, 5_000n, 1_100n);
    expect(clock.isKnown).toBe(false);
  });

  it('HostUpForYears_NoBitLost', () => {
    const clock = new HostClock();
    const offset = 9_007_199_254_740_993n * 3n;
    clock.add(0n, offset, offset, 0n);
    expect(clock.toHost(1n)).toBe(offset + 1n);
  });
});

describe('Backoff', () => {
  it('Delays_DoubleToFiveSeconds', () => {
    const backoff = new Backoff(() => 0);
    expect(Array.from({ length: 7 }, () => backoff.next())).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    backoff.reset();
    expect(backoff.next()).toBe(250);
  });

  it('Jitter_ShortensByAtMostAQuarter', () => expect(new Backoff(() => 1).next()).toBe(187.5));
});

describe('Outcomes', () => {
  it('Status_Told', () => {
    expect(outcomeOfStatus(401, NaN)).toMatchObject({ stop: 'noAccess' });
    expect(outcomeOfStatus(429, 12)).toMatchObject({ retry: 'tooManyFailures', afterMs: 12_000 });
    expect(outcomeOfStatus(429, NaN)).toMatchObject({ afterMs: 10_000 });
    expect(outcomeOfStatus(429, 1e12)).toMatchObject({ afterMs: 3_600_000 });
    expect(outcomeOfStatus(503, NaN)).toMatchObject({ retry: 'tooManyViewers' });
    expect(outcomeOfStatus(200, NaN)).toMatchObject({ retry: 'refused' });
    expect(outcomeOfStatus(502, NaN)).toMatchObject({ retry: 'hostGone' });
  });

  it('EveryGoodbye_HasAnOutcome', () => {
    for (const reason of [...Object.values(GoodbyeReason), 999]) {
      const outcome = outcomeOfGoodbye({ type: PacketType.Goodbye, reason, text: 'x' });
      expect('stop' in outcome || 'retry' in outcome).toBe(true);
      expect(outcome.text).toBe('x');
    }
  });
});
