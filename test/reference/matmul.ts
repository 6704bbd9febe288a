/**
 * Matrix product.
 *
 * Letters: out [M,N] = A [M,K] · B [K,N], where A is the first input or, with transposeA, its transpose (the
 * input is then [K,M]); B likewise ([N,K] with transposeB).
 *   out[m,n] = sum_k A[m,k] * B[k,n]
 *   dA[m,k]  = sum_n g[m,n] * B[k,n]
 *   dB[k,n]  = sum_m A[m,k] * g[m,n]
 */

import { type Array64, zeros } from './array64.ts';
import type { Reference } from './reference.ts';

export interface MatmulAttrs {
  transposeA?: boolean;
  transposeB?: boolean;
}

/** Extents, and the strides with which A[m,k] and B[k,n] lie in the inputs. */
function geometry([a, b]: Array64[], { transposeA = false, transposeB = false }: MatmulAttrs) {
  const [M, K] = transposeA ? [a.shape[1], a.shape[0]] : a.shape;
  const [innerB, N] = transposeB ? [b.shape[1], b.shape[0]] : b.shape;
  if (K !== innerB) throw new Error(`matmul: inner extents ${K} and ${innerB} differ`);
  const [aM, aK] = transposeA ? [1, M] : [K, 1];
  const [bK, bN] = transposeB ? [1, K] : [N, 1];
  return { M, K, N, aM, aK, bK, bN };
}

export const matmul: Reference<MatmulAttrs> = {
  forward(inputs, attrs) {
    const [a, b] = inputs;
    const { M, K, N, aM, aK, bK, bN } = geometry(inputs, attrs);
    const output = zeros([M, N]);
    for (let m = 0; m < M; m++) {
      for (let k = 0; k < K; k++) {
        const value = a.data[m * aM + k * aK];
        for (let n = 0; n < N; n++) output.data[m * N + n] += value * b.data[k * bK + n * bN];
      }
    }
    return output;
  },

  backward(inputs, attrs, gradient) {
    const [a, b] = inputs;
    const g = gradient.data;
    const { M, K, N, aM, aK, bK, bN } = geometry(inputs, attrs);
    const da = zeros(a.shape);
    const db = zeros(b.shape);
    for (let m = 0; m < M; m++) {
      for (let k = 0; k < K; k++) {
        let sum = 0;
        for (let n = 0; n < N; n++) sum += g[m * N + n] * b.data[k * bK + n * bN];
        da.data[m * aM + k * aK] = sum;
      }
    }
    for (let m = 0; m < M; m++) {
      for (let k = 0; k < K; k++) {
        const value = a.data[m * aM + k * aK];
        for (let n = 0; n < N; n++) db.data[k * bK + n * bN] += value * g[m * N + n];
      }
    }
    return [da, db];
  },

  sumLength(inputs, attrs) {
    const { M, K, N } = geometry(inputs, attrs);
    return Math.max(M, K, N);
  },
};
