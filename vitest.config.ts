import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { withH5wasmInVite } from './build/h5wasm.ts';
import { entries, root } from './test/docs/entries.ts';

/** What every run of tests shares. */
export const common: TestProjectInlineConfiguration['test'] = {
  globalSetup: ['test/globalSetup.ts'],
  // A file is a process with one GPU device; software adapters use every core by themselves.
  pool: 'forks',
  fileParallelism: false,
  // The linter can't tell a focused test from our own fit().
  allowOnly: false,
  testTimeout: 120_000,
  hookTimeout: 120_000,
};

export default defineConfig({
  plugins: [withH5wasmInVite],
  // The documentation's programs import the package.
  resolve: {
    alias: entries.map(({ name, source }) => ({ find: new RegExp(`^${name}$`), replacement: root + source })),
  },
  test: {
    ...common,
    include: ['test/**/*.test.ts'],
    // They have configurations of their own: they need Chromium.
    exclude: ['test/adapters/**', 'test/browser/**'],
  },
});
