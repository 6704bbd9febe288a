import { kernelFamily } from '../../gpu/kernel.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { BLOCK, inBlocks, launchWalk, makeWalk, type Walk, walkUniforms, walkWgsl } from './walk.ts';

interface Variant {
  readonly rank: number;
  readonly blocks: boolean;
}

// Elements are copied as words, so that every dtype is served.
const family = kernelFamily(({ rank, blocks }: Variant) => {
  const type = blocks ? 'vec4u' : 'u32';
  return {
    name: 'copy',
    read: { x: type },
    write: { y: type },
    uniforms: walkUniforms(rank, ['x', 'y']),
    ...walkWgsl(rank, ['x', 'y'], 'y[yAt] = x[xAt];'),
  };
});

/** Where a walk lies in a tensor: its first element, and the elements from one index of each axis to the next. */
export interface Place {
  readonly tensor: Tensor;
  readonly base?: number;
  readonly strides: readonly number[];
}

/** The walk by blocks, if both sides begin with one, and end with one: what lies behind the end is not the walk's to write. */
function wholeBlocks(walk: Walk, places: readonly Place[]): Walk | undefined {
  const isWhole = places.every(({ base = 0 }) => base % BLOCK === 0) && walk.shape.at(-1)! % BLOCK === 0;
  const blocks = isWhole ? inBlocks(walk) : undefined;
  return Object.values(blocks?.strides ?? {}).every((strides) => strides.at(-1) === BLOCK)
    ? blocks
    : undefined;
}

/** Copies elements of any dtype from x to y along a walk over `shape`: by blocks of four where both lie so. */
export function copy(shape: readonly number[], x: Place, y: Place): void {
  const elements = makeWalk(shape, { x: x.strides, y: y.strides });
  const blocks = wholeBlocks(elements, [x, y]);
  const walk = blocks ?? elements;
  const width = blocks ? BLOCK : 1;
  const kernel = family({ rank: walk.shape.length, blocks: blocks !== undefined });
  launchWalk(kernel, walk, { x: { ...x, width }, y: { ...y, width } });
}
