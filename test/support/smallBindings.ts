import { expect } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { allBits, expectSameBits } from './bits.ts';

/** Runs `fn` on a GPU that takes at most `bytes` in one storage binding, 100 workgroups in a dimension and tables of `bufferBytes` a buffer. */
export function withSmallBindings<T>(
  gpu: Gpu,
  bytes: number,
  fn: () => T,
  bufferBytes = gpu.limits.maxBufferSize,
): T {
  const { limits } = gpu;
  const small = {
    maxComputeWorkgroupsPerDimension: 100,
    maxStorageBufferBindingSize: bytes,
    maxUniformBufferBindingSize: limits.maxUniformBufferBindingSize,
    minStorageBufferOffsetAlignment: limits.minStorageBufferOffsetAlignment,
    maxBufferSize: bufferBytes,
  };
  const setLimits = (value: object) => Object.defineProperty(gpu, 'limits', { value, configurable: true });
  setLimits(small);
  try {
    return fn();
  } finally {
    setLimits(limits);
  }
}

/**
 * Holds what `run` computes to the same bits when its launches split as those past the real limits do.
 *
 * @param run issues ops and returns their results
 * @param bytes what a binding holds in the second run, so little that launches split
 */
export async function expectSplitLikeWhole(
  gpu: Gpu,
  bytes: number,
  run: () => readonly Tensor[],
  label: string,
): Promise<void> {
  const { counters } = gpu;
  const before = counters.dispatches;
  const whole = run();
  const wholeDispatches = counters.dispatches - before;
  const split = withSmallBindings(gpu, bytes, run);
  expect(counters.dispatches - before - wholeDispatches, `${label}: dispatches`).toBeGreaterThan(
    wholeDispatches,
  );
  expectSameBits(await allBits(split), await allBits(whole), label);
}
