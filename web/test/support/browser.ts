import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { build } from 'vite';

const executablePath = process.env['VITRINE_CHROMIUM'] ?? '/usr/bin/chromium';

/**
 * Debian's Chromium, never a downloaded one. The ratio is the real one of its screen: an emulated one rounds boxes to CSS
 * pixels, which no real screen does.
 */
export function launchChromium(ratio = 1): Promise<Browser> {
  return launch(ratio, ['--disable-gpu']);
}

/**
 * With WebGL2 and WebGPU computed by software. Vulkan for all of it: Chromium's compositor shows a WebGPU canvas only when
 * it is drawn with the same.
 */
export function launchChromiumWithSoftwareGpu(): Promise<Browser> {
  return launch(1, [
    '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader',
    '--enable-features=Vulkan', '--use-vulkan=swiftshader', '--ignore-gpu-blocklist',
  ]);
}

/** As `launchChromium`, with a name for this machine that is not trusted as a secure context. */
export function launchChromiumKnowing(name: string): Promise<Browser> {
  return launch(1, ['--disable-gpu', `--host-resolver-rules=MAP ${name} 127.0.0.1`]);
}

async function launch(ratio: number, graphics: readonly string[]): Promise<Browser> {
  if (!existsSync(executablePath)) throw new Error(`${executablePath} is missing. Install it: apt-get install chromium`);
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      // The limit of crashes would end a browser that a test crashes on purpose.
      '--disable-gpu-process-crash-limit',
      '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
      '--force-color-profile=srgb', `--force-device-scale-factor=${ratio}`, '--window-size=800,640', ...graphics,
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
