/** What of `protos/vitrine/v1/event_log.proto` the page reads, in Protobuf's JSON mapping: 64-bit integers are strings. */

export interface Source {
  readonly hostId: string;
  readonly hostName: string;
}

export interface KeptEvent {
  readonly position: string;
  readonly taken: string;
  readonly topic: string;
  readonly text: string;
  readonly event?: Happened;
}

/** Minutes and alerts are told by who watches, and say which host they are of. */
export interface Happened extends Record<string, unknown> {
  readonly source?: Source;
  readonly minuteSummary?: { readonly host?: Source };
  readonly alertRaised?: { readonly alert?: { readonly host?: Source } };
  readonly alertCleared?: { readonly alert?: { readonly host?: Source } };
  readonly eventsLost?: object;
}

export interface FigureStep {
  readonly start: string;
  readonly samples: number;
  readonly viewers: number;
  readonly bytesSent: string;
  readonly framesTimed: string;
  readonly latencyP50Milliseconds: number;
  readonly latencyP99Milliseconds: number;
  readonly alertsRaised: number;
}

export interface OpenAlert {
  readonly since: string;
  readonly message: string;
  readonly alert: { readonly kind: string; readonly viewerId: string; readonly host?: Source };
}

export interface Figures {
  readonly now: string;
  readonly stepSeconds: number;
  readonly steps: readonly FigureStep[];
  readonly hosts: readonly Source[];
  readonly hostCount: number;
  readonly alerts: readonly OpenAlert[];
  readonly alertCount: number;
}

/** Milliseconds since 1970 of a time that has up to nine digits of a second. */
export function timeOf(text: string): number {
  return Date.parse(text.replace(/(\.\d{3})\d+/, '$1'));
}
