import type { Rectangle } from './worker/geometry';
import type { PresentationFigures } from './worker/presentation/presenter';
import type { PresentationKind } from './worker/presentation/surface';
import type { VideoFigures } from './worker/video/videoPlane';
import type { Statistics, Topology } from '../wire/messages';

/** Why there is no picture coming, where the viewer goes on trying by itself. */
export type RetryCause =
  | 'hostGone' | 'hostClosing' | 'refused' | 'tooManyViewers' | 'tooManyFailures' | 'protocolError' | 'stalled' | 'internalError';

/** Why the viewer has given up until the person does something. */
export type StopCause = 'noAccess' | 'versionMismatch' | 'sourceClosed' | 'pictureTooLarge';

export type Connection =
  | { readonly state: 'connecting'; readonly waitingFor: 'answer' | 'picture' }
  | { readonly state: 'live' }
  | { readonly state: 'retrying'; readonly cause: RetryCause; readonly retryAfterMs: number; readonly text: string }
  | { readonly state: 'stopped'; readonly cause: StopCause; readonly text: string };

/** Times in milliseconds; NaN where the host's clock is not known yet or the frame has no origin. */
export interface FrameSample {
  /** When it was shown: performance.timeOrigin + performance.now(). */
  readonly atMs: number;
  readonly capture: number;
  readonly encode: number;
  readonly network: number;
  readonly decode: number;
  readonly show: number;
  readonly total: number;
}

/** The video plane, for the statistics. */
export interface VideoStatus extends VideoFigures {
  /** Why H.264 cannot be decoded here, in words; undefined when it can. */
  readonly whyNot: string | undefined;
}

export type ToWorker =
  | {
    readonly kind: 'start';
    readonly canvas: OffscreenCanvas;
    readonly streamUrl: string;
    readonly healthUrl: string;
    readonly viewerName: string;
    readonly isHidden: boolean;
    /** What a person chose; undefined leaves it to the machine. */
    readonly present: PresentationKind | undefined;
  }
  /** The answer to `canvasWanted`. */
  | { readonly kind: 'canvas'; readonly canvas: OffscreenCanvas }
  /** The page has had so many animation turns since the last canvas was drawn on that the browser is over whatever was lost. */
  | { readonly kind: 'calm' }
  | { readonly kind: 'present'; readonly present: PresentationKind | undefined }
  | { readonly kind: 'outlines'; readonly isOn: boolean }
  | { readonly kind: 'select'; readonly monitor: number }
  | { readonly kind: 'visibility'; readonly isHidden: boolean }
  | { readonly kind: 'reconnect' }
  | { readonly kind: 'refresh' };

/** A region, and what of it is covered; device pixels of the host. */
export interface Outline extends Rectangle {
  readonly region: number;
  readonly parts: readonly Rectangle[];
}

export type ToPage =
  | { readonly kind: 'connection'; readonly connection: Connection }
  | { readonly kind: 'host'; readonly name: string }
  | { readonly kind: 'topology'; readonly topology: Topology }
  /** The part of the picture that the canvas now holds, in device pixels of the host. */
  | { readonly kind: 'view'; readonly view: Rectangle }
  | {
    readonly kind: 'cursorShape';
    readonly width: number;
    readonly height: number;
    readonly hotspotX: number;
    readonly hotspotY: number;
    /** R, G, B, A, not premultiplied. */
    readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  }
  | { readonly kind: 'cursorPosition'; readonly x: number; readonly y: number }
  | {
    readonly kind: 'samples';
    readonly samples: readonly FrameSample[];
    readonly bytesReceived: number;
    readonly roundTripMs: number | null;
  }
  | { readonly kind: 'hostStatistics'; readonly statistics: Statistics }
  /** A canvas that had a context keeps it: a new one is wanted, to take its place when something is drawn on it. */
  | { readonly kind: 'canvasWanted' }
  /** The picture is on the canvas that was given last, or will be when it is known. */
  | { readonly kind: 'canvasDrawn' }
  | { readonly kind: 'presentation'; readonly figures: PresentationFigures }
  | { readonly kind: 'video'; readonly status: VideoStatus }
  /** While outlines are on: the regions, and what shows exact pixels again since the last time. */
  | { readonly kind: 'outlines'; readonly regions: readonly Outline[]; readonly refined: readonly Rectangle[] };
