import { Gpu } from '../../src/gpu/gpu.ts';
import { openAdapter } from '../../src/node/adapter.ts';
import { useGpu } from '../../src/tensor/device.ts';
import type { RunContext } from './context.ts';

/** Opens the benchmark's adapter and makes it the one that tensors live on. */
export async function openDevice({ given }: RunContext, dawnFeatures: readonly string[] = []): Promise<Gpu> {
  const { adapter, close, whileWaiting } = await openAdapter({ adapter: given.adapter, dawnFeatures });
  return useGpu(await Gpu.open(adapter, { onClose: close, whileWaiting }));
}
