/**
 * Rows along axis 0.
 *
 * Letters: x [M,...] seen as [M,R], indices [B]; out [B,...].
 *   out[b,r] = x[indices[b], r]
 *   dx[m,r]  = sum_{b: indices[b]=m} g[b,r]
 */

import { zeros } from './array64.ts';
import type { Reference } from './reference.ts';

export interface GatherAttrs {
  /** Row numbers, 0 … M-1; one may come several times. */
  indices: readonly number[];
}

export const gather: Reference<GatherAttrs> = {
  forward([x], { indices }) {
    const [M, ...rest] = x.shape;
    const R = x.data.length / M;
    const output = zeros([indices.length, ...rest]);
    indices.forEach((m, b) => {
      if (!(m >= 0 && m < M)) throw new Error(`gather: row ${m} of ${M}`);
      output.data.set(x.data.subarray(m * R, (m + 1) * R), b * R);
    });
    return output;
  },

  backward([x], { indices }, gradient) {
    const R = x.data.length / x.shape[0];
    const dx = zeros(x.shape);
    indices.forEach((m, b) => {
      for (let r = 0; r < R; r++) dx.data[m * R + r] += gradient.data[b * R + r];
    });
    return [dx];
  },

  sumLength(_inputs, { indices }) {
    return Math.max(1, ...indices.map((m) => indices.filter((other) => other === m).length));
  },
};
