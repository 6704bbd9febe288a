/**
 * Inputs laid end to end along one axis.
 *
 * Letters: input p has the shape [..., D_p, ...] with D_p at the axis, seen as [O, D_p * R] (O the product of
 * the extents before the axis, R of those after); the output is [O, sum_p D_p * R]. The gradient is cut at
 * the same places.
 */

import { type Array64, sizeOf, zeros } from './array64.ts';
import type { Reference } from './reference.ts';

export interface ConcatAttrs {
  axis: number;
}

/** The output's shape, O, the length of an output row, and each input's start and length in the row. */
function geometry(inputs: Array64[], { axis }: ConcatAttrs) {
  const shape = [...inputs[0].shape];
  shape[axis] = inputs.reduce((sum, input) => sum + input.shape[axis], 0);
  for (const input of inputs) {
    if (input.shape.some((extent, a) => a !== axis && extent !== shape[a])) {
      throw new Error(
        `concat: shapes ${inputs.map((x) => `[${x.shape}]`).join(' ')} differ beside axis ${axis}`,
      );
    }
  }
  const rows = sizeOf(shape.slice(0, axis));
  let start = 0;
  const parts = inputs.map((input) => {
    const length = input.data.length / rows;
    start += length;
    return { start: start - length, length };
  });
  return { shape, rows, rowLength: start, parts };
}

export const concat: Reference<ConcatAttrs> = {
  forward(inputs, attrs) {
    const { shape, rows, rowLength, parts } = geometry(inputs, attrs);
    const output = zeros(shape);
    parts.forEach(({ start, length }, p) => {
      for (let o = 0; o < rows; o++) {
        output.data.set(inputs[p].data.subarray(o * length, (o + 1) * length), o * rowLength + start);
      }
    });
    return output;
  },

  backward(inputs, attrs, gradient) {
    const { rows, rowLength, parts } = geometry(inputs, attrs);
    return parts.map(({ start, length }, p) => {
      const dx = zeros(inputs[p].shape);
      for (let o = 0; o < rows; o++) {
        const from = o * rowLength + start;
        dx.data.set(gradient.data.subarray(from, from + length), o * length);
      }
      return dx;
    });
  },

  sumLength() {
    return 1;
  },
};
