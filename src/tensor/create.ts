import { kernel } from '../gpu/kernel.ts';
import { launch, split } from './launch.ts';
import type { Shape } from './shape.ts';
import { arrayOf, type DType, empty, type Tensor } from './tensor.ts';

// Elements are written as words, so that one kernel serves every dtype.
const fillKernel = kernel({
  name: 'fill',
  lanes: 64,
  write: { y: 'u32' },
  uniforms: { bits: 'u32' },
  body: 'if (item < u.items) { y[item] = u.bits; }',
});

/**
 * A tensor with `value` in every element, written on the GPU: inside `record(fn)` at each replay.
 * @throws ShapeError
 */
export function full(shape: Shape, value: number, dtype: DType = 'f32'): Tensor {
  const y = empty(shape, dtype);
  const [bits] = new Uint32Array(arrayOf[dtype].of(value).buffer);
  launch(fillKernel, { y: split(y, 1) }, { items: y.size, uniforms: { bits } });
  return y;
}

/** A tensor of zeros. @throws ShapeError */
export const zeros = (shape: Shape, dtype: DType = 'f32'): Tensor => full(shape, 0, dtype);

/** A tensor of ones. @throws ShapeError */
export const ones = (shape: Shape, dtype: DType = 'f32'): Tensor => full(shape, 1, dtype);
