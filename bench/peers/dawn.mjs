import { create, globals } from 'webgpu';

/**
 * Gives a peer, which was written for browsers, Dawn as its WebGPU.
 * @param given the adapter that it is to find; default: Dawn's first
 * @returns the name of that adapter
 */
export async function provideDawn(given) {
  Object.assign(globalThis, globals);
  const gpu = given ? { requestAdapter: async () => given } : create([]);
  Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: 'node' }, configurable: true });
  globalThis.self = globalThis;
  const { info } = await gpu.requestAdapter();
  return info.description || info.device;
}
