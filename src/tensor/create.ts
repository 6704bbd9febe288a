import { showValue } from '../checks.ts';
import { ShapeError } from '../errors.ts';
import { blockKernel, launchBlocks } from './blocks.ts';
import { checkShape, type Shape } from './shape.ts';
import { asDType, type DType, empty, type Tensor } from './tensor.ts';

// Elements are written as words, so that one kernel serves every dtype.
const fillKernel = blockKernel({
  name: 'fill',
  write: { y: 'vec4u' },
  uniforms: { bits: 'u32' },
  body: 'y[item] = vec4u(u.bits);',
});

/**
 * A tensor with `value` in every element, written on the GPU: inside `record(fn)` at each replay.
 * @throws ShapeError, also for a value that an integer dtype can't hold; WeftError for a dtype that there isn't
 * @example
 * ```ts
 * import { full } from 'weft-gpu';
 *
 * await full([3], 0.5).data(); // Float32Array [0.5, 0.5, 0.5]
 * ```
 */
export const full = (shape: Shape, value: number, dtype: DType = 'f32'): Tensor =>
  filled('full', shape, value, dtype);

/** A tensor of zeros. @throws ShapeError; WeftError for a dtype that there isn't */
export const zeros = (shape: Shape, dtype: DType = 'f32'): Tensor => filled('zeros', shape, 0, dtype);

/** A tensor of ones. @throws ShapeError; WeftError for a dtype that there isn't */
export const ones = (shape: Shape, dtype: DType = 'f32'): Tensor => filled('ones', shape, 1, dtype);

function filled(op: string, shape: Shape, value: number, dtype: DType): Tensor {
  if (typeof value !== 'number') throw new ShapeError(op, 'a number as value', showValue(value));
  checkShape(op, shape);
  const [bits] = new Uint32Array(asDType(op, [value], dtype).buffer);
  const y = empty(shape, dtype);
  launchBlocks(fillKernel, { y }, { bits });
  return y;
}
