import { defineConfig } from 'vitest/config';

/** The built library in headless Chromium. The GPU is in the browser, so nothing is set up here. */
export default defineConfig({
  test: {
    include: ['test/browser/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
});
