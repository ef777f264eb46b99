/** Of RFC 9457, as the host writes them. */
export interface ProblemMembers {
  readonly status?: unknown;
  readonly detail?: unknown;
  readonly code?: unknown;
}

/** The host says that it did not do it, and why. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, members: ProblemMembers) {
    super(typeof members.detail === 'string' ? members.detail : `HTTP ${status}`);
    this.status = status;
    this.code = typeof members.code === 'string' ? members.code : '';
  }
}

/** The host does not answer, or no more. */
export class Lost extends Error {}

export const lost = (error: unknown): never => {
  throw new Lost('The host does not answer.', { cause: error });
};

export interface Api {
  readonly base: string;
  readonly token: string;
}

/** Calls a method of the host's service; an answer that is none is a `Problem`. */
export async function call(api: Api, method: string, request: object, accept: string, signal: AbortSignal): Promise<Response> {
  const response = await fetch(new URL(`api/v1/event-log/${method}`, api.base), {
    method: 'POST',
    headers: { authorization: `Bearer ${api.token}`, 'content-type': 'application/json', accept },
    body: JSON.stringify(request),
    cache: 'no-store',
    signal,
  }).catch(lost);
  if (response.ok) return response;
  const text = await response.text().catch(lost);
  throw new Problem(response.status, parseObject(text) ?? { detail: text.trim() });
}

/** Gives each line of a stream to `take`, several at once where they came so. Ends with the stream. */
export async function readLines(response: Response, take: (lines: string[]) => void): Promise<void> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  while (true) {
    const { done, value } = await reader.read().catch(lost);
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop()!;
    const problem = lines.findLast(line => line.startsWith('{"problem":'));
    const whole = lines.filter(line => line !== '' && line !== problem);
    if (whole.length > 0) take(whole);
    if (problem !== undefined) throw problemOf(problem);
  }
}

/** The last line of a stream that failed after its first one. */
export function problemOf(line: string): Problem {
  const members = (parseObject(line)?.['problem'] ?? {}) as ProblemMembers;
  return new Problem(typeof members.status === 'number' ? members.status : 500, members);
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? parsed as Record<string, unknown> : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
