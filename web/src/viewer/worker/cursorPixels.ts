/** B, G, R, A premultiplied to R, G, B, A straight: what a canvas takes. */
export function straightFromPremultiplied(source: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  const target = new Uint8ClampedArray(source.length);
  for (let i = 0; i + 3 < source.length; i += 4) {
    const alpha = source[i + 3];
    if (alpha === 0) continue;
    const scale = 255 / alpha;
    // The array clamps and rounds: a colour above its alpha is not premultiplied, and becomes the brightest.
    target[i] = source[i + 2] * scale;
    target[i + 1] = source[i + 1] * scale;
    target[i + 2] = source[i] * scale;
    target[i + 3] = alpha;
  }
  return target;
}
