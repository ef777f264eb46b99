/** What to do with an access unit. */
export type Step = 'decode' | 'decodeWithNewDecoder' | 'skip' | 'skipAndAsk';

/**
 * The order of a region's access units: each builds on the one before it, so after a gap nothing can be decoded until a
 * key frame comes.
 */
export class StreamChain {
  #stream: number | undefined;
  #number = 0;
  #isBroken = true;

  /** No picture can be decoded before the next key frame. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  next(stream: number, number: number, isKeyFrame: boolean): Step {
    if (isKeyFrame) {
      const isOther = stream !== this.#stream;
      this.#stream = stream;
      this.#number = number;
      this.#isBroken = false;
      return isOther ? 'decodeWithNewDecoder' : 'decode';
    }
    if (!this.#isBroken && stream === this.#stream) {
      const ahead = (number - this.#number) | 0;
      // One that was decoded already, again: nothing is missing.
      if (ahead <= 0) return 'skip';
      if (ahead === 1) {
        this.#number = number;
        return 'decode';
      }
    }
    this.#isBroken = true;
    return 'skipAndAsk';
  }

  /** The decoder failed, or units were not handed to it. */
  break(): void {
    this.#isBroken = true;
  }
}
