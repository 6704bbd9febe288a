import { create, globals } from 'webgpu';

/**
 * Gives a peer, which was written for browsers, Dawn as its WebGPU.
 * @returns the name of the adapter that it will find
 */
export async function provideDawn() {
  Object.assign(globalThis, globals);
  const gpu = create([]);
  Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: 'node' }, configurable: true });
  globalThis.self = globalThis;
  const { info } = await gpu.requestAdapter();
  return info.description || info.device;
}
