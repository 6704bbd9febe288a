/**
 * Stochastic gradient descent with momentum, in Keras' form.
 *
 * Letters: w weights, g their gradient, v velocity, mu momentum, lr learning rate.
 *   v' = mu * v - lr * g
 *   w' = w + v'              or, with nesterov, w' = w + mu * v' - lr * g
 */

import type { Array64 } from './array64.ts';

export interface SgdState {
  w: Array64;
  v: Array64;
}

export interface SgdAttrs {
  learningRate: number;
  momentum: number;
  nesterov: boolean;
}

/** Weights and velocity after one step. */
export function sgd(
  { w, v }: SgdState,
  g: Array64,
  { learningRate, momentum, nesterov }: SgdAttrs,
): SgdState {
  const velocity = v.data.map((value, i) => momentum * value - learningRate * g.data[i]);
  const weights = w.data.map((value, i) =>
    nesterov ? value + momentum * velocity[i] - learningRate * g.data[i] : value + velocity[i],
  );
  return { w: { shape: [...w.shape], data: weights }, v: { shape: [...v.shape], data: velocity } };
}
