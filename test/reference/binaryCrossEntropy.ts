/**
 * Cross-entropy of probabilities given as logits x, over E elements, with targets t; p = 1 / (1 + exp(-x)).
 *   out = -1/E sum (t log(p) + (1 - t) log(1 - p)),  dx = 1/E (p - t) g; the targets get no gradient
 */

import { type Array64, make } from './array64.ts';
import type { Reference } from './reference.ts';

export interface BinaryCrossEntropyAttrs {
  /** Of the shape of the logits. */
  target: Array64;
}

/** -log of the probability 1 / (1 + exp(-x)), also where that underflows. */
const cost = (x: number): number => (x < 0 ? -x + Math.log1p(Math.exp(x)) : Math.log1p(Math.exp(-x)));

export const binaryCrossEntropy: Reference<BinaryCrossEntropyAttrs> = {
  forward([x], { target: t }) {
    const sum = x.data.reduce(
      (total, value, e) => total + t.data[e] * cost(value) + (1 - t.data[e]) * cost(-value),
      0,
    );
    return make([], [sum / x.data.length]);
  },

  backward([x], { target: t }, gradient) {
    const data = x.data.map(
      (value, e) => ((1 / (1 + Math.exp(-value)) - t.data[e]) / x.data.length) * gradient.data[0],
    );
    return [{ shape: [...x.shape], data }];
  },

  sumLength([x]) {
    return x.data.length;
  },
};
