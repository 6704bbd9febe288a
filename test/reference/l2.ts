/**
 * Keras' L2 penalty, without a half: out = lambda * sum(w^2), dw = 2 * lambda * w * g.
 */

import { make } from './array64.ts';
import type { Reference } from './reference.ts';

export interface L2Attrs {
  lambda: number;
}

export const l2: Reference<L2Attrs> = {
  forward([w], { lambda }) {
    return make([], [lambda * w.data.reduce((sum, value) => sum + value * value, 0)]);
  },

  backward([w], { lambda }, gradient) {
    return [{ shape: [...w.shape], data: w.data.map((value) => 2 * lambda * value * gradient.data[0]) }];
  },

  sumLength([w]) {
    return w.data.length;
  },
};
