import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Options } from 'tsup';
import { commandLine } from '../../tsup.cli.config.ts';
import { provenance } from '../shared/provenance.mjs';

const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Small, since it travels; names stay, since errors name functions. */
const small: Options['esbuildOptions'] = (options) => {
  options.minifyWhitespace = true;
  options.minifySyntax = true;
};

/** The benchmark of hardware: one file that needs nothing but Dawn. */
export const hardware: Options = {
  ...commandLine,
  entry: { 'bench-hardware': fileOf('main.ts') },
  loader: { '.py': 'text' },
  define: { WEFT_COMMIT: JSON.stringify(provenance().commit.replace(' and changes', '-changed')) },
  esbuildOptions(options, context) {
    small(options, context);
    // Checks of the tests run here without their runner.
    options.alias = { vitest: fileOf('../../test/support/vitestAlone.ts') };
  },
};

/** TensorFlow.js beside it, where it is installed. */
const tensorflowjs: Options = {
  ...commandLine,
  entry: { 'bench-tfjs': fileOf('measurements/tfjs.ts') },
  esbuildOptions: small,
};
const isInstalled = existsSync(fileOf('../peers/node_modules/@tensorflow/tfjs-core'));

export default defineConfig(isInstalled ? [hardware, tensorflowjs] : [hardware]);
