const windowNs = 5_000_000_000;
const samplesMax = 512;
/** Below this share of late arrivals showing one a little late is better than showing all of them later. */
const inTimeShare = 0.9;
/** A few milliseconds are what busy processors cost on one machine: no network's doing, and no depth mends it. */
const ignoredNs = 8_000_000;
const depthNsMax = 100_000_000;
/** The quantile is sorted out anew after so many arrivals; fewer say nothing. */
const every = 32;

interface Arrival {
  readonly atNs: number;
  readonly delayNs: number;
}

/**
 * When a video frame is due, so that frames come at the distance at which they left the host although the network delays
 * some of them more than others. Its depth is the distance between the quickest arrival of the last seconds and the
 * slowest but a tenth; nothing as long as that is a few milliseconds. Pure: times come in, times go out.
 *
 * Clocks may differ by any constant; that they drift apart is forgotten with the window.
 */
export class JitterBuffer {
  #arrivals: Arrival[] = [];
  #sinceSorted = 0;
  #quickestNs = 0;
  #depthNs = 0;

  /** How much later than the quickest a frame is shown. */
  get depthMs(): number {
    return this.#depthNs / 1e6;
  }

  /**
   * A frame that left the encoder at `sentNs` (host's clock) arrived at `arrivedNs` (ours). Returns when to show it (ours),
   * never earlier than it arrived and at most 100 ms after.
   */
  add(sentNs: number, arrivedNs: number): number {
    const delayNs = arrivedNs - sentNs;
    const last = this.#arrivals.at(-1);
    // One of the clocks jumped: what was learnt means nothing any more.
    if (last && (arrivedNs < last.atNs || Math.abs(delayNs - last.delayNs) > 10e9)) this.forget();
    this.#arrivals.push({ atNs: arrivedNs, delayNs });
    if (this.#arrivals.length === 1 || delayNs < this.#quickestNs) this.#quickestNs = delayNs;
    if (++this.#sinceSorted >= every) this.#measure(arrivedNs);
    if (this.#depthNs === 0) return arrivedNs;
    return Math.max(arrivedNs, Math.min(arrivedNs + depthNsMax, sentNs + this.#quickestNs + this.#depthNs));
  }

  forget(): void {
    this.#arrivals = [];
    this.#sinceSorted = 0;
    this.#depthNs = 0;
  }

  #measure(nowNs: number): void {
    this.#sinceSorted = 0;
    const first = this.#arrivals.findIndex(arrival => arrival.atNs > nowNs - windowNs);
    this.#arrivals.splice(0, Math.max(first, this.#arrivals.length - samplesMax));
    const delays = this.#arrivals.map(arrival => arrival.delayNs).sort((a, b) => a - b);
    this.#quickestNs = delays[0];
    const spreadNs = delays[Math.ceil(delays.length * inTimeShare) - 1] - delays[0];
    this.#depthNs = spreadNs < ignoredNs ? 0 : Math.min(depthNsMax, spreadNs);
  }
}
