/** What the viewer needs and this browser lacks, in words; empty when it can start. */
export function missingFeatures(scope: object = globalThis): string[] {
  const missing: string[] = [];
  const has = (name: string): boolean => name in scope;
  if (!has('WebSocket')) missing.push('WebSocket: receives the picture');
  if (!has('Worker')) missing.push('Web Workers: decode beside the page');
  if (!has('OffscreenCanvas') || !('transferControlToOffscreen' in HTMLCanvasElement.prototype)) {
    missing.push('OffscreenCanvas: draws without waiting for the page');
  }
  if (!has('ResizeObserver')) missing.push('ResizeObserver: knows the size of the window in real pixels');
  if (!has('BigInt') || !('getBigInt64' in DataView.prototype)) missing.push('64-bit integers: carry the host’s clock');
  if (!('timeout' in AbortSignal)) missing.push('AbortSignal.timeout: gives up on a silent host');
  return missing;
}

/** «Chromium 156», for the host's list of viewers. */
export function browserName(): string {
  const { userAgentData, userAgent } = navigator as Navigator & { userAgentData?: { brands: { brand: string; version: string }[] } };
  const brand = userAgentData?.brands.find(({ brand: name }) => !/not.?a.?brand|^chromium$/i.test(name))
    ?? userAgentData?.brands.find(({ brand: name }) => name === 'Chromium');
  if (brand) return `${brand.brand} ${brand.version}`;
  const match = /(Firefox|Edg|Chrome)\/(\d+)/.exec(userAgent) ?? /(Version)\/(\d+).*Safari/.exec(userAgent);
  return match ? `${match[1] === 'Version' ? 'Safari' : match[1]} ${match[2]}` : 'Browser';
}
