/**
 * The code of a function `loadH5wasm`, which gives the package h5wasm. Builds and tests put a module in this one's place that carries
 * it: `build/h5wasm.ts`.
 */
export function h5wasmCode(): Promise<string> {
  throw new Error('src/formats/hdf5/h5wasm.ts: the code of h5wasm comes from build/h5wasm.ts');
}
