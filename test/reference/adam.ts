/**
 * Adam (Kingma & Ba 2015) in Keras' form, whose epsilon is not corrected for bias (the note at the end of section 2), and in
 * PyTorch's (algorithm 1), with weight decay that is coupled (part of the gradient) or decoupled (AdamW).
 *
 * Letters: w weights, g their gradient, m and v first and second moment, b1, b2 their decays, t the step
 * from 1, lr the learning rate, wd the weight decay.
 *   coupled: g' = g + wd * w, else g' = g
 *   m' = b1 * m + (1 - b1) * g'
 *   v' = b2 * v + (1 - b2) * g'^2
 *   decoupled: u = w - lr * wd * w, else u = w
 *   Keras:   w' = u - lr * sqrt(1 - b2^t) / (1 - b1^t) * m' / (sqrt(v') + epsilon)
 *   PyTorch: w' = u - lr * (m' / (1 - b1^t)) / (sqrt(v' / (1 - b2^t)) + epsilon)
 */

import type { Array64 } from './array64.ts';

export interface AdamState {
  w: Array64;
  m: Array64;
  v: Array64;
}

export interface AdamAttrs {
  /** Default 'keras'. */
  form?: 'keras' | 'pytorch';
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Coupled; default 0. */
  weightDecay?: number;
  /** Default 0. */
  decoupledWeightDecay?: number;
  /** The number of this step; the first is 1. */
  step: number;
}

/** Weights and moments after one step. */
export function adam({ w, m, v }: AdamState, g: Array64, attrs: AdamAttrs): AdamState {
  const { form = 'keras', learningRate, beta1, beta2, epsilon, step } = attrs;
  const { weightDecay = 0, decoupledWeightDecay = 0 } = attrs;
  const slope = g.data.map((value, i) => value + weightDecay * w.data[i]);
  const first = m.data.map((value, i) => beta1 * value + (1 - beta1) * slope[i]);
  const second = v.data.map((value, i) => beta2 * value + (1 - beta2) * slope[i] ** 2);
  const [correction1, correction2] = [1 - beta1 ** step, 1 - beta2 ** step];
  const change = (i: number) =>
    form === 'keras'
      ? ((learningRate * Math.sqrt(correction2)) / correction1) *
        (first[i] / (Math.sqrt(second[i]) + epsilon))
      : (learningRate * (first[i] / correction1)) / (Math.sqrt(second[i] / correction2) + epsilon);
  const weights = w.data.map((value, i) => value - learningRate * decoupledWeightDecay * value - change(i));
  return {
    w: { shape: [...w.shape], data: weights },
    m: { shape: [...m.shape], data: first },
    v: { shape: [...v.shape], data: second },
  };
}
