import type { Statistics as HostStatistics } from '../../wire/messages';
import type { FrameSample, VideoStatus } from '../messages';
import type { PresentationFigures } from '../worker/presentation/presenter';

export const stageNames = ['capture', 'encode', 'network', 'decode', 'show'] as const;
export type StageName = (typeof stageNames)[number];

/** Milliseconds, two decimals; null when no frame of the window was timed. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** What «Copy as JSON» and `vitrineStatistics()` give: see docs/VIEWER.md. */
export interface StatisticsDocument {
  readonly schema: 1;
  readonly at: string;
  readonly state: string;
  readonly host: string;
  readonly source: string;
  readonly picture: { readonly width: number; readonly height: number };
  readonly windowSeconds: number;
  /** Frames of the window that have times: those after a join or a resize have none. */
  readonly framesTimed: number;
  readonly stages: Readonly<Record<StageName | 'total', Percentiles | null>>;
  readonly framesPerSecond: number;
  readonly megabitsPerSecond: number;
  readonly framesShown: number;
  readonly framesMerged: number;
  readonly bytesReceived: number;
  readonly roundTripMs: number | null;
  readonly viewers: number | null;
  readonly hostCpuCores: number | null;
  readonly video: {
    /** Whether H.264 is decoded here; otherwise `reason` says why not. */
    readonly isDecoded: boolean;
    readonly reason: string;
    readonly regions: number;
    readonly codec: string;
    readonly framesPerSecond: number;
    readonly framesDrawn: number;
    readonly unitsDropped: number;
    readonly resets: number;
    readonly keyFramesAsked: number;
    readonly jitterDepthMs: number;
  };
  /** Null until it is chosen. */
  readonly presentation: PresentationFigures | null;
}

const windowMs = 10_000;
const rateMs = 1_000;
/** 200 frames a second over the window; older ones go first. */
const samplesMax = 2_000;

/** The last ten seconds of frames, and totals since the page was opened. */
export class StatisticsWindow {
  #samples: FrameSample[] = [];
  #arrivals: { readonly atMs: number; readonly bytes: number }[] = [];
  #framesShown = 0;
  #bytesReceived = 0;
  #roundTripMs: number | null = null;
  #host: HostStatistics | undefined;
  #video: VideoStatus | undefined;
  #presentation: PresentationFigures | undefined;

  /** `bytesReceived` counts since the worker started. */
  add(samples: readonly FrameSample[], bytesReceived: number, roundTripMs: number | null, nowMs: number): void {
    this.#samples.push(...samples);
    this.#framesShown += samples.length;
    this.#arrivals.push({ atMs: nowMs, bytes: bytesReceived - this.#bytesReceived });
    this.#bytesReceived = bytesReceived;
    this.#roundTripMs = roundTripMs;
    this.#forgetOld(nowMs);
  }

  setVideo(status: VideoStatus): void {
    this.#video = status;
  }

  /** Why H.264 is not decoded here, in words; undefined when it is, or when that is not known yet. */
  get whyNoVideo(): string | undefined {
    return this.#video?.whyNot;
  }

  setPresentation(figures: PresentationFigures): void {
    this.#presentation = figures;
  }

  addHost(statistics: HostStatistics): void {
    this.#host = statistics;
  }

  #forgetOld(nowMs: number): void {
    const first = this.#samples.findIndex(sample => sample.atMs > nowMs - windowMs);
    const old = first < 0 ? this.#samples.length : first;
    this.#samples.splice(0, Math.max(old, this.#samples.length - samplesMax));
    while (this.#arrivals.length > 0 && this.#arrivals[0].atMs <= nowMs - rateMs) this.#arrivals.shift();
  }

  /** Frames of the last second. */
  framesPerSecond(nowMs: number): number {
    let count = 0;
    for (let i = this.#samples.length - 1; i >= 0 && this.#samples[i].atMs > nowMs - rateMs; i--) count++;
    return count;
  }

  megabitsPerSecond(nowMs: number): number {
    this.#forgetOld(nowMs);
    return this.#arrivals.reduce((sum, arrival) => sum + arrival.bytes, 0) * 8 / rateMs / 1_000;
  }

  /** How old the newest picture was when it was shown, or null when nothing came for a while. */
  behindMs(nowMs: number): number | null {
    const last = this.#samples.at(-1);
    return last && last.atMs > nowMs - 1_500 && Number.isFinite(last.total) ? last.total : null;
  }

  document(about: Pick<StatisticsDocument, 'state' | 'host' | 'source' | 'picture'>, nowMs: number): StatisticsDocument {
    const megabitsPerSecond = this.megabitsPerSecond(nowMs);
    const stages = Object.fromEntries(
      [...stageNames, 'total' as const].map(name => [name, percentiles(this.#samples.map(sample => sample[name]))]),
    ) as StatisticsDocument['stages'];
    return {
      schema: 1,
      at: new Date(nowMs).toISOString(),
      ...about,
      windowSeconds: windowMs / 1_000,
      framesTimed: this.#samples.filter(sample => Number.isFinite(sample.total)).length,
      stages,
      framesPerSecond: this.framesPerSecond(nowMs),
      megabitsPerSecond: round(megabitsPerSecond),
      framesShown: this.#framesShown,
      framesMerged: Number(this.#host?.framesMerged ?? 0n),
      bytesReceived: this.#bytesReceived,
      roundTripMs: this.#roundTripMs === null ? null : round(this.#roundTripMs),
      viewers: this.#host?.viewers ?? null,
      hostCpuCores: this.#host ? this.#host.hostCpuMilli / 1_000 : null,
      video: {
        isDecoded: this.#video !== undefined && this.#video.whyNot === undefined,
        reason: this.#video?.whyNot ?? '',
        regions: this.#video?.regions ?? 0,
        codec: this.#video?.codec ?? '',
        framesPerSecond: this.#video?.framesPerSecond ?? 0,
        framesDrawn: this.#video?.framesDrawn ?? 0,
        unitsDropped: this.#video?.unitsDropped ?? 0,
        resets: this.#video?.resets ?? 0,
        keyFramesAsked: this.#video?.keyFramesAsked ?? 0,
        jitterDepthMs: round(this.#video?.jitterDepthMs ?? 0),
      },
      presentation: this.#presentation ?? null,
    };
  }
}

/** Nearest rank, over the finite values. */
export function percentiles(values: readonly number[]): Percentiles | null {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const at = (share: number): number => round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
