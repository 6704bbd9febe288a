/**
 * Maximum over windows, no padding.
 *
 * Letters: x [N,H,W,C], window P × P moved by S, Y = floor((H-P)/S) + 1, X likewise; out [N,Y,X,C].
 *   out[n,y,x,c] = max_{i,j < P} in[n, y*S+i, x*S+j, c]
 * The whole gradient goes to the first maximum of the window in row-major order. Where windows overlap, an
 * input takes a gradient from each window that it wins.
 */

import { type Array64, zeros } from './array64.ts';
import type { Reference } from './reference.ts';

export interface MaxPool2dAttrs {
  poolSize: number;
  strides: number;
}

/** The output's shape, and for every output the position of its first maximum in x. */
function winners(x: Array64, { poolSize, strides }: MaxPool2dAttrs) {
  const [N, H, W, C] = x.shape;
  const Y = Math.floor((H - poolSize) / strides) + 1;
  const X = Math.floor((W - poolSize) / strides) + 1;
  if (Y < 1 || X < 1) throw new Error(`maxPool2d: window ${poolSize} is larger than the image ${H} × ${W}`);
  const shape = [N, Y, X, C];
  const from = new Int32Array(N * Y * X * C);
  let out = 0;
  for (let n = 0; n < N; n++) {
    for (let y = 0; y < Y; y++) {
      for (let xx = 0; xx < X; xx++) {
        for (let c = 0; c < C; c++) {
          const corner = ((n * H + y * strides) * W + xx * strides) * C + c;
          let best = corner;
          for (let i = 0; i < poolSize; i++) {
            for (let j = 0; j < poolSize; j++) {
              const candidate = corner + (i * W + j) * C;
              if (x.data[candidate] > x.data[best]) best = candidate;
            }
          }
          from[out++] = best;
        }
      }
    }
  }
  return { shape, from };
}

export const maxPool2d: Reference<MaxPool2dAttrs> = {
  forward([x], attrs) {
    const { shape, from } = winners(x, attrs);
    return { shape, data: Float64Array.from(from, (position) => x.data[position]) };
  },

  backward([x], attrs, gradient) {
    const { from } = winners(x, attrs);
    const dx = zeros(x.shape);
    for (let i = 0; i < from.length; i++) dx.data[from[i]] += gradient.data[i];
    return [dx];
  },

  sumLength(_inputs, { poolSize, strides }) {
    return Math.ceil(poolSize / strides) ** 2;
  },
};
