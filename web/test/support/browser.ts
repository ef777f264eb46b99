import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { build } from 'vite';

const executablePath = process.env['VITRINE_CHROMIUM'] ?? '/usr/bin/chromium';

/** Debian's Chromium, never a downloaded one. */
export async function launchChromium(): Promise<Browser> {
  if (!existsSync(executablePath)) throw new Error(`${executablePath} is missing. Install it: apt-get install chromium`);
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
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
