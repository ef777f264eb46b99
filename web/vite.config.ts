import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const jsonReport = process.env['VITRINE_VITEST_JSON'];

export default defineConfig({
  // Relative, so that the pages also work behind a proxy that puts them into a folder.
  base: './',
  build: {
    outDir: '../src/Vitrine.Server/wwwroot',
    emptyOutDir: true,
    target: 'es2022',
    // The host's content security policy allows files of its own only: no data: URLs, no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ['index.html', 'events.html'].map(page => fileURLToPath(new URL(page, import.meta.url))) },
  },
  worker: { format: 'es' },
  test: {
    // The screenshots are for eyes, not a test.
    include: process.env['VITRINE_SHOTS'] ? ['test/shots.ts'] : ['test/**/*.test.ts'],
    // Deadlines within the tests say what took too long; these only end what hangs, also on a busy machine.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: jsonReport ? ['default', ['json', { outputFile: jsonReport }]] : ['default'],
  },
});
