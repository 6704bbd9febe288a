/**
 * Permuted axes: output axis a is input axis perm[a].
 * The gradient is permuted with the inverse, q[perm[a]] = a.
 */

import { type Array64, positions, stridesOf } from './array64.ts';
import type { Reference } from './reference.ts';

export interface TransposeAttrs {
  perm: readonly number[];
}

function permute(x: Array64, perm: readonly number[]): Array64 {
  const shape = perm.map((axis) => x.shape[axis]);
  const strides = stridesOf(x.shape);
  const from = positions(
    shape,
    perm.map((axis) => strides[axis]),
  );
  return { shape, data: Float64Array.from(from, (position) => x.data[position]) };
}

export const transpose: Reference<TransposeAttrs> = {
  forward([x], { perm }) {
    return permute(x, perm);
  },

  backward(_inputs, { perm }, gradient) {
    const inverse = perm.map((_, axis) => perm.indexOf(axis));
    return [permute(gradient, inverse)];
  },

  sumLength() {
    return 1;
  },
};
