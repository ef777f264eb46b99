import { type Goodbye, GoodbyeReason, type Message, PacketType } from '../../wire/messages';
import { type HeaderFields, writePacket } from '../../wire/write';
import type { Connection, RetryCause } from '../messages';
import { Backoff } from './backoff';

const subProtocol = 'vitrine.1';
/** A host that answers nothing for so long is gone, although its connection may look open for minutes. */
const silenceMsMax = 10_000;
const connectMsMax = 10_000;
const healthMsMax = 4_000;

interface Events {
  /** A connection is open: say hello. */
  onOpen(): void;
  onPacket(bytes: Uint8Array): void;
  onState(connection: Connection): void;
}

type Outcome =
  | { readonly retry: RetryCause; readonly text: string; readonly afterMs?: number }
  | { readonly stop: 'noAccess' | 'versionMismatch' | 'sourceClosed' | 'pictureTooLarge'; readonly text: string };

/** The WebSocket and its successors: tries again by itself, and finds out why it has to. */
export class HostConnection {
  readonly #streamUrl: string;
  readonly #healthUrl: string;
  readonly #events: Events;
  readonly #backoff = new Backoff();
  #socket: WebSocket | undefined;
  #goodbye: Goodbye | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts attempts, so that an answer to an abandoned one is ignored. */
  #attempt = 0;

  constructor(streamUrl: string, healthUrl: string, events: Events) {
    this.#streamUrl = streamUrl;
    this.#healthUrl = healthUrl;
    this.#events = events;
  }

  connect(): void {
    this.#drop();
    this.#goodbye = undefined;
    this.#events.onState({ state: 'connecting', waitingFor: 'answer' });
    const socket = new WebSocket(this.#streamUrl, subProtocol);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    let wasOpen = false;
    socket.onopen = () => {
      clearTimeout(this.#timer);
      wasOpen = true;
      this.#events.onState({ state: 'connecting', waitingFor: 'picture' });
      this.#events.onOpen();
    };
    socket.onmessage = (event: MessageEvent<unknown>) => {
      if (event.data instanceof ArrayBuffer) this.#events.onPacket(new Uint8Array(event.data));
      else this.fail('The host sent text where packets belong.');
    };
    socket.onclose = event => this.#lost(wasOpen, event.code);
    this.#timer = setTimeout(() => this.#lost(false, 1006), connectMsMax);
  }

  send(message: Message, header?: HeaderFields): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(writePacket(message, header));
  }

  /** A frame was applied: the connection is good, so the next loss starts with short delays again. */
  confirm(): void {
    this.#backoff.reset();
  }

  /** The host said goodbye; the close that follows gets its reason from it. */
  leave(goodbye: Goodbye): void {
    this.#goodbye = goodbye;
  }

  /** The host broke the protocol. */
  fail(text: string, reason: number = GoodbyeReason.ProtocolError): void {
    this.send({ type: PacketType.Goodbye, reason, text });
    this.#drop();
    if (reason === GoodbyeReason.VersionMismatch) this.#settle({ stop: 'versionMismatch', text });
    else this.#settle({ retry: 'protocolError', text });
  }

  stop(cause: 'pictureTooLarge', text: string): void {
    this.#drop();
    this.#settle({ stop: cause, text });
  }

  /** Nothing came although something was asked for. */
  checkSilence(silentMs: number): void {
    if (silentMs <= silenceMsMax || this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#drop();
    this.#settle({ retry: 'hostGone', text: '' });
  }

  #drop(): void {
    this.#attempt++;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }

  #lost(wasOpen: boolean, code: number): void {
    this.#drop();
    const goodbye = this.#goodbye;
    if (goodbye) this.#settle(outcomeOfGoodbye(goodbye));
    else if (code === 1008) this.#settle({ stop: 'noAccess', text: '' });
    else if (wasOpen) this.#settle({ retry: code === 1011 ? 'internalError' : 'hostGone', text: '' });
    else void this.#findCause();
  }

  /** A browser does not tell a page why a WebSocket was refused; a plain request to the same host does. */
  async #findCause(): Promise<void> {
    const attempt = this.#attempt;
    let outcome: Outcome;
    try {
      const response = await fetch(this.#healthUrl, { cache: 'no-store', signal: AbortSignal.timeout(healthMsMax) });
      outcome = outcomeOfStatus(response.status, Number(response.headers.get('Retry-After')));
    } catch {
      // Whatever it is called, there was no answer.
      outcome = { retry: 'hostGone', text: '' };
    }
    if (attempt === this.#attempt) this.#settle(outcome);
  }

  #settle(outcome: Outcome): void {
    if ('stop' in outcome) {
      this.#events.onState({ state: 'stopped', cause: outcome.stop, text: outcome.text });
      return;
    }
    const retryAfterMs = Math.max(this.#backoff.next(), outcome.afterMs ?? 0);
    this.#events.onState({ state: 'retrying', cause: outcome.retry, retryAfterMs, text: outcome.text });
    this.#timer = setTimeout(() => this.connect(), retryAfterMs);
  }
}

export function outcomeOfGoodbye({ reason, text }: Goodbye): Outcome {
  switch (reason) {
    case GoodbyeReason.ProtocolError: return { retry: 'protocolError', text };
    case GoodbyeReason.VersionMismatch: return { stop: 'versionMismatch', text };
    case GoodbyeReason.AccessDenied: return { stop: 'noAccess', text };
    case GoodbyeReason.TooManyViewers: return { retry: 'tooManyViewers', text, afterMs: 5_000 };
    case GoodbyeReason.SourceClosed: return { stop: 'sourceClosed', text };
    case GoodbyeReason.Stalled: return { retry: 'stalled', text };
    case GoodbyeReason.InternalError: return { retry: 'internalError', text };
    default: return { retry: 'hostClosing', text };
  }
}

export function outcomeOfStatus(status: number, retryAfterS: number): Outcome {
  if (status === 401 || status === 403) return { stop: 'noAccess', text: '' };
  if (status === 429) {
    const seconds = Number.isFinite(retryAfterS) && retryAfterS > 0 ? Math.min(retryAfterS, 3_600) : 10;
    return { retry: 'tooManyFailures', text: '', afterMs: seconds * 1_000 };
  }
  if (status === 503) return { retry: 'tooManyViewers', text: '', afterMs: 5_000 };
  return { retry: status >= 200 && status < 300 ? 'refused' : 'hostGone', text: '' };
}
