import { defineConfig } from 'tsup';

export default defineConfig({
  entry: { bench: 'bench/kernels/bench.ts' },
  outDir: 'bench/kernels/build',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  splitting: false,
  skipNodeModulesBundle: true,
  clean: true,
});
