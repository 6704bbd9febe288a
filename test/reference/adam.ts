/**
 * Adam in TensorFlow's form, whose epsilon is not corrected for bias (Kingma & Ba 2015, the note at the end
 * of section 2).
 *
 * Letters: w weights, g their gradient, m and v first and second moment, b1, b2 their decays, t the step
 * from 1, lr the learning rate.
 *   m' = b1 * m + (1 - b1) * g
 *   v' = b2 * v + (1 - b2) * g^2
 *   w' = w - lr * sqrt(1 - b2^t) / (1 - b1^t) * m' / (sqrt(v') + epsilon)
 */

import type { Array64 } from './array64.ts';

export interface AdamState {
  w: Array64;
  m: Array64;
  v: Array64;
}

export interface AdamAttrs {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** The number of this step; the first is 1. */
  step: number;
}

/** Weights and moments after one step. */
export function adam({ w, m, v }: AdamState, g: Array64, attrs: AdamAttrs): AdamState {
  const { learningRate, beta1, beta2, epsilon, step } = attrs;
  const rate = (learningRate * Math.sqrt(1 - beta2 ** step)) / (1 - beta1 ** step);
  const first = m.data.map((value, i) => beta1 * value + (1 - beta1) * g.data[i]);
  const second = v.data.map((value, i) => beta2 * value + (1 - beta2) * g.data[i] ** 2);
  const weights = w.data.map((value, i) => value - (rate * first[i]) / (Math.sqrt(second[i]) + epsilon));
  return {
    w: { shape: [...w.shape], data: weights },
    m: { shape: [...m.shape], data: first },
    v: { shape: [...v.shape], data: second },
  };
}
