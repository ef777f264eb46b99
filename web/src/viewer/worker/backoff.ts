const firstDelayMs = 250;
const delayMsMax = 5_000;

/** Delays between attempts: 0.25 s doubling to 5 s, each shortened by up to a quarter so that viewers do not return as one. */
export class Backoff {
  #nextMs = firstDelayMs;
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  next(): number {
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(delayMsMax, delayMs * 2);
    return delayMs * (1 - this.#random() / 4);
  }

  reset(): void {
    this.#nextMs = firstDelayMs;
  }
}
