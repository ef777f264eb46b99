import { Backoff } from '../viewer/worker/backoff';
import { type Filters, isLive, queryOf, spanOf } from './filters';
import { type Api, call, Lost, lost, Problem, problemOf, readLines } from './lines';
import type { Figures } from './messages';
import { type Trouble, troubleOf } from './trouble';

const linesType = 'application/x-ndjson';
const busyPauseMs = 5_000;
const shortMs = 6 * 3_600_000;

export interface FeedTarget {
  /** Where the events that are held end: in each order of events the last position. */
  readonly ends: () => string[];
  /** As many as are held. */
  readonly limit: number;
  readonly events: (lines: string[]) => void;
  /** All of what there was has come, so many events. */
  readonly loaded: (count: number) => void;
  readonly figures: (figures: Figures) => void;
  /** Undefined: all is well. `nextTryMs`: when it is tried again. */
  readonly trouble: (trouble: Trouble | undefined, nextTryMs: number | undefined) => void;
}

/** Gets what a search asks for, goes on with what comes, and begins again where it was when the host was away. */
export class Feed {
  readonly #api: Api;
  readonly #filters: Filters;
  readonly #target: FeedTarget;
  readonly #host: string;
  readonly #over = new AbortController();
  readonly #troubles = new Map<string, Trouble>();
  readonly #waiting = new Set<() => void>();

  constructor(api: Api, filters: Filters, target: FeedTarget, host: string) {
    [this.#api, this.#filters, this.#target, this.#host] = [api, filters, target, host];
  }

  /** `continues`: what is held is of the same search. */
  start(continues: boolean): void {
    let isLoaded = continues;
    void this.#keep('events', async well => {
      // A stream that has nothing to say does not even begin: whether all is well is known from an answer with an end.
      if (!isLoaded || this.#target.ends().length === 0) {
        let count = 0;
        const history = await call(this.#api, 'events', { ...queryOf(this.#filters), last: true, limit: this.#target.limit }, linesType, this.#over.signal);
        await readLines(history, lines => {
          count += lines.length;
          this.#target.events(lines);
        });
        if (this.#over.signal.aborted) return; // another search has begun
        isLoaded = true;
        this.#target.loaded(count);
        well();
      }
      if (!isLive(this.#filters)) return;
      const request = { ...queryOf(this.#filters), from: this.#target.ends(), limit: this.#target.limit, follow: true };
      await readLines(await call(this.#api, 'events', request, linesType, this.#over.signal), lines => {
        well();
        this.#target.events(lines);
      });
    });
    let stepSeconds = 0;
    void this.#keep('figures', async well => {
      const { since, until, host } = this.#filters;
      const ask = (): Promise<Response> =>
        call(this.#api, 'figures', { since, until, host, stepSeconds, follow: isLive(this.#filters) }, linesType, this.#over.signal);
      const response = await ask().catch((error: unknown) => {
        if (!(error instanceof Problem && error.code === 'OUT_OF_RANGE') || stepSeconds > 0 || !this.#isShort) throw error;
        stepSeconds = 60; // more hosts than whose seconds can be looked at: their minutes are fewer
        return ask();
      });
      await readLines(response, lines => {
        well();
        for (const line of lines) this.#target.figures(JSON.parse(line) as Figures);
      });
    });
  }

  stop(): void {
    this.#over.abort();
  }

  tryNow(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Whether steps of a minute are not too many. */
  get #isShort(): boolean {
    const { fromMs, toMs } = spanOf(this.#filters, Date.now());
    return toMs - fromMs <= shortMs;
  }

  async #keep(name: string, run: (well: () => void) => Promise<void>): Promise<void> {
    const backoff = new Backoff();
    while (!this.#over.signal.aborted) {
      let trouble: Trouble;
      let isWell = false;
      try {
        await run(() => {
          if (isWell) return;
          isWell = true;
          backoff.reset();
          this.#tell(name, undefined, undefined);
        });
        if (!isLive(this.#filters)) return;
        trouble = troubleOf(new Lost(), this.#host); // what should have no end has one: the host stops
      } catch (error) {
        if (this.#over.signal.aborted) return;
        trouble = troubleOf(error, this.#host);
      }
      const pauseMs = trouble.state === 'busy' ? busyPauseMs : backoff.next();
      this.#tell(name, trouble, trouble.isPassing ? Date.now() + pauseMs : undefined);
      await this.#pause(trouble.isPassing ? pauseMs : undefined);
    }
  }

  /** Until the time is over, somebody says so, or the feed is stopped. */
  async #pause(forMs: number | undefined): Promise<void> {
    let wake!: () => void;
    const woken = new Promise<void>(resolve => wake = resolve);
    const timer = forMs === undefined ? undefined : setTimeout(wake, forMs);
    this.#waiting.add(wake);
    this.#over.signal.addEventListener('abort', wake, { once: true });
    await woken;
    clearTimeout(timer);
    this.#waiting.delete(wake);
    this.#over.signal.removeEventListener('abort', wake);
  }

  #tell(name: string, trouble: Trouble | undefined, nextTryMs: number | undefined): void {
    if (trouble) this.#troubles.set(name, trouble);
    else this.#troubles.delete(name);
    // The events are the page; figures alone may fail beside them.
    this.#target.trouble(this.#troubles.get('events') ?? this.#troubles.get('figures'), nextTryMs);
  }
}

export interface Saved {
  readonly blob: Blob;
  readonly count: number;
}

/** The events that a search asks for as a file: JSON lines, or CSV. */
export async function save(api: Api, filters: Filters, kind: 'lines' | 'table', limit: number): Promise<Saved> {
  const request = { ...queryOf(filters), limit };
  const response = await call(api, kind === 'lines' ? 'events' : 'table', request, kind === 'lines' ? linesType : 'text/csv', new AbortController().signal);
  const blob = await response.blob().catch(lost);
  if (kind === 'lines') {
    const problem = (await blob.slice(-8_192).text()).split('\n').findLast(line => line.startsWith('{"problem":'));
    if (problem !== undefined) throw problemOf(problem);
  }
  return { blob, count: await countLines(blob, kind) - (kind === 'table' ? 1 : 0) };
}

/** Line breaks within the quotes of a table are a cell's. */
async function countLines(blob: Blob, kind: 'lines' | 'table'): Promise<number> {
  let count = 0;
  let isQuoted = false;
  const reader = blob.stream().getReader();
  while (true) {
    const { done, value } = await reader.read();
    if (done) return count;
    for (const byte of value) {
      if (byte === 34 && kind === 'table') isQuoted = !isQuoted;
      else if (byte === 10 && !isQuoted) count++;
    }
  }
}
