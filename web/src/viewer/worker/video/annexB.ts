/**
 * The codec string (RFC 6381) of an access unit in Annex B form, from its sequence parameter set; undefined when it has
 * none. A decoder is told by it what to expect: «avc1.» and profile, constraints and level in hexadecimal.
 */
export function codecOf(data: Uint8Array): string | undefined {
  for (let at = data.indexOf(1, 2); at >= 0 && at + 4 < data.length; at = data.indexOf(1, at + 1)) {
    if (data[at - 1] !== 0 || data[at - 2] !== 0) continue;
    const type = data[at + 1] & 0x1f;
    if (type === 7) return `avc1.${[data[at + 2], data[at + 3], data[at + 4]].map(byte => byte.toString(16).padStart(2, '0')).join('')}`;
    // Slices come after all parameter sets: nothing to find behind the first.
    if (type >= 1 && type <= 5) return undefined;
  }
  return undefined;
}
