/**
 * Exact t-SNE (van der Maaten & Hinton 2008) as plain loops.
 *
 * Letters: x points, y their places, d squared distances, b precisions, p probabilities of pairs, w = 1 + |y_i - y_j|^2,
 * Z = sum of 1 / w over i != j.
 */

import { type Array64, make, zeros } from './array64.ts';

/** Squared distances [N, N] of the rows of x [N, D]. */
export function distances({ shape: [N, D], data }: Array64): Array64 {
  const d = zeros([N, N]);
  for (let i = 0; i < N; i++)
    for (let j = 0; j < N; j++)
      for (let k = 0; k < D; k++) d.data[i * N + j] += (data[i * D + k] - data[j * D + k]) ** 2;
  return d;
}

/** p_j|i for a precision: a row of probabilities, and its entropy in nats. */
export function conditional(d: Array64, i: number, b: number): { row: Float64Array; entropy: number } {
  const [N] = d.shape;
  const own = d.data.slice(i * N, (i + 1) * N);
  const least = Math.min(...own.filter((_, j) => j !== i));
  const weights = own.map((value, j) => (j === i ? 0 : Math.exp(-b * (value - least))));
  const sum = weights.reduce((a, value) => a + value, 0);
  const row = weights.map((value) => value / sum);
  return { row, entropy: row.reduce((a, value) => a - (value > 0 ? value * Math.log(value) : 0), 0) };
}

/** The precision of row i whose entropy is log(perplexity), by bisection of its logarithm until it stands still. */
export function precision(d: Array64, i: number, perplexity: number): number {
  let [low, high] = [-100, 100];
  for (let step = 0; step < 200; step++) {
    const middle = (low + high) / 2;
    if (conditional(d, i, Math.exp(middle)).entropy > Math.log(perplexity)) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}

/** p_ij = (p_j|i + p_i|j) / 2N for given precisions. */
export function joint(d: Array64, precisions: ArrayLike<number>): Array64 {
  const [N] = d.shape;
  const p = zeros([N, N]);
  for (let i = 0; i < N; i++)
    conditional(d, i, precisions[i]).row.forEach((value, j) => {
      p.data[i * N + j] += value / (2 * N);
      p.data[j * N + i] += value / (2 * N);
    });
  return p;
}

/** Joint probabilities of the rows of x. */
export function probabilities(x: Array64, perplexity: number): Array64 {
  const d = distances(x);
  return joint(
    d,
    Array.from({ length: x.shape[0] }, (_, i) => precision(d, i, perplexity)),
  );
}

function pairs({ shape: [N], data }: Array64, each: (i: number, j: number, w: number) => void): void {
  for (let i = 0; i < N; i++)
    for (let j = 0; j < N; j++)
      if (i !== j)
        each(i, j, 1 + (data[2 * i] - data[2 * j]) ** 2 + (data[2 * i + 1] - data[2 * j + 1]) ** 2);
}

/** Z of places y [N, 2]. */
export function normalizer(y: Array64): number {
  let Z = 0;
  pairs(y, (_i, _j, w) => {
    Z += 1 / w;
  });
  return Z;
}

/** sum of p_ij log(p_ij / q_ij), q_ij = 1 / (w_ij Z); a term with p_ij = 0 is 0. */
export function divergence(p: Array64, y: Array64): number {
  const [N] = y.shape;
  const Z = normalizer(y);
  let sum = 0;
  pairs(y, (i, j, w) => {
    const value = p.data[i * N + j];
    if (value > 0) sum += value * Math.log(value * w * Z);
  });
  return sum;
}

/** Its gradient [N, 2] for the places, where p sums to 1; `exaggeration` multiplies p. */
export function gradient(p: Array64, y: Array64, exaggeration = 1): Array64 {
  const [N] = y.shape;
  const Z = normalizer(y);
  const g = zeros([N, 2]);
  pairs(y, (i, j, w) => {
    const force = (4 * (exaggeration * p.data[i * N + j] - 1 / (w * Z))) / w;
    for (const axis of [0, 1]) g.data[2 * i + axis] += force * (y.data[2 * i + axis] - y.data[2 * j + axis]);
  });
  return g;
}

export interface Descent {
  y: Array64;
  velocity: Float64Array;
  gains: Float64Array;
}

/** The start of a descent, and of each of its phases. */
export const startAt = (y: Array64): Descent => ({
  y,
  velocity: new Float64Array(y.data.length),
  gains: new Float64Array(y.data.length).fill(1),
});

/** One step: gradient descent with momentum and a gain for each coordinate, as in scikit-learn's `_gradient_descent`. */
export function move(
  { y, velocity, gains }: Descent,
  g: Array64,
  momentum: number,
  learningRate: number,
): Descent {
  const grown = gains.map((gain, i) => Math.max(velocity[i] * g.data[i] < 0 ? gain + 0.2 : gain * 0.8, 0.01));
  const moved = velocity.map((v, i) => momentum * v - learningRate * grown[i] * g.data[i]);
  return {
    y: make(
      y.shape,
      y.data.map((value, i) => value + moved[i]),
    ),
    velocity: moved,
    gains: grown,
  };
}
