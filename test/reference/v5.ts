/** The network v5 (last convolution "valid"), at any width, as layers of `network.ts`. */

import type { Layer } from './network.ts';

export interface V5Options {
  /** Filters of the narrower convolutions; the others have twice as many. */
  width: number;
  /** Units of the two hidden dense layers. */
  units: number;
  /** L2 factor of the dense kernels. */
  l2: number;
}

/** v5 as it was trained. */
export const v5AsTrained: V5Options = { width: 64, units: 512, l2: 1e-5 };

/** The layers of v5, its dropout layers still without masks. */
export function v5Layers({ width, units, l2 }: V5Options): Layer[] {
  const conv = (filters: number, padding: 'same' | 'valid' = 'same'): Layer => {
    return { kind: 'conv', filters, kernel: 3, padding, relu: true };
  };
  const dense = (count: number, relu: boolean): Layer => ({ kind: 'dense', units: count, relu, l2 });
  const drop = (rate: number): Layer => ({ kind: 'dropout', rate });
  const batchNorm: Layer = { kind: 'batchNorm', epsilon: 1e-3 };
  const maxPool: Layer = { kind: 'maxPool', poolSize: 2, strides: 2 };
  return [
    ...[conv(width), batchNorm, conv(2 * width), maxPool, drop(0.2), batchNorm],
    ...[conv(width), batchNorm, conv(2 * width), maxPool, drop(0.2), batchNorm],
    ...[conv(width), batchNorm, conv(2 * width, 'valid'), maxPool, drop(0.2)],
    ...[{ kind: 'flatten' } as const, batchNorm],
    ...[dense(units, true), drop(0.5), dense(units, true), drop(0.5), dense(10, false)],
  ];
}
