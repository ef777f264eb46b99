/**
 * Decodes one LZ4 block (the block format, no frame) into `target`. True only if the block is valid and fills `target`
 * exactly. Never reads outside `source` and `target` and never writes outside `target`, whatever the bytes say; a bad
 * block leaves `target` with content of no meaning.
 *
 * The decoder that npm has most users for trusts its input's lengths and offsets; this one checks them.
 */
export function decodeLz4Block(source: Uint8Array, target: Uint8Array): boolean {
  const sourceEnd = source.length;
  const targetEnd = target.length;
  let from = 0;
  let to = 0;
  while (from < sourceEnd) {
    const token = source[from++];

    let literals = token >>> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255) {
        if (from >= sourceEnd) return false;
        more = source[from++];
        literals += more;
      }
    }
    if (literals > sourceEnd - from || literals > targetEnd - to) return false;
    // A call costs more than a short loop.
    if (literals > 24) {
      target.set(source.subarray(from, from + literals), to);
      from += literals;
      to += literals;
    } else {
      for (const end = to + literals; to < end;) target[to++] = source[from++];
    }
    // The last sequence ends after its literals.
    if (from === sourceEnd) return (token & 15) === 0 && to === targetEnd;

    if (sourceEnd - from < 2) return false;
    const distance = source[from] | (source[from + 1] << 8);
    from += 2;
    if (distance === 0 || distance > to) return false;
    let match = (token & 15) + 4;
    if (match === 19) {
      let more = 255;
      while (more === 255) {
        if (from >= sourceEnd) return false;
        more = source[from++];
        match += more;
      }
    }
    if (match > targetEnd - to) return false;
    const end = to + match;
    if (match > 24 && distance >= match) {
      target.copyWithin(to, to - distance, to - distance + match);
    } else if (match > 48) {
      // Repeats its own output: each copy doubles what the next one can take.
      let done = distance;
      target.copyWithin(to, to - distance, to);
      while (done < match) {
        const step = Math.min(done, match - done);
        target.copyWithin(to + done, to, to + step);
        done += step;
      }
    } else {
      for (let i = to; i < end; i++) target[i] = target[i - distance];
    }
    to = end;
  }
  return false;
}
