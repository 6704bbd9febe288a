import { ShapeError } from '../errors.ts';
import { defineOp } from '../tensor/autograd.ts';
import { type Shape, stridesOf } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { copy } from './shared/copy.ts';
import { forEachDtype } from './shared/forEachDtype.ts';

/*
 * Output axis a is input axis p[a]. The gradient is permuted with the inverse: q[p[a]] = a.
 */

/** Writes x with its axes permuted into y. */
function permute(x: Tensor, permutation: readonly number[], y: Tensor): void {
  const strides = stridesOf(x.shape);
  copy(
    y.shape,
    { tensor: x, strides: permutation.map((axis) => strides[axis]) },
    { tensor: y, strides: stridesOf(y.shape) },
  );
}

const opFor = forEachDtype((dtype) =>
  defineOp<{ permutation: readonly number[] }>({
    name: 'transpose',
    dtype,
    shape: ([x], { permutation }) => permutation.map((axis) => x[axis]),
    forward({ inputs: [x], attrs: { permutation }, output }) {
      permute(x, permutation, output);
    },
    backward({ gradient, attrs: { permutation }, inputShapes: [x] }) {
      const dx = empty(x);
      permute(
        gradient,
        permutation.map((_, axis) => permutation.indexOf(axis)),
        dx,
      );
      return [dx];
    },
  }),
);

/** @throws ShapeError unless each axis comes once. Negative axes count from the last. */
function resolvePermutation(permutation: readonly number[] | undefined, x: Shape): number[] {
  if (!permutation) return x.map((_, axis) => x.length - 1 - axis);
  const resolved = permutation.map((axis) => (axis < 0 ? axis + x.length : axis));
  if ([...resolved].sort((a, b) => a - b).join() !== [...x.keys()].join()) {
    throw new ShapeError(
      'transpose',
      `a permutation of the axes 0 to ${x.length - 1}`,
      JSON.stringify(permutation),
    );
  }
  return resolved;
}

/**
 * x with its axes in another order.
 *
 * @param permutation output axis a is input axis `permutation[a]`; default: the axes in reverse
 * @throws ShapeError unless each axis comes once
 * @example
 * ```ts
 * import { transpose, zeros } from 'weft-gpu';
 *
 * console.log(transpose(zeros([2, 3, 4]), [0, 2, 1]).shape); // [ 2, 4, 3 ]
 * ```
 */
export const transpose = (x: Tensor, permutation?: readonly number[]): Tensor =>
  opFor('transpose', 'x', x)([x], { permutation: resolvePermutation(permutation, x.shape) });
