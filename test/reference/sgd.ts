/**
 * Stochastic gradient descent with momentum, in Keras' and in PyTorch's form.
 *
 * Letters: w weights, g their gradient, v velocity, mu momentum, lr learning rate, wd weight decay; g' = g + wd * w.
 *   Keras
 *     v' = mu * v - lr * g'
 *     w' = w + v'              or, with nesterov, w' = w + mu * v' - lr * g'
 *   PyTorch, without dampening
 *     v' = mu * v + g'
 *     w' = w - lr * v'         or, with nesterov, w' = w - lr * (g' + mu * v')
 */

import type { Array64 } from './array64.ts';

export interface SgdState {
  w: Array64;
  v: Array64;
}

export interface SgdAttrs {
  /** Default 'keras'. */
  form?: 'keras' | 'pytorch';
  learningRate: number;
  momentum: number;
  nesterov: boolean;
  /** Default 0. */
  weightDecay?: number;
}

/** Weights and velocity after one step. */
export function sgd(
  { w, v }: SgdState,
  g: Array64,
  { form = 'keras', learningRate, momentum, nesterov, weightDecay = 0 }: SgdAttrs,
): SgdState {
  const slope = g.data.map((value, i) => value + weightDecay * w.data[i]);
  const share = form === 'keras' ? -learningRate : 1;
  const velocity = v.data.map((value, i) => momentum * value + share * slope[i]);
  const change = (i: number) => (nesterov ? momentum * velocity[i] + share * slope[i] : velocity[i]);
  const weights = w.data.map((value, i) =>
    form === 'keras' ? value + change(i) : value - learningRate * change(i),
  );
  return { w: { shape: [...w.shape], data: weights }, v: { shape: [...v.shape], data: velocity } };
}
