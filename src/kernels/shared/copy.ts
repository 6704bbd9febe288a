import { kernelFamily } from '../../gpu/kernel.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { launchWalk, makeWalk, walkUniforms, walkWgsl } from './walk.ts';

// Elements are copied as words, so that every dtype is served.
const family = kernelFamily(({ rank }: { rank: number }) => ({
  name: 'copy',
  read: { x: 'u32' as const },
  write: { y: 'u32' as const },
  uniforms: walkUniforms(rank, ['x', 'y']),
  ...walkWgsl(rank, ['x', 'y'], 'y[yAt] = x[xAt];'),
}));

/** Where a walk lies in a tensor: its first element, and the elements from one index of each axis to the next. */
export interface Place {
  readonly tensor: Tensor;
  readonly base?: number;
  readonly strides: readonly number[];
}

/** Copies elements of any dtype from x to y along a walk over `shape`. */
export function copy(shape: readonly number[], x: Place, y: Place): void {
  const walk = makeWalk(shape, { x: x.strides, y: y.strides });
  launchWalk(family({ rank: walk.shape.length }), walk, { x, y });
}
