/**
 * Cross-entropy of integer labels, from logits, with the exact log-softmax (no clipping).
 *
 * Letters: N samples, K classes; z [N,K] logits, t [N] labels; l = logSoftmax(z).
 *   out        = -1/N sum_n l[n, t[n]]
 *   dz[n,k]    = g / N * (exp(l[n,k]) - [k = t[n]])
 */

import { make, zeros } from './array64.ts';
import { logSoftmax } from './logSoftmax.ts';
import type { Reference } from './reference.ts';

export interface SoftmaxCrossEntropyAttrs {
  /** The class of each sample, 0 … K-1. */
  labels: readonly number[];
}

export const softmaxCrossEntropy: Reference<SoftmaxCrossEntropyAttrs> = {
  forward([logits], { labels }) {
    const [N, K] = logits.shape;
    if (labels.length !== N) throw new Error(`softmaxCrossEntropy: ${N} rows, but ${labels.length} labels`);
    const log = logSoftmax.forward([logits], {}).data;
    let sum = 0;
    for (let n = 0; n < N; n++) sum -= log[n * K + labels[n]];
    return make([], [sum / N]);
  },

  backward([logits], { labels }, gradient) {
    const [N, K] = logits.shape;
    const log = logSoftmax.forward([logits], {}).data;
    const dz = zeros(logits.shape);
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) {
        const target = k === labels[n] ? 1 : 0;
        dz.data[n * K + k] = (gradient.data[0] / N) * (Math.exp(log[n * K + k]) - target);
      }
    }
    return [dz];
  },

  sumLength([logits]) {
    return Math.max(...logits.shape);
  },
};
