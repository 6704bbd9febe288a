/**
 * Two-dimensional convolution (cross-correlation, as in every deep-learning library).
 *
 * Letters: N images, H × W input, C input channels, I × J kernel, K filters, Y × X output, strides S (rows) and T (columns), offsets P and
 * Q: rows and columns of zeros before the image.
 *   x [N,H,W,C], w [I,J,C,K], b [K] (optional), out [N,Y,X,K]
 *   Y = floor((H + zeros above and below - I) / S) + 1, X likewise; with 'same' ceil(H / S) × ceil(W / T), and the zeros that this takes,
 *   the odd one after the image
 *
 *   out[n,y,x,k] = b[k] + sum_{i,j,c} in[n, y*S+i-P, x*T+j-Q, c] * w[i,j,c,k]
 *   d in[n,h,v,c] = sum of g[n,y,x,k] * w[i,j,c,k] over all y*S+i-P = h, x*T+j-Q = v and k
 *   d w[i,j,c,k]  = sum_{n,y,x} in[n, y*S+i-P, x*T+j-Q, c] * g[n,y,x,k]
 *   d b[k]        = sum_{n,y,x} g[n,y,x,k]
 *
 * All three sums run over the same pairs (output pixel, tap), which `forEachTap` enumerates; what is left for
 * each pair is a loop over c and k on contiguous values.
 */

import { type Array64, zeros } from './array64.ts';
import type { Reference } from './reference.ts';

export interface Conv2dAttrs {
  /** Zeros on every side, for rows and columns, or before and after each. */
  padding:
    | 'same'
    | 'valid'
    | number
    | readonly [number, number]
    | readonly [readonly [number, number], readonly [number, number]];
  /** Default 1. */
  strides?: number | readonly [number, number];
}

/** Output size and zeros before, along one axis. */
function along(padding: Conv2dAttrs['padding'], axis: 0 | 1, size: number, kernel: number, stride: number) {
  if (padding === 'same') {
    const output = Math.ceil(size / stride);
    return { output, before: Math.floor(Math.max((output - 1) * stride + kernel - size, 0) / 2) };
  }
  const side = padding === 'valid' ? 0 : typeof padding === 'number' ? padding : padding[axis];
  const [before, after] = typeof side === 'number' ? [side, side] : side;
  return { output: Math.floor((before + size + after - kernel) / stride) + 1, before };
}

function geometry([x, w]: Array64[], { padding, strides = 1 }: Conv2dAttrs) {
  const [N, H, W, C] = x.shape;
  const [I, J, filterC, K] = w.shape;
  if (filterC !== C) throw new Error(`conv2d: ${C} input channels, but filters for ${filterC}`);
  const [S, T] = typeof strides === 'number' ? [strides, strides] : strides;
  const { output: Y, before: P } = along(padding, 0, H, I, S);
  const { output: X, before: Q } = along(padding, 1, W, J, T);
  if (Y < 1 || X < 1) throw new Error(`conv2d: kernel ${I} × ${J} is larger than the image ${H} × ${W}`);
  return { N, H, W, C, I, J, K, Y, X, S, T, P, Q };
}

/**
 * Calls `body` with the offsets of in[n, y*S+i-P, x*T+j-Q, 0], w[i,j,0,0] and out[n,y,x,0] for every tap that
 * lies inside the image. Taps are outermost, so that one C × K slice of w stays in the cache.
 */
function forEachTap(
  { N, H, W, C, I, J, K, Y, X, S, T, P, Q }: ReturnType<typeof geometry>,
  body: (inAt: number, wAt: number, outAt: number) => void,
): void {
  for (let i = 0; i < I; i++) {
    for (let j = 0; j < J; j++) {
      const wAt = (i * J + j) * C * K;
      for (let n = 0; n < N; n++) {
        for (let y = 0; y < Y; y++) {
          const h = y * S + i - P;
          if (h < 0 || h >= H) continue;
          for (let x = 0; x < X; x++) {
            const v = x * T + j - Q;
            if (v >= 0 && v < W) body(((n * H + h) * W + v) * C, wAt, ((n * Y + y) * X + x) * K);
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
