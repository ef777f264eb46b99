import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Figures, FigureStep, OpenAlert } from '../../src/events/messages';
import { token } from './fakeHost';

export interface SampleEvent {
  readonly topic: string;
  readonly text: string;
  readonly host: string;
  readonly atMs: number;
  readonly what?: Record<string, unknown>;
}

interface Query {
  readonly topics?: string[];
  readonly since?: string;
  readonly until?: string;
  readonly host?: string;
  readonly text?: string;
  readonly from?: string[];
  readonly limit?: number;
  readonly last?: boolean;
  readonly follow?: boolean;
  readonly stepSeconds?: number;
}

const units: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The host's service of events, as docs/PROTOCOL.md has it, over events that a test says. */
export class FakeEvents {
  readonly queries: { readonly method: string; readonly query: Query; readonly accept: string }[] = [];
  /** Answered to everything instead. */
  problem: { status: number; code: string; detail: string } | undefined;
  stepSeconds = 10;
  /** Steps shorter than a minute are too much. */
  hasManyHosts = false;
  steps: FigureStep[] = [];
  alerts: OpenAlert[] = [];
  readonly #events: (SampleEvent & { readonly position: string })[] = [];
  readonly #followers = new Map<ServerResponse, { readonly method: string; readonly query: Query }>();

  get followers(): number {
    return this.#followers.size;
  }

  add(...events: readonly SampleEvent[]): void {
    for (const sample of events) {
      const event = { ...sample, position: String(this.#events.length) };
      this.#events.push(event);
      for (const [response, { method, query }] of this.#followers) if (method === 'events' && matches(event, query)) response.write(line(event));
    }
  }

  /** Tells figures as they are now. */
  tell(): void {
    for (const [response, { method }] of this.#followers) if (method === 'figures') response.write(`${JSON.stringify(this.#figures())}\n`);
  }

  /** Ends all streams, as a host that stops. */
  drop(): void {
    for (const response of this.#followers.keys()) response.destroy();
    this.#followers.clear();
  }

  readonly answer = (path: string, request: IncomingMessage, response: ServerResponse): void => {
    let body = '';
    request.on('data', (part: Buffer) => body += part.toString());
    request.on('end', () => {
      const method = path.replace('/api/v1/event-log/', '');
      const query = JSON.parse(body) as Query;
      this.queries.push({ method, query, accept: request.headers.accept ?? '' });
      const tooMuch = { status: 400, code: 'OUT_OF_RANGE', detail: '1000000 events were looked at, and there are more.' };
      const mine = this.hasManyHosts && method === 'figures' && !query.stepSeconds ? tooMuch : this.problem;
      const problem = request.headers.authorization === `Bearer ${token}` ? mine : { status: 401, code: 'UNAUTHENTICATED', detail: 'The token is wrong or missing.' };
      if (problem) {
        response.writeHead(problem.status, { 'Content-Type': 'application/problem+json' });
        response.end(JSON.stringify({ ...problem, help: '' }));
      } else if (method === 'figures') {
        this.#stream(method, query, response, [`${JSON.stringify(this.#figures())}\n`]);
      } else if (method === 'events') {
        const found = this.#events.filter(event => matches(event, query));
        const limit = query.limit || 1_000;
        this.#stream(method, query, response, (query.last || query.follow ? found.slice(-limit) : found.slice(0, limit)).map(line));
      } else {
        response.writeHead(200, { 'Content-Type': 'text/csv' });
        response.end(['time,text', ...this.#events.filter(event => matches(event, query)).map(event => `${new Date(event.atMs).toISOString()},${event.text}`), ''].join('\r\n'));
      }
    });
  };

  #stream(method: string, query: Query, response: ServerResponse, lines: readonly string[]): void {
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
    // As the host does it: a stream begins with its first line.
    if (lines.length > 0) response.write(lines.join(''));
    if (query.follow) {
      this.#followers.set(response, { method, query });
      response.on('close', () => this.#followers.delete(response));
    } else {
      response.end();
    }
  }

  #figures(): Figures {
    const hosts = [...new Set(this.#events.map(event => event.host))].sort();
    return {
      now: new Date().toISOString(), stepSeconds: this.stepSeconds, steps: this.steps,
      hosts: hosts.slice(0, 1_000).map(host => ({ hostId: host, hostName: host })), hostCount: hosts.length,
      alerts: this.alerts.slice(0, 100), alertCount: this.alerts.length,
    };
  }
}

/** Steps up to now, as a host with some viewers tells them. */
export function sampleSteps(count: number, stepSeconds: number, of: (index: number) => Partial<FigureStep> = () => ({})): FigureStep[] {
  const end = Math.floor(Date.now() / (stepSeconds * 1_000)) * stepSeconds * 1_000;
  return Array.from({ length: count }, (_, index) => ({
    start: new Date(end - (count - index) * stepSeconds * 1_000).toISOString(),
    samples: 1, viewers: 2, bytesSent: '1250000', framesTimed: '100', latencyP50Milliseconds: 7, latencyP99Milliseconds: 14, alertsRaised: 0, ...of(index),
  }));
}

function matches(event: SampleEvent & { readonly position: string }, query: Query): boolean {
  const said = `${event.text} ${event.topic} ${event.host}`.toLowerCase();
  return (!query.topics?.length || query.topics.includes(event.topic))
    && (!query.since || event.atMs >= timeOf(query.since)) && (!query.until || event.atMs <= timeOf(query.until))
    && (!query.host || event.host === query.host)
    && (query.text ?? '').toLowerCase().split(/\s+/).every(word => said.includes(word))
    && (!query.from?.length || Number(event.position) >= Number(query.from[0]));
}

function timeOf(text: string): number {
  const ago = /^(\d+)([smhd])$/.exec(text);
  return ago ? Date.now() - Number(ago[1]) * units[ago[2]] : Date.parse(text);
}

function line(event: SampleEvent & { readonly position: string }): string {
  return `${JSON.stringify({
    position: event.position, taken: new Date(event.atMs).toISOString().replace('Z', '123456Z'), topic: event.topic, text: event.text,
    event: { eventId: 'AA==', time: new Date(event.atMs).toISOString(), source: { hostId: event.host, hostName: event.host }, ...event.what },
  })}\n`;
}
