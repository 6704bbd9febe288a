import { gzipSync } from 'node:zlib';
import { build, type Plugin } from 'esbuild';

/*
 * The package h5wasm as text: a part of the program of HDF5's worker, which is text itself. So a page that a bundler made needs
 * neither the package's address nor files beside its own.
 */

/** The module that the text takes the place of. */
export const H5WASM_PLACE = /(?:^|[\\/])src[\\/]formats[\\/]hdf5[\\/]h5wasm\.ts$/;

let packed: Promise<string> | undefined;

/** What takes the place of `src/formats/hdf5/h5wasm.ts`. */
async function pack(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: ['h5wasm'],
    bundle: true,
    format: 'iife',
    globalName: 'h5wasm',
    charset: 'utf8',
    minifyWhitespace: true,
    legalComments: 'none',
    // It asks for its own address, and does without.
    define: { 'import.meta': '{}' },
    write: false,
  });
  const code = `function loadH5wasm() { ${outputFiles[0].text}; return h5wasm; }\n`;
  const base64 = gzipSync(code, { level: 9 }).toString('base64');
  return `let code;
    async function unpack() {
      const text = atob('${base64}');
      const packed = new Uint8Array(text.length);
      for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
      return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))).text();
    }
    export function h5wasmCode() {
      code ??= unpack();
      return code;
    }`;
}

const packOnce = () => {
  packed ??= pack();
  return packed;
};

/** For bundles by esbuild. */
export const withH5wasm: Plugin = {
  name: 'h5wasm',
  setup({ onLoad }) {
    onLoad({ filter: H5WASM_PLACE }, async () => ({ contents: await packOnce(), loader: 'js' }));
  },
};

/** For tests, which run the sources. */
export const withH5wasmInVite = {
  name: 'h5wasm',
  load: (id: string) => (H5WASM_PLACE.test(id) ? packOnce() : undefined),
};
