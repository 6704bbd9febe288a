import { defineConfig, type Options } from 'tsup';
import { withH5wasm } from './build/h5wasm.ts';
import { writeThirdParty } from './build/thirdParty.ts';
import { commandLine } from './tsup.cli.config.ts';

/** The library: ES modules and types. The entries share their chunks, so that there is one current GPU. */
const library: Options = {
  entry: [
    'src/index.ts',
    'src/index.node.ts',
    'src/files.ts',
    'src/files.node.ts',
    'src/report.ts',
    'src/node.ts',
  ],
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  splitting: true,
  dts: { entry: ['src/index.ts', 'src/files.ts', 'src/report.ts', 'src/node.ts'] },
  // All but the command, which is built at the same time, and the benchmark's bundles.
  clean: ['!weft.js', '!bench-*.js'],
  external: ['webgpu', /^node:/],
  esbuildPlugins: [withH5wasm],
};

const thirdParty = writeThirdParty();

export default defineConfig(
  [library, commandLine].map((options) => ({
    ...options,
    esbuildPlugins: [...(options.esbuildPlugins ?? []), thirdParty],
  })),
);
