import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { build } from 'vite';

const executablePath = process.env['VITRINE_CHROMIUM'] ?? '/usr/bin/chromium';

/**
 * Debian's Chromium, never a downloaded one. The ratio is the real one of its screen: an emulated one rounds boxes to CSS
 * pixels, which no real screen does.
 */
export async function launchChromium(ratio = 1): Promise<Browser> {
  if (!existsSync(executablePath)) throw new Error(`${executablePath} is missing. Install it: apt-get install chromium`);
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--force-color-profile=srgb', `--force-device-scale-factor=${ratio}`, '--window-size=800,640',
    ],
  });
}

/** The pages as they are shipped, in a folder of their own. */
export async function buildPages(folder: string): Promise<void> {
  await build({
    root: fileURLToPath(new URL('../../', import.meta.url)),
    logLevel: 'warn',
    build: { outDir: folder, emptyOutDir: true },
  });
}
