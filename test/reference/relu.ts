/**
 * Rectifier: out = max(x, 0); dx = g where x > 0 or, as in PyTorch, NaN, else 0 (so 0 at x = 0).
 */

import type { NoAttrs, Reference } from './reference.ts';

export const relu: Reference<NoAttrs> = {
  forward([x]) {
    return { shape: [...x.shape], data: x.data.map((value) => Math.max(value, 0)) };
  },

  backward([x], _attrs, gradient) {
    return [{ shape: [...x.shape], data: x.data.map((value, i) => (value <= 0 ? 0 : gradient.data[i])) }];
  },

  sumLength() {
    return 1;
  },
};
