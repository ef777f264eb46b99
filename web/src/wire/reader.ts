const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads little-endian fields from borrowed bytes. A read beyond the end gives 0 and sets `failed`, which stays set:
 * a parser reads a whole structure and asks once.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  /** The offset of a field of `bytes` bytes, or -1 when it does not lie within. */
  #take(bytes: number): number {
    if (this.failed || bytes > this.left) {
      this.failed = true;
      return -1;
    }
    const at = this.#offset;
    this.#offset += bytes;
    return at;
  }

  skip(bytes: number): void {
    this.#take(bytes);
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.#bytes[at];
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#view.getUint16(at, true);
  }

  u32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getUint32(at, true);
  }

  i32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getInt32(at, true);
  }

  i64(): bigint {
    const at = this.#take(8);
    return at < 0 ? 0n : this.#view.getBigInt64(at, true);
  }

  u64(): bigint {
    const at = this.#take(8);
    return at < 0 ? 0n : this.#view.getBigUint64(at, true);
  }

  /** A view of the next bytes; nothing is copied. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return at < 0 ? new Uint8Array(0) : this.#bytes.subarray(at, at + count);
  }

  /** A string of at most `bytesMax` bytes; a longer one, or one that is not UTF-8, is a failure. */
  string(bytesMax: number): string {
    const count = this.u16();
    if (count > bytesMax) {
      this.failed = true;
      return '';
    }
    const bytes = this.bytes(count);
    if (this.failed) return '';
    try {
      return decoder.decode(bytes);
    } catch {
      // The platform has no decoder that reports bad UTF-8 as a value.
      this.failed = true;
      return '';
    }
  }
}
