import { Gpu } from '../../src/gpu/gpu.ts';
import { openAdapter } from '../../src/node/adapter.ts';
import { close, currentGpu, useGpu } from '../../src/tensor/device.ts';
import type { RunContext } from './context.ts';

/** Opens the benchmark's adapter and makes it the one that tensors live on. */
export async function openDevice({ given }: RunContext, dawnFeatures: readonly string[] = []): Promise<Gpu> {
  const { adapter, close, whileWaiting } = await openAdapter({ adapter: given.adapter, dawnFeatures });
  return useGpu(await Gpu.open(adapter, { onClose: close, whileWaiting }));
}

/** Characters of a failure that are kept. */
const KEPT = 2000;

/**
 * Runs some work. If it fails because the device was lost, a new one is opened.
 * @returns what went wrong, or null
 */
export async function failureOf(context: RunContext, work: () => Promise<void>): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    try {
      currentGpu().throwIfLost();
    } catch {
      close();
      await openDevice(context);
    }
    return (error as Error).message.slice(0, KEPT);
  }
}
