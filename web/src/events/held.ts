import { type Happened, type KeptEvent, timeOf } from './messages';

/** An event as the timeline needs it; the rest stays as it came until somebody opens it. */
export interface HeldEvent {
  readonly position: string;
  readonly taken: string;
  readonly atMs: number;
  readonly topic: string;
  readonly host: string;
  readonly text: string;
  readonly isAlert: boolean;
  readonly line: string;
}

/** The newest events, in the order of their times: a bounded number of them, each once. */
export class HeldEvents {
  readonly #max: number;
  readonly #events: HeldEvent[] = [];
  readonly #positions = new Set<string>();
  /** The last position in each order of events: where to go on. */
  readonly #ends = new Map<string, string>();

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#events.length;
  }

  /** From 0, the newest first. */
  at(index: number): HeldEvent {
    return this.#events[this.#events.length - 1 - index];
  }

  get oldest(): HeldEvent | undefined {
    return this.#events[0];
  }

  get ends(): string[] {
    return [...this.#ends.values()];
  }

  clear(): void {
    this.#events.length = 0;
    this.#positions.clear();
    this.#ends.clear();
  }

  /** Adds lines as they came; tells how many of them were new. */
  add(lines: readonly string[]): number {
    let added = 0;
    for (const line of lines) {
      const event = read(line);
      this.#ends.set(event.position.slice(0, event.position.lastIndexOf('/') + 1), event.position);
      if (this.#positions.has(event.position)) continue;
      this.#positions.add(event.position);
      let place = this.#events.length;
      // Orders of events come beside each other; within one they never go back.
      while (place > 0 && this.#events[place - 1].atMs > event.atMs) place--;
      this.#events.splice(place, 0, event);
      added++;
    }
    // A tenth at a time: taking from the front moves all of them.
    if (this.#events.length > this.#max * 1.1) {
      for (const gone of this.#events.splice(0, this.#events.length - this.#max)) this.#positions.delete(gone.position);
    }
    return added;
  }
}

const hostOf = (happened: Happened | undefined): string =>
  (happened?.minuteSummary?.host ?? happened?.alertRaised?.alert?.host ?? happened?.alertCleared?.alert?.host ?? happened?.source)?.hostName ?? '';

function read(line: string): HeldEvent {
  const kept = JSON.parse(line) as KeptEvent;
  return {
    position: kept.position,
    taken: kept.taken,
    atMs: timeOf(kept.taken),
    topic: kept.topic,
    host: hostOf(kept.event),
    text: kept.text,
    isAlert: kept.event?.alertRaised !== undefined,
    line,
  };
}
