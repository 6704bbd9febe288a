/**
 * The index of the first maximum along one axis, NaN above all numbers. It is piecewise constant, so no gradient passes.
 *
 * Letters: x [..., D, ...] with D at the axis, seen as [O,D,R]; the output has the other axes, seen as [O,R].
 */

import { beats, sizeOf, zeros } from './array64.ts';
import type { Reference } from './reference.ts';

export interface ArgmaxAttrs {
  axis: number;
}

export const argmax: Reference<ArgmaxAttrs> = {
  forward([x], { axis }) {
    const D = x.shape[axis];
    const R = sizeOf(x.shape.slice(axis + 1));
    const output = zeros(x.shape.filter((_, a) => a !== axis));
    for (let i = 0; i < output.data.length; i++) {
      const start = Math.floor(i / R) * D * R + (i % R);
      let best = 0;
      for (let d = 1; d < D; d++) {
        if (beats(x.data[start + d * R], x.data[start + best * R])) best = d;
      }
      output.data[i] = best;
    }
    return output;
  },

  backward() {
    return [null];
  },

  sumLength() {
    return 1;
  },
};
