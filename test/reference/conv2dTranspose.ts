/**
 * Two-dimensional transposed convolution: every input pixel adds its multiple of the filter to the output.
 *
 * Letters: N images, H × W input, C input channels, I × J kernel, K filters, Y × X output, strides S and T, offsets P and Q: rows and
 * columns that are cut off before the output.
 *   x [N,H,W,C], w [I,J,K,C], b [K] (optional), out [N,Y,X,K]
 *
 *   out[n,y,x,k] = b[k] + sum of in[n,h,v,c] * w[i,j,k,c] over all h*S+i-P = y, v*T+j-Q = x and c
 *   d in[n,h,v,c] = sum_{i,j,k} g[n, h*S+i-P, v*T+j-Q, k] * w[i,j,k,c]
 *   d w[i,j,k,c]  = sum_{n,h,v} in[n,h,v,c] * g[n, h*S+i-P, v*T+j-Q, k]
 *   d b[k]        = sum_{n,y,x} g[n,y,x,k]
 *
 * Sizes as in Keras' deconv_output_length. Which rows 'same' cuts off is settled by TensorFlow's padding of the output, of which this
 * is the adjoint: of (H-1) S + I - Y rows too many the smaller half before.
 */

import { type Array64, zeros } from './array64.ts';
import type { Conv2dAttrs } from './conv2d.ts';
import type { Reference } from './reference.ts';

export interface Conv2dTransposeAttrs extends Conv2dAttrs {
  outputPadding?: number | readonly [number, number];
}

const pair = <T>(value: T | readonly [T, T]): readonly [T, T] =>
  Array.isArray(value) ? (value as unknown as readonly [T, T]) : [value as T, value as T];

function geometry([x, w]: Array64[], { padding, strides = 1, outputPadding }: Conv2dTransposeAttrs) {
  const sides = [0, 1].map((axis) => {
    const [size, kernel, stride] = [x.shape[1 + axis], w.shape[axis], pair(strides)[axis]];
    const extra = outputPadding === undefined ? undefined : pair(outputPadding)[axis];
    const full = (size - 1) * stride + kernel;
    if (padding === 'valid') {
      const output = extra === undefined ? size * stride + Math.max(kernel - stride, 0) : full + extra;
      return { output, before: 0 };
    }
    if (padding === 'same') {
      const output = extra === undefined ? size * stride : full - 2 * Math.floor(kernel / 2) + extra;
      return { output, before: Math.floor(Math.max(full - output, 0) / 2) };
    }
    const [before, after] = pair(pair<number | readonly [number, number]>(padding)[axis]) as [number, number];
    return { output: full - before - after + (extra ?? 0), before };
  });
  return { sides, S: pair(strides)[0], T: pair(strides)[1] };
}

/** Calls `body` with the offsets of in[n,h,v,0], w[i,j,0,0] and out[n,y,x,0] for every tap that lies inside the output. */
function forEachTap(
  inputs: Array64[],
  attrs: Conv2dTransposeAttrs,
  body: (inAt: number, wAt: number, outAt: number) => void,
): void {
  const [N, H, W, C] = inputs[0].shape;
  const [I, J, K] = inputs[1].shape;
  const { sides, S, T } = geometry(inputs, attrs);
  const [{ output: Y, before: P }, { output: X, before: Q }] = sides;
  for (let n = 0; n < N; n++) {
    for (let h = 0; h < H; h++) {
      for (let v = 0; v < W; v++) {
        for (let i = 0; i < I; i++) {
          for (let j = 0; j < J; j++) {
            const [y, x] = [h * S + i - P, v * T + j - Q];
            if (y < 0 || y >= Y || x < 0 || x >= X) continue;
            body(((n * H + h) * W + v) * C, (i * J + j) * K * C, ((n * Y + y) * X + x) * K);
          }
        }
      }
    }
  }
}

export const conv2dTranspose: Reference<Conv2dTransposeAttrs> = {
  forward(inputs, attrs) {
    const [x, w, b] = inputs;
    const C = x.shape[3];
    const K = w.shape[2];
    const [{ output: Y }, { output: X }] = geometry(inputs, attrs).sides;
    const output = zeros([x.shape[0], Y, X, K]);
    if (b) for (let i = 0; i < output.data.length; i++) output.data[i] = b.data[i % K];
    forEachTap(inputs, attrs, (inAt, wAt, outAt) => {
      for (let k = 0; k < K; k++) {
        let sum = 0;
        for (let c = 0; c < C; c++) sum += x.data[inAt + c] * w.data[wAt + k * C + c];
        output.data[outAt + k] += sum;
      }
    });
    return output;
  },

  backward(inputs, attrs, gradient) {
    const [x, w, b] = inputs;
    const C = x.shape[3];
    const K = w.shape[2];
    const g = gradient.data;
    const dx = zeros(x.shape);
    const dw = zeros(w.shape);
    forEachTap(inputs, attrs, (inAt, wAt, outAt) => {
      for (let k = 0; k < K; k++) {
        for (let c = 0; c < C; c++) {
          dx.data[inAt + c] += g[outAt + k] * w.data[wAt + k * C + c];
          dw.data[wAt + k * C + c] += g[outAt + k] * x.data[inAt + c];
        }
      }
    });
    if (!b) return [dx, dw];
    const db = zeros([K]);
    for (let i = 0; i < g.length; i++) db.data[i % K] += g[i];
    return [dx, dw, db];
  },

  sumLength(inputs) {
    const [N, H, W, C] = inputs[0].shape;
    const [I, J, K] = inputs[1].shape;
    return Math.max(I * J * C, I * J * K, N * H * W);
  },
};
