import { timeOf } from './messages';

export const topicNames = ['sessions', 'alerts', 'errors', 'minutes', 'dead-letters', 'statistics'] as const;
export type Topic = (typeof topicNames)[number];

/** Figures of every second: for machines. */
const usualTopics: readonly Topic[] = topicNames.filter(topic => topic !== 'statistics');
const usualSince = '15m';
const lengths: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What is looked at; all of it is in the address of the page. */
export interface Filters {
  /** So long ago («15m»), or a time (ISO 8601). */
  readonly since: string;
  /** A time; empty: now, and what comes. */
  readonly until: string;
  readonly topics: readonly Topic[];
  readonly host: string;
  readonly text: string;
}

export function readFilters(query: URLSearchParams): Filters {
  const asked = query.get('topics')?.split(',');
  const topics = topicNames.filter(topic => asked?.includes(topic));
  const since = query.get('since') ?? '';
  const until = query.get('until') ?? '';
  return {
    since: agoMs(since) !== undefined || isTime(since) ? since : usualSince,
    until: isTime(until) ? until : '',
    topics: topics.length > 0 ? topics : usualTopics,
    host: query.get('host')?.slice(0, 256) ?? '',
    text: query.get('q')?.slice(0, 256) ?? '',
  };
}

/** The query of the address; what is usual is left away. */
export function writeFilters(filters: Filters): string {
  const query = new URLSearchParams();
  if (filters.since !== usualSince) query.set('since', filters.since);
  if (filters.until !== '') query.set('until', filters.until);
  if (filters.topics.join() !== usualTopics.join()) query.set('topics', filters.topics.join(','));
  if (filters.host !== '') query.set('host', filters.host);
  if (filters.text !== '') query.set('q', filters.text);
  const text = query.toString().replaceAll('%2C', ',').replaceAll('%3A', ':');
  return text === '' ? '' : `?${text}`;
}

/** From and to, milliseconds since 1970; what is relative, at a time. */
export function spanOf(filters: Filters, nowMs: number): { readonly fromMs: number; readonly toMs: number } {
  const toMs = filters.until === '' ? nowMs : timeOf(filters.until);
  const ago = agoMs(filters.since);
  return { fromMs: ago === undefined ? timeOf(filters.since) : nowMs - ago, toMs };
}

/** The request of the service that asks for them. */
export function queryOf(filters: Filters): { topics: readonly string[]; since: string; until: string; host: string; text: string } {
  return { topics: filters.topics, since: filters.since, until: filters.until, host: filters.host, text: filters.text };
}

export const isLive = (filters: Filters): boolean => filters.until === '';

function agoMs(text: string): number | undefined {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  return match ? Number(match[1]) * lengths[match[2]] : undefined;
}

function isTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(timeOf(text));
}
