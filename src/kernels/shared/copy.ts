import { kernelFamily } from '../../gpu/kernel.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { launchWalk, makeWalk, walkUniforms, walkWgsl } from './walk.ts';

// Elements are copied as words, so that every dtype is served.
const family = kernelFamily(({ rank }: { rank: number }) => ({
  name: 'copy',
  lanes: 64,
  read: { from: 'u32' as const },
  write: { to: 'u32' as const },
  uniforms: walkUniforms(rank, ['from', 'to']),
  body: `${walkWgsl(rank, ['from', 'to'])}
  to[toAt] = from[fromAt];`,
}));

/** Where a walk lies in a tensor: its first element, and the elements from one index of each axis to the next. */
export interface Place {
  readonly tensor: Tensor;
  readonly base?: number;
  readonly strides: readonly number[];
}

/** Copies elements of any dtype along a walk over `shape`. */
export function copy(shape: readonly number[], from: Place, to: Place): void {
  const walk = makeWalk(shape, { from: from.strides, to: to.strides });
  launchWalk(family({ rank: walk.shape.length }), walk, { from, to });
}
