/**
 * Logarithm of the softmax over the last axis.
 *
 * Letters: x [...,K] seen as [R,K], m[r] = max_k x[r,k].
 *   out[r,k] = x[r,k] - m[r] - log(sum_j exp(x[r,j] - m[r]))
 *   dx[r,k]  = g[r,k] - exp(out[r,k]) * sum_j g[r,j]
 */

import { zeros } from './array64.ts';
import type { NoAttrs, Reference } from './reference.ts';

export const logSoftmax: Reference<NoAttrs> = {
  forward([x]) {
    const K = x.shape.at(-1) as number;
    const output = zeros(x.shape);
    for (let row = 0; row < x.data.length; row += K) {
      const max = Math.max(...x.data.subarray(row, row + K));
      let sum = 0;
      for (let k = row; k < row + K; k++) sum += Math.exp(x.data[k] - max);
      for (let k = row; k < row + K; k++) output.data[k] = x.data[k] - max - Math.log(sum);
    }
    return output;
  },

  backward([x], attrs, gradient) {
    const K = x.shape.at(-1) as number;
    const output = logSoftmax.forward([x], attrs).data;
    const g = gradient.data;
    const dx = zeros(x.shape);
    for (let row = 0; row < output.length; row += K) {
      let sum = 0;
      for (let k = row; k < row + K; k++) sum += g[k];
      for (let k = row; k < row + K; k++) dx.data[k] = g[k] - Math.exp(output[k]) * sum;
    }
    return [dx];
  },

  sumLength([x]) {
    return x.shape.at(-1) as number;
  },
};
