interface Exchange {
  readonly delayNs: bigint;
  readonly offsetNs: bigint;
}

const exchangesMax = 16;

/**
 * Estimates the host's clock from exchanges of time stamps (RFC 5905, section 8): of the latest 16 the one with the
 * smallest delay is believed, because waiting in a queue can only make an exchange slower.
 */
export class HostClock {
  #exchanges: Exchange[] = [];
  #best: Exchange | undefined;

  /** Times of the request and the reply by the viewer's clock (sent, arrived) and by the host's (received, sent). */
  add(requestSentNs: bigint, requestReceivedNs: bigint, replySentNs: bigint, replyReceivedNs: bigint): void {
    const delayNs = replyReceivedNs - requestSentNs - (replySentNs - requestReceivedNs);
    // A reply to something we never asked, or a clock that jumped.
    if (delayNs < 0n || replyReceivedNs < requestSentNs) return;
    const offsetNs = (requestReceivedNs - requestSentNs + (replySentNs - replyReceivedNs)) / 2n;
    this.#exchanges.push({ delayNs, offsetNs });
    if (this.#exchanges.length > exchangesMax) this.#exchanges.shift();
    this.#best = this.#exchanges.reduce((best, next) => (next.delayNs <= best.delayNs ? next : best));
  }

  /** The host's time at a time of ours, or 0 while it is unknown. */
  toHost(viewerNs: bigint): bigint {
    return this.#best ? viewerNs + this.#best.offsetNs : 0n;
  }

  get isKnown(): boolean {
    return this.#best !== undefined;
  }

  /** Delay of the exchange believed, in milliseconds: the estimate is off by at most half of it. */
  get delayMs(): number | null {
    return this.#best ? Number(this.#best.delayNs) / 1e6 : null;
  }

  forget(): void {
    this.#exchanges = [];
    this.#best = undefined;
  }
}

/** This worker's monotonic clock. Exact to its resolution for 104 days of uptime of the page. */
export function nowNs(): bigint {
  return BigInt(Math.round(performance.now() * 1e6));
}
