import { beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { testGpu } from '../support/gpu.ts';
import { seed } from '../support/seed.ts';
import { checkLongRelu, samples } from './samples.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

describe('the adapter', () => {
  it('is the one that this run is about', () => {
    const { WEFT_ADAPTER, WEFT_LIMITS } = process.env;
    if (WEFT_ADAPTER) expect(gpu.adapterName.toLowerCase()).toContain(WEFT_ADAPTER);
    if (WEFT_LIMITS === 'default') {
      expect(gpu.limits.maxStorageBufferBindingSize).toBe(2 ** 27);
      expect(gpu.limits.maxBufferSize).toBe(2 ** 28);
    }
  });
});

describe('samples', () => {
  it.each(samples.map(({ name, check }) => [name, check] as const))('%s', (_, check) => check(seed));

  it('tensors beyond the size of a binding', async () => {
    await checkLongRelu(2 ** 25 + 1000);
  });
});
