import { kernelFamily } from '../../gpu/kernel.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { launchWalk, makeWalk, walkUniforms, walkWgsl } from './walk.ts';

// Elements are copied as words, so that every dtype is served.
const family = kernelFamily(({ rank }: { rank: number }) => ({
  name: 'copy',
  lanes: 64,
  read: { source: 'u32' as const },
  write: { target: 'u32' as const },
  uniforms: walkUniforms(rank, ['source', 'target']),
  body: `${walkWgsl(rank, ['source', 'target'])}
  target[targetAt] = source[sourceAt];`,
}));

/** Where a walk lies in a tensor: its first element, and the elements from one index of each axis to the next. */
export interface Place {
  readonly tensor: Tensor;
  readonly base?: number;
  readonly strides: readonly number[];
}

/** Copies elements of any dtype along a walk over `shape`. */
export function copy(shape: readonly number[], source: Place, target: Place): void {
  const walk = makeWalk(shape, { source: source.strides, target: target.strides });
  launchWalk(family({ rank: walk.shape.length }), walk, { source, target });
}
