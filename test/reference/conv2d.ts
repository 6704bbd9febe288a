/**
 * Two-dimensional convolution (cross-correlation, as in every deep-learning library), stride 1.
 *
 * Letters: N images, H × W input, C input channels, I × J kernel (odd), K filters, Y × X output.
 *   x [N,H,W,C], w [I,J,C,K], b [K] (optional), out [N,Y,X,K]
 *   'same':  Y = H, X = W, offsets P = (I-1)/2 and Q = (J-1)/2, with zeros outside
 *   'valid': Y = H-I+1, X = W-J+1, P = Q = 0
 *
 *   out[n,y,x,k] = b[k] + sum_{i,j,c} in[n, y+i-P, x+j-Q, c] * w[i,j,c,k]
 *   d in[n,h,v,c] = sum_{i,j,k} g[n, h-i+P, v-j+Q, k] * w[i,j,c,k]
 *   d w[i,j,c,k]  = sum_{n,y,x} in[n, y+i-P, x+j-Q, c] * g[n,y,x,k]
 *   d b[k]        = sum_{n,y,x} g[n,y,x,k]
 *
 * All three sums run over the same pairs (output pixel, tap), which `forEachTap` enumerates; what is left for
 * each pair is a loop over c and k on contiguous values.
 */

import { type Array64, zeros } from './array64.ts';
import type { Reference } from './reference.ts';

export interface Conv2dAttrs {
  padding: 'same' | 'valid';
}

function geometry([x, w]: Array64[], { padding }: Conv2dAttrs) {
  const [N, H, W, C] = x.shape;
  const [I, J, filterC, K] = w.shape;
  if (filterC !== C) throw new Error(`conv2d: ${C} input channels, but filters for ${filterC}`);
  if (I % 2 === 0 || J % 2 === 0) throw new Error(`conv2d: kernel ${I} × ${J} is not odd`);
  const same = padding === 'same';
  const Y = same ? H : H - I + 1;
  const X = same ? W : W - J + 1;
  if (Y < 1 || X < 1) throw new Error(`conv2d: kernel ${I} × ${J} is larger than the image ${H} × ${W}`);
  return { N, H, W, C, I, J, K, Y, X, P: same ? (I - 1) / 2 : 0, Q: same ? (J - 1) / 2 : 0 };
}

/**
 * Calls `body` with the offsets of in[n, y+i-P, x+j-Q, 0], w[i,j,0,0] and out[n,y,x,0] for every tap that
 * lies inside the image. Taps are outermost, so that one C × K slice of w stays in the cache.
 */
function forEachTap(
  { N, H, W, C, I, J, K, Y, X, P, Q }: ReturnType<typeof geometry>,
  body: (inAt: number, wAt: number, outAt: number) => void,
): void {
  for (let i = 0; i < I; i++) {
    for (let j = 0; j < J; j++) {
      const wAt = (i * J + j) * C * K;
      for (let n = 0; n < N; n++) {
        for (let y = Math.max(0, P - i); y < Math.min(Y, H + P - i); y++) {
          for (let x = Math.max(0, Q - j); x < Math.min(X, W + Q - j); x++) {
            body(((n * H + y + i - P) * W + x + j - Q) * C, wAt, ((n * Y + y) * X + x) * K);
          }
        }
      }
    }
  }
}

export const conv2d: Reference<Conv2dAttrs> = {
  forward(inputs, attrs) {
    const [x, w, b] = inputs;
    const shape = geometry(inputs, attrs);
    const { N, Y, X, C, K } = shape;
    const output = zeros([N, Y, X, K]);
    const input = x.data;
    const filters = w.data;
    const out = output.data;
    if (b) {
      for (let i = 0; i < out.length; i++) out[i] = b.data[i % K];
    }
    forEachTap(shape, (inAt, wAt, outAt) => {
      for (let c = 0; c < C; c++) {
        const value = input[inAt + c];
        const row = wAt + c * K;
        for (let k = 0; k < K; k++) out[outAt + k] += value * filters[row + k];
      }
    });
    return output;
  },

  backward(inputs, attrs, gradient) {
    const [x, w, b] = inputs;
    const shape = geometry(inputs, attrs);
    const { C, K } = shape;
    const input = x.data;
    const filters = w.data;
    const g = gradient.data;

    const inputGradient = zeros(x.shape);
    const filterGradient = zeros(w.shape);
    const dInput = inputGradient.data;
    const dFilters = filterGradient.data;
    forEachTap(shape, (inAt, wAt, outAt) => {
      for (let c = 0; c < C; c++) {
        const value = input[inAt + c];
        const row = wAt + c * K;
        let sum = 0;
        for (let k = 0; k < K; k++) {
          sum += g[outAt + k] * filters[row + k];
          dFilters[row + k] += value * g[outAt + k];
        }
        dInput[inAt + c] += sum;
      }
    });

    if (!b) return [inputGradient, filterGradient];
    const biasGradient = zeros([K]);
    for (let i = 0; i < g.length; i++) biasGradient.data[i % K] += g[i];
    return [inputGradient, filterGradient, biasGradient];
  },

  sumLength(inputs, attrs) {
    const { N, C, I, J, K, Y, X } = geometry(inputs, attrs);
    return Math.max(I * J * C, I * J * K, N * Y * X);
  },
};
