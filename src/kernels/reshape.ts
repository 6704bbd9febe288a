import { showValue } from '../checks.ts';
import { ShapeError } from '../errors.ts';
import { defineOp } from '../tensor/autograd.ts';
import { adopt } from '../tensor/scope.ts';
import { checkShape, type Shape, showShape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/*
 * The same elements in row-major order under another shape: a view, nothing moves. The gradient takes the way back.
 */

const NAME = 'reshape';

/** Fills in the one dimension that is -1. @throws ShapeError */
export function resolveShape(x: Shape, shape: Shape, op = NAME): number[] {
  if (!Array.isArray(shape)) throw new ShapeError(op, 'a shape, as [2, -1]', showValue(shape));
  const open = shape.filter((n) => n === -1).length;
  if (open > 1) throw new ShapeError(op, 'at most one dimension of -1', showShape(shape));
  const known = sizeOf(shape.filter((n) => n !== -1));
  const resolved = shape.map((n) => (n === -1 ? sizeOf(x) / known : n));
  if (sizeOf(resolved) !== sizeOf(x) || !resolved.every(Number.isInteger)) {
    throw new ShapeError(op, `a shape of ${sizeOf(x)} elements, as x ${showShape(x)} has`, showShape(shape));
  }
  checkShape(op, resolved);
  return resolved;
}

const reshapeOp = defineOp<{ shape: Shape }>({
  name: NAME,
  shape: ([x], { shape }) => resolveShape(x, shape),
  backward: ({ gradient, inputShapes: [x] }) => [adopt(gradient.alias(x))],
});

/**
 * The elements of x under another shape, without a copy: both share their memory.
 *
 * @param shape as many elements as x has; one dimension may be -1, which stands for what is left
 * @throws ShapeError
 * @example
 * ```ts
 * import { reshape, zeros } from 'weft-gpu';
 *
 * console.log(reshape(zeros([2, 3, 4]), [2, -1]).shape); // [ 2, 12 ]
 * ```
 */
export const reshape = (x: Tensor, shape: Shape): Tensor => reshapeOp([x], { shape });
