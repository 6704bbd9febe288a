/**
 * A bias for each channel.
 *
 * Letters: x [...,C], b [C].
 *   out[r,c] = x[r,c] + b[c], with r over all axes but the last
 *   dx = g, db[c] = sum_r g[r,c]
 */

import { zeros } from './array64.ts';
import type { NoAttrs, Reference } from './reference.ts';

export const biasAdd: Reference<NoAttrs> = {
  forward([x, b]) {
    const C = b.data.length;
    if (x.shape.at(-1) !== C) throw new Error(`biasAdd: ${x.shape.at(-1)} channels, but ${C} biases`);
    return { shape: [...x.shape], data: x.data.map((value, i) => value + b.data[i % C]) };
  },

  backward([x, b], _attrs, gradient) {
    const C = b.data.length;
    const db = zeros([C]);
    for (let i = 0; i < gradient.data.length; i++) db.data[i % C] += gradient.data[i];
    return [{ shape: [...x.shape], data: gradient.data.slice() }, db];
  },

  sumLength([x, b]) {
    return x.data.length / b.data.length;
  },
};
