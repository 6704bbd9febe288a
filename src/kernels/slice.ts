import { ShapeError } from '../errors.ts';
import { defineOp } from '../tensor/autograd.ts';
import { zeros } from '../tensor/create.ts';
import { type Shape, showShape, stridesOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { copy, type Place } from './shared/copy.ts';
import { forEachDtype } from './shared/forEachDtype.ts';

/*
 * y[i] = x[begin + i] for 0 <= i < size on every axis. Outside the box the gradient is 0.
 */

interface Attrs {
  readonly begin: readonly number[];
  readonly size: readonly number[];
}

/** @throws ShapeError */
function boxShape([x]: readonly Shape[], { begin, size }: Attrs): Shape {
  if (begin.length !== x.length || size.length !== x.length) {
    throw new ShapeError(
      'slice',
      `begin and size of ${x.length} axes, as x ${showShape(x)} has`,
      `${showShape(begin)} and ${showShape(size)}`,
    );
  }
  const fits = x.every((extent, axis) => {
    const [from, count] = [begin[axis], size[axis]];
    return (
      Number.isInteger(from) && Number.isInteger(count) && from >= 0 && count >= 1 && from + count <= extent
    );
  });
  if (!fits)
    throw new ShapeError(
      'slice',
      `a box inside x ${showShape(x)}`,
      `begin ${showShape(begin)}, size ${showShape(size)}`,
    );
  return size;
}

/** The box as it lies in a tensor. */
function box(tensor: Tensor, begin: readonly number[]): Place {
  const strides = stridesOf(tensor.shape);
  return { tensor, strides, base: begin.reduce((sum, from, axis) => sum + from * strides[axis], 0) };
}

const opFor = forEachDtype((dtype) =>
  defineOp<Attrs>({
    name: 'slice',
    dtype,
    shape: boxShape,
    forward({ inputs: [x], attrs: { begin, size }, output }) {
      copy(size, box(x, begin), { tensor: output, strides: stridesOf(size) });
    },
    backward({ gradient, attrs: { begin, size }, inputShapes: [x] }) {
      const dx = zeros(x);
      copy(size, { tensor: gradient, strides: stridesOf(size) }, box(dx, begin));
      return [dx];
    },
  }),
);

/**
 * A box of x.
 *
 * @param begin its first index on every axis
 * @param size its extent on every axis, at least 1
 * @throws ShapeError when the box leaves x
 * @example
 * ```ts
 * import { slice, tensor } from 'weft-gpu';
 *
 * await slice(tensor([[1, 2, 3], [4, 5, 6]]), [0, 1], [2, 2]).data(); // Float32Array [2, 3, 5, 6]
 * ```
 */
export const slice = (x: Tensor, begin: readonly number[], size: readonly number[]): Tensor =>
  opFor('slice', 'x', x)([x], { begin: [...begin], size: [...size] });
