import { ShapeError } from '../errors.ts';
import { defineOp } from '../tensor/autograd.ts';
import { resolveAxis, type Shape, showShape, stridesOf } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { copy } from './shared/copy.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { forEachDtype } from './shared/forEachDtype.ts';

/*
 * Inputs laid end to end along one axis; the gradient is cut at the same places.
 */

interface Attrs {
  readonly axis: number;
}

/** @throws ShapeError */
function joinedShape(inputs: readonly Shape[], { axis }: Attrs): number[] {
  const [first] = inputs;
  for (const shape of inputs) {
    if (shape.length !== first.length || shape.some((extent, a) => a !== axis && extent !== first[a])) {
      throw new ShapeError(
        'concat',
        `shapes that are alike but for axis ${axis}`,
        inputs.map(showShape).join(' '),
      );
    }
  }
  return first.map((extent, a) =>
    a === axis ? inputs.reduce((sum, shape) => sum + shape[axis], 0) : extent,
  );
}

/** The first element of every input's part in a joined tensor of `strides`. */
function startsOf(inputs: readonly Shape[], axis: number, strides: readonly number[]): number[] {
  let index = 0;
  return inputs.map((shape) => {
    index += shape[axis];
    return (index - shape[axis]) * strides[axis];
  });
}

const opFor = forEachDtype((dtype) =>
  defineOp<Attrs>({
    name: 'concat',
    dtype,
    shape: joinedShape,
    forward({ inputs, attrs: { axis }, output }) {
      const strides = stridesOf(output.shape);
      const starts = startsOf(
        inputs.map(({ shape }) => shape),
        axis,
        strides,
      );
      inputs.forEach((tensor, i) => {
        copy(
          tensor.shape,
          { tensor, strides: stridesOf(tensor.shape) },
          { tensor: output, strides, base: starts[i] },
        );
      });
    },
    backward({ gradient, attrs: { axis }, inputShapes, needs }) {
      const strides = stridesOf(gradient.shape);
      const starts = startsOf(inputShapes, axis, strides);
      return inputShapes.map((shape, i) => {
        if (!needs[i]) return null;
        const dx = empty(shape);
        copy(
          shape,
          { tensor: gradient, strides, base: starts[i] },
          { tensor: dx, strides: stridesOf(shape) },
        );
        return dx;
      });
    },
  }),
);

/**
 * Tensors of one dtype laid end to end along an axis; on the other axes their shapes are alike.
 *
 * @param axis negative ones count from the last
 * @throws ShapeError
 * @example
 * ```ts
 * import { concat, tensor } from 'weft-gpu';
 *
 * const [a, b] = [tensor([[1], [2]]), tensor([[3], [4]])];
 * await concat([a, b], -1).data(); // Float32Array [1, 3, 2, 4]
 * ```
 */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  if (tensors.length === 0) throw new ShapeError('concat', 'at least one tensor', 'none');
  const op = opFor('concat', 'tensor 0', tensors[0]);
  const [{ dtype, rank }] = tensors;
  for (const [i, tensor] of tensors.entries()) expectTensor('concat', `tensor ${i}`, tensor, dtype);
  return op(tensors, { axis: resolveAxis('concat', axis, rank) });
}
