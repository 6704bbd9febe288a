/**
 * Cross-entropy of integer labels, from logits, with the exact log-softmax (no clipping).
 *
 * Letters: N samples, K classes; z [N,K] logits, t [N] labels; l = logSoftmax(z).
 * With a label smoothing of s the target of a sample is q[n,k] = (1 - s) [k = t[n]] + s / K.
 *   out        = -1/N sum_n,k q[n,k] l[n,k]
 *   dz[n,k]    = g / N * (exp(l[n,k]) - q[n,k])
 */

import { make, zeros } from './array64.ts';
import { logSoftmax } from './logSoftmax.ts';
import type { Reference } from './reference.ts';

export interface SoftmaxCrossEntropyAttrs {
  /** The class of each sample, 0 … K-1. */
  labels: readonly number[];
  /** Default 0. */
  labelSmoothing?: number;
}

const target = (k: number, label: number, K: number, smoothing: number): number =>
  (k === label ? 1 - smoothing : 0) + smoothing / K;

export const softmaxCrossEntropy: Reference<SoftmaxCrossEntropyAttrs> = {
  forward([logits], { labels, labelSmoothing = 0 }) {
    const [N, K] = logits.shape;
    if (labels.length !== N) throw new Error(`softmaxCrossEntropy: ${N} rows, but ${labels.length} labels`);
    const log = logSoftmax.forward([logits], {}).data;
    let sum = 0;
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) sum -= target(k, labels[n], K, labelSmoothing) * log[n * K + k];
    }
    return make([], [sum / N]);
  },

  backward([logits], { labels, labelSmoothing = 0 }, gradient) {
    const [N, K] = logits.shape;
    const log = logSoftmax.forward([logits], {}).data;
    const dz = zeros(logits.shape);
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) {
        const wanted = target(k, labels[n], K, labelSmoothing);
        dz.data[n * K + k] = (gradient.data[0] / N) * (Math.exp(log[n * K + k]) - wanted);
      }
    }
    return [dz];
  },

  sumLength([logits]) {
    return Math.max(...logits.shape);
  },
};
