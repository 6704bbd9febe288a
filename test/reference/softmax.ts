/**
 * Softmax over the last axis.
 *
 * Letters: x [...,K] seen as [R,K], e[r,k] = exp(x[r,k] - max_k x[r,k]) so that nothing overflows.
 *   out[r,k] = e[r,k] / sum_k e[r,k]
 *   dx[r,k]  = out[r,k] * (g[r,k] - sum_j g[r,j] * out[r,j])
 */

import { zeros } from './array64.ts';
import type { NoAttrs, Reference } from './reference.ts';

export const softmax: Reference<NoAttrs> = {
  forward([x]) {
    const K = x.shape.at(-1) as number;
    const output = zeros(x.shape);
    for (let row = 0; row < x.data.length; row += K) {
      const max = Math.max(...x.data.subarray(row, row + K));
      let sum = 0;
      for (let k = row; k < row + K; k++) {
        output.data[k] = Math.exp(x.data[k] - max);
        sum += output.data[k];
      }
      for (let k = row; k < row + K; k++) output.data[k] /= sum;
    }
    return output;
  },

  backward([x], attrs, gradient) {
    const K = x.shape.at(-1) as number;
    const output = softmax.forward([x], attrs).data;
    const g = gradient.data;
    const dx = zeros(x.shape);
    for (let row = 0; row < output.length; row += K) {
      let dot = 0;
      for (let k = row; k < row + K; k++) dot += g[k] * output[k];
      for (let k = row; k < row + K; k++) dx.data[k] = output[k] * (g[k] - dot);
    }
    return [dx];
  },

  sumLength([x]) {
    return x.shape.at(-1) as number;
  },
};
