/**
 * Nearest-neighbour enlargement by whole factors.
 *
 * Letters: x [N,H,W,C], factors I and J, out [N,H*I,W*J,C].
 *   out[n,y,x,c]  = in[n, floor(y / I), floor(x / J), c]
 *   d in[n,h,v,c] = sum of g over the I × J outputs that are copies of it
 */

import { type Array64, zeros } from './array64.ts';
import type { Reference } from './reference.ts';

export interface UpSampling2dAttrs {
  size: readonly [number, number];
}

/** The output's shape, and for every output the place in x that it is a copy of. */
function copies({ shape: [N, H, W, C] }: Array64, { size: [I, J] }: UpSampling2dAttrs) {
  const shape = [N, H * I, W * J, C];
  const from: number[] = [];
  for (let n = 0; n < N; n++)
    for (let y = 0; y < H * I; y++)
      for (let x = 0; x < W * J; x++)
        for (let c = 0; c < C; c++) from.push(((n * H + Math.floor(y / I)) * W + Math.floor(x / J)) * C + c);
  return { shape, from };
}

export const upSampling2d: Reference<UpSampling2dAttrs> = {
  forward([x], attrs) {
    const { shape, from } = copies(x, attrs);
    return { shape, data: Float64Array.from(from, (at) => x.data[at]) };
  },

  backward([x], attrs, gradient) {
    const dx = zeros(x.shape);
    copies(x, attrs).from.forEach((at, out) => {
      dx.data[at] += gradient.data[out];
    });
    return [dx];
  },

  sumLength(_inputs, { size: [I, J] }) {
    return I * J;
  },
};
