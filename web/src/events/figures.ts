import { type Figures, type FigureStep, type OpenAlert, type Source, timeOf } from './messages';

/** A step as charts draw it; undefined where nothing was told. */
export interface Point {
  readonly atMs: number;
  readonly viewers: number | undefined;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly bitsPerSecond: number | undefined;
  readonly alerts: number;
}

/** The steps of a time, as messages of the host change them. Bounded by the time. */
export class FigureBoard {
  stepSeconds = 0;
  hosts: readonly Source[] = [];
  hostCount = 0;
  alerts: readonly OpenAlert[] = [];
  alertCount = 0;
  nowMs = 0;
  readonly #steps = new Map<number, FigureStep>();

  clear(): void {
    this.#steps.clear();
    this.stepSeconds = 0;
    [this.hosts, this.hostCount, this.alerts, this.alertCount, this.nowMs] = [[], 0, [], 0, 0];
  }

  add(figures: Figures): void {
    if (figures.stepSeconds !== this.stepSeconds) this.#steps.clear();
    this.stepSeconds = figures.stepSeconds;
    this.nowMs = timeOf(figures.now);
    for (const step of figures.steps) this.#steps.set(timeOf(step.start), step);
    ({ hosts: this.hosts, hostCount: this.hostCount, alerts: this.alerts, alertCount: this.alertCount } = figures);
  }

  /** Forgets what is before a time. */
  forgetBefore(fromMs: number): void {
    for (const atMs of this.#steps.keys()) if (atMs + this.stepSeconds * 1_000 < fromMs) this.#steps.delete(atMs);
  }

  /** All steps of a time, also those of which nothing was told. One that is not over yet would look like a fall: it is left out. */
  points(fromMs: number, toMs: number): Point[] {
    const stepMs = this.stepSeconds * 1_000;
    if (stepMs === 0) return [];
    const points: Point[] = [];
    const end = Math.min(toMs, this.nowMs);
    for (let atMs = Math.floor(fromMs / stepMs) * stepMs; atMs + stepMs <= end; atMs += stepMs) points.push(this.#point(atMs));
    // Minutes are told some time after their end.
    while (points.length > 1 && points.at(-1)!.viewers === undefined && end - points.at(-1)!.atMs < 2 * stepMs + 30_000) points.pop();
    return points;
  }

  /** The newest step of which something was told. */
  static last(points: readonly Point[]): Point | undefined {
    return points.findLast(point => point.viewers !== undefined);
  }

  #point(atMs: number): Point {
    const step = this.#steps.get(atMs);
    if (step === undefined || step.samples === 0) {
      return { atMs, viewers: undefined, p50Ms: undefined, p99Ms: undefined, bitsPerSecond: undefined, alerts: step?.alertsRaised ?? 0 };
    }
    const isTimed = step.framesTimed !== '0';
    return {
      atMs,
      viewers: step.viewers,
      p50Ms: isTimed ? step.latencyP50Milliseconds : undefined,
      p99Ms: isTimed ? step.latencyP99Milliseconds : undefined,
      bitsPerSecond: Number(step.bytesSent) * 8 / this.stepSeconds,
      alerts: step.alertsRaised,
    };
  }
}

const count = (number: number, one: string): string => `${whole(number)} ${one}${number === 1 ? '' : 's'}`;

/** What the figures come to, in one sentence. */
export function answerOf(points: readonly Point[], hostCount: number, alertCount: number, isLive: boolean): string {
  const alerts = alertCount === 0 ? 'No alert is open' : `${count(alertCount, 'alert')} ${alertCount === 1 ? 'is' : 'are'} open`;
  const last = FigureBoard.last(points);
  if (last === undefined) return hostCount === 0 ? 'No figures were told in this time.' : `${alerts}, and no figures were told in this time.`;
  const most = Math.max(...points.map(point => point.viewers ?? 0));
  const viewers = isLive ? last.viewers! : most;
  const watching = viewers === 0 ? 'Nobody looks' : `${count(viewers, 'viewer')} on ${count(hostCount, 'host')}`;
  const before = isLive && viewers === 0 && most > 0 ? ` now, ${count(most, 'viewer')} at most before` : isLive ? '' : ' at most';
  const late = points.findLast(point => point.p99Ms !== undefined);
  const latency = late === undefined || (isLive && viewers === 0) ? '' : `, 99 of 100 frames seen within ${milliseconds(late.p99Ms!)}`;
  return `${watching}${before}${latency}. ${alerts}.`;
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

export function milliseconds(value: number): string {
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ms`;
}

export function bitRate(bitsPerSecond: number): string {
  const [divisor, unit] = bitsPerSecond >= 1e9 ? [1e9, 'Gbit/s'] : bitsPerSecond >= 1e6 ? [1e6, 'Mbit/s'] : bitsPerSecond >= 1e3 ? [1e3, 'kbit/s'] : [1, 'bit/s'];
  const value = bitsPerSecond / divisor;
  return `${value === 0 || value >= 99.5 || divisor === 1 ? Math.round(value) : value.toPrecision(2)} ${unit}`;
}
