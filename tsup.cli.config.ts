import { defineConfig, type Options } from 'tsup';
import { withH5wasm } from './build/h5wasm.ts';

// CommonJS packages in the bundle ask for Node's modules by `require`, which an ES module has to make for itself.
const banner = `#!/usr/bin/env node
import { createRequire as requireFrom } from 'node:module';
const require = requireFrom(import.meta.url);`;

/** The command `weft`: one file with everything it needs but Dawn and sharp, whose native parts can't be bundled, so that it runs where nothing else is installed. */
export const commandLine: Options = {
  entry: { weft: 'src/experiments/cli.ts' },
  format: 'esm',
  platform: 'node',
  target: 'node20',
  splitting: false,
  external: ['webgpu'],
  noExternal: [/^(?!webgpu$|node:)/],
  esbuildPlugins: [withH5wasm],
  banner: { js: banner },
};

export default defineConfig(commandLine);
