/**
 * Mean of squared differences over E elements.
 *   out = 1/E sum (y - t)^2,  dy = 2/E (y - t) g,  dt = -dy
 */

import { make } from './array64.ts';
import type { NoAttrs, Reference } from './reference.ts';

export const meanSquaredError: Reference<NoAttrs> = {
  forward([y, t]) {
    const sum = y.data.reduce((total, value, e) => total + (value - t.data[e]) ** 2, 0);
    return make([], [sum / y.data.length]);
  },

  backward([y, t], _attrs, gradient) {
    const dy = y.data.map((value, e) => (2 / y.data.length) * (value - t.data[e]) * gradient.data[0]);
    return [
      { shape: [...y.shape], data: dy },
      { shape: [...y.shape], data: dy.map((value) => -value) },
    ];
  },

  sumLength([y]) {
    return y.data.length;
  },
};
