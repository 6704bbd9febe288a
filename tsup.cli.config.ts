import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { defineConfig, type Options } from 'tsup';

// CommonJS packages in the bundle ask for Node's modules by `require`, which an ES module has to make for itself.
const banner = `#!/usr/bin/env node
import { createRequire as requireFrom } from 'node:module';
const require = requireFrom(import.meta.url);`;

/** Puts h5wasm's module in the place of `bundledH5wasm`, as text: its worker imports it from there. */
const withH5wasm: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'h5wasm',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/]node[\\/]bundledH5wasm\.ts$/ }, async () => {
      const { outputFiles } = await build({
        entryPoints: ['h5wasm'],
        bundle: true,
        format: 'esm',
        charset: 'utf8',
        write: false,
      });
      const packed = gzipSync(outputFiles[0].contents, { level: 9 }).toString('base64');
      const contents = `import { gunzipSync } from 'node:zlib';
        export const bundledH5wasm = () =>
          'data:text/javascript;base64,' + gunzipSync(Buffer.from('${packed}', 'base64')).toString('base64');`;
      return { contents, loader: 'js' };
    });
  },
};

/** The command `weft`: one file with everything it needs but Dawn, so that it runs where nothing else is installed. */
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
