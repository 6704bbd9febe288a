import { afterAll } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { close, init } from '../../src/tensor/device.ts';
import '../../src/node/provideDawn.ts';

/** The GPU of this test file: one device, closed when the file is done so that the worker can end. */
export async function testGpu(): Promise<Gpu> {
  return init({
    adapter: process.env.WEFT_ADAPTER,
    limits: process.env.WEFT_LIMITS === 'default' ? 'default' : 'adapter',
  });
}

afterAll(() => close());
