/**
 * A fully connected layer.
 *
 * Letters: N samples, I inputs, O units; x [N,I], w [I,O], b [O] (optional), out [N,O].
 *   out[n,o] = b[o] + sum_i x[n,i] * w[i,o]
 *   dx[n,i]  = sum_o g[n,o] * w[i,o]
 *   dw[i,o]  = sum_n x[n,i] * g[n,o]
 *   db[o]    = sum_n g[n,o]
 */

import { zeros } from './array64.ts';
import type { NoAttrs, Reference } from './reference.ts';

export const dense: Reference<NoAttrs> = {
  forward([x, w, b]) {
    const [N, I] = x.shape;
    const [filterI, O] = w.shape;
    if (filterI !== I) throw new Error(`dense: ${I} inputs, but weights for ${filterI}`);
    const output = zeros([N, O]);
    for (let n = 0; n < N; n++) {
      if (b) output.data.set(b.data, n * O);
      for (let i = 0; i < I; i++) {
        const value = x.data[n * I + i];
        for (let o = 0; o < O; o++) output.data[n * O + o] += value * w.data[i * O + o];
      }
    }
    return output;
  },

  backward([x, w, b], _attrs, gradient) {
    const [N, I] = x.shape;
    const O = w.shape[1];
    const g = gradient.data;
    const dx = zeros(x.shape);
    const dw = zeros(w.shape);
    const db = zeros([O]);
    for (let n = 0; n < N; n++) {
      for (let i = 0; i < I; i++) {
        const value = x.data[n * I + i];
        let sum = 0;
        for (let o = 0; o < O; o++) {
          sum += g[n * O + o] * w.data[i * O + o];
          dw.data[i * O + o] += value * g[n * O + o];
        }
        dx.data[n * I + i] = sum;
      }
      for (let o = 0; o < O; o++) db.data[o] += g[n * O + o];
    }
    return b ? [dx, dw, db] : [dx, dw];
  },

  sumLength([x, w]) {
    return Math.max(x.shape[0], ...w.shape);
  },
};
