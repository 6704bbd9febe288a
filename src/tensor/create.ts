import { blockKernel, launchBlocks } from './blocks.ts';
import type { Shape } from './shape.ts';
import { arrayOf, type DType, empty, type Tensor } from './tensor.ts';

// Elements are written as words, so that one kernel serves every dtype.
const fillKernel = blockKernel({
  name: 'fill',
  write: { y: 'vec4u' },
  uniforms: { bits: 'u32' },
  body: 'y[item] = vec4u(u.bits);',
});

/**
 * A tensor with `value` in every element, written on the GPU: inside `record(fn)` at each replay.
 * @throws ShapeError
 * @example
 * ```ts
 * import { full } from 'weft-gpu';
 *
 * await full([3], 0.5).data(); // Float32Array [0.5, 0.5, 0.5]
 * ```
 */
export function full(shape: Shape, value: number, dtype: DType = 'f32'): Tensor {
  const y = empty(shape, dtype);
  const [bits] = new Uint32Array(arrayOf[dtype].of(value).buffer);
  launchBlocks(fillKernel, { y }, { bits });
  return y;
}

/** A tensor of zeros. @throws ShapeError */
export const zeros = (shape: Shape, dtype: DType = 'f32'): Tensor => full(shape, 0, dtype);

/** A tensor of ones. @throws ShapeError */
export const ones = (shape: Shape, dtype: DType = 'f32'): Tensor => full(shape, 1, dtype);
