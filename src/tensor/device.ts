import { WeftError } from '../errors.ts';
import { Gpu, type GpuOptions } from '../gpu/gpu.ts';

/** Finds an adapter on a platform without `navigator.gpu` of its own; the Node entry point registers Dawn's. */
export type AdapterProvider = (
  choice: string | undefined,
) => Promise<{ adapter: GPUAdapter; close: () => void; whileWaiting: GpuOptions['whileWaiting'] }>;

let provider: AdapterProvider | undefined;
let current: Gpu | undefined;
/** The `init()` that is under way. */
let opening: Promise<Gpu> | undefined;

export function setAdapterProvider(find: AdapterProvider): void {
  provider = find;
}

/** Which GPU `init` opens, and with which limits. */
export interface InitOptions extends Pick<GpuOptions, 'limits'> {
  /** Which adapter, in Node: `auto`, `hardware`, `software` or part of a name. */
  adapter?: string;
}

/**
 * Opens the GPU that tensors live on; later calls, and those made while it opens, return the same one. Where it was lost, another is
 * opened: what lay on it is lost, too.
 * @throws WeftError where there is no WebGPU adapter, saying what to do about it, or `close()` was called meanwhile.
 * @example
 * ```ts
 * import { init } from 'weft-gpu';
 *
 * const gpu = await init(); // { adapter: 'software' } for one of a kind, under Node
 * console.log(gpu.limits.maxComputeInvocationsPerWorkgroup >= 256); // true
 * ```
 */
export function init(options: InitOptions = {}): Promise<Gpu> {
  if (current?.isLost) close();
  if (current) return Promise.resolve(current);
  if (opening) return opening;
  const own = open(options).then(
    (gpu) => {
      if (opening === own) {
        opening = undefined;
        return useGpu(gpu);
      }
      gpu.close();
      throw new WeftError('close() was called before init() had opened the GPU');
    },
    (error) => {
      if (opening === own) opening = undefined;
      throw error;
    },
  );
  opening = own;
  return own;
}

async function open(options: InitOptions): Promise<Gpu> {
  if (provider) {
    const { adapter, close, whileWaiting } = await provider(options.adapter);
    return Gpu.open(adapter, { limits: options.limits, onClose: close, whileWaiting });
  }
  const adapter = await globalThis.navigator?.gpu?.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter)
    throw new WeftError(
      'this browser offers no WebGPU adapter: see https://caniuse.com/webgpu, and check that graphics acceleration is on',
    );
  return Gpu.open(adapter, { limits: options.limits });
}

/** Makes an open GPU the one that new tensors live on. */
export function useGpu(gpu: Gpu): Gpu {
  current = gpu;
  return gpu;
}

/** The GPU that new tensors live on, if one is open. */
export const openGpu = (): Gpu | undefined => current;

/** @throws WeftError before `init()`. */
export function currentGpu(): Gpu {
  if (!current) throw new WeftError('no GPU is open: await init() first');
  return current;
}

/** Closes the GPU and everything on it, or the one that is being opened; `init()` can then open another. */
export function close(): void {
  current?.close();
  current = undefined;
  opening = undefined;
}
