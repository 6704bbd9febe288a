import { kernel } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { resolveAxis, sizeOf } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { largestOfAxes } from './shared/reduceAxes.ts';

/*
 * The index along one axis of the first of the largest elements. It is piecewise constant, so no gradient passes.
 */

const indexKernel = kernel({
  name: 'argmax-index',
  lanes: 64,
  read: { winners: 'u32' },
  write: { y: 'i32' },
  uniforms: { inner: 'u32', extent: 'u32' },
  body: 'if (item < u.items) { y[item] = i32(winners[item] / u.inner % u.extent); }',
});

const op = defineOp<{ axis: number }>({
  name: 'argmax',
  dtype: 'i32',
  shape: ([x], { axis }) => x.filter((_, a) => a !== axis),
  forward({ inputs: [x], attrs: { axis }, output }) {
    const winners = empty(output.shape, 'u32');
    largestOfAxes(x, [axis], empty(output.shape), winners);
    const uniforms = { inner: sizeOf(x.shape.slice(axis + 1)), extent: x.shape[axis] };
    launch(
      indexKernel,
      { winners: split(winners, 1), y: split(output, 1) },
      { items: output.size, uniforms },
    );
  },
});

/**
 * The index of the largest element along an axis, the first of equals; where there is NaN, of the first NaN, as in NumPy.
 *
 * @param axis negative ones count from the last; default: the last
 * @returns i32, x's shape without the axis
 * @throws ShapeError
 * @example
 * ```ts
 * import { argmax, tensor } from 'weft-gpu';
 *
 * await argmax(tensor([[1, 9, 3], [4, 2, 0]])).data(); // Int32Array [1, 0]
 * ```
 */
export function argmax(x: Tensor, axis = -1): Tensor {
  expectTensor('argmax', 'x', x, 'f32');
  return op([x], { axis: resolveAxis('argmax', axis, x.rank) });
}
