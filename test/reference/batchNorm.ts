/**
 * Batch normalisation over all axes but the last.
 *
 * Letters: x [...,C] seen as [M,C]; gamma, beta, mean, variance [C].
 * Training:
 *   mean[c] = 1/M sum_m x[m,c],  variance[c] = 1/M sum_m (x[m,c] - mean[c])^2  (biased)
 *   s[c] = sqrt(variance[c] + epsilon),  n[m,c] = (x[m,c] - mean[c]) / s[c],  out = gamma * n + beta
 *   dbeta[c] = sum_m g[m,c],  dgamma[c] = sum_m g[m,c] * n[m,c]
 *   dx[m,c] = gamma[c] / s[c] * (g[m,c] - dbeta[c] / M - n[m,c] * dgamma[c] / M)
 * Inference: mean and variance are given and constant, so dx = gamma / s * g, the rest as above.
 *
 * Keras' moving statistics: moving = momentum * moving + (1 - momentum) * batch. What is stored as the
 * batch's variance is unbiased, M / (M - 1) times the above, on Keras' fused path (4-D inputs), and biased
 * for 2-D inputs.
 */

import { type Array64, zeros } from './array64.ts';
import type { Reference } from './reference.ts';

export interface BatchNormAttrs {
  epsilon: number;
}

/** Mean and variance of each channel. */
export interface Statistics {
  mean: Array64;
  variance: Array64;
}

/** The batch's mean and biased variance over all axes but the last. */
export function batchStatistics(x: Array64): Statistics {
  const C = x.shape.at(-1) as number;
  const M = x.data.length / C;
  const mean = zeros([C]);
  const variance = zeros([C]);
  for (let i = 0; i < x.data.length; i++) mean.data[i % C] += x.data[i] / M;
  for (let i = 0; i < x.data.length; i++) variance.data[i % C] += (x.data[i] - mean.data[i % C]) ** 2 / M;
  return { mean, variance };
}

/** The moving statistics after one training step on `x`. */
export function updateMovingStatistics(moving: Statistics, x: Array64, momentum: number): Statistics {
  const batch = batchStatistics(x);
  const M = x.data.length / batch.mean.data.length;
  // A batch of one value has variance 0, which no factor changes.
  const correction = x.shape.length === 4 && M > 1 ? M / (M - 1) : 1;
  const blend = (old: Array64, now: Array64, factor: number): Array64 => ({
    shape: [...old.shape],
    data: old.data.map((value, c) => momentum * value + (1 - momentum) * factor * now.data[c]),
  });
  return {
    mean: blend(moving.mean, batch.mean, 1),
    variance: blend(moving.variance, batch.variance, correction),
  };
}

/** (x - mean) / sqrt(variance + epsilon), and the divisor of each channel. */
function normalise(x: Array64, { mean, variance }: Statistics, epsilon: number) {
  const C = mean.data.length;
  const deviation = variance.data.map((value) => Math.sqrt(value + epsilon));
  const normal = x.data.map((value, i) => (value - mean.data[i % C]) / deviation[i % C]);
  return { C, deviation, normal };
}

function scaleAndShift(x: Array64, normal: Float64Array, gamma: Array64, beta: Array64): Array64 {
  const C = gamma.data.length;
  return {
    shape: [...x.shape],
    data: normal.map((value, i) => gamma.data[i % C] * value + beta.data[i % C]),
  };
}

/** The gradients of gamma and beta, which don't depend on where the statistics come from. */
function channelGradients(normal: Float64Array, gradient: Array64, C: number): [Array64, Array64] {
  const dGamma = zeros([C]);
  const dBeta = zeros([C]);
  for (let i = 0; i < normal.length; i++) {
    dGamma.data[i % C] += gradient.data[i] * normal[i];
    dBeta.data[i % C] += gradient.data[i];
  }
  return [dGamma, dBeta];
}

/** Inputs x, gamma, beta. */
export const batchNorm: Reference<BatchNormAttrs> = {
  forward([x, gamma, beta], { epsilon }) {
    return scaleAndShift(x, normalise(x, batchStatistics(x), epsilon).normal, gamma, beta);
  },

  backward([x, gamma], { epsilon }, gradient) {
    const { C, deviation, normal } = normalise(x, batchStatistics(x), epsilon);
    const M = x.data.length / C;
    const [dGamma, dBeta] = channelGradients(normal, gradient, C);
    const dx = zeros(x.shape);
    for (let i = 0; i < dx.data.length; i++) {
      const c = i % C;
      const centred = gradient.data[i] - dBeta.data[c] / M - (normal[i] * dGamma.data[c]) / M;
      dx.data[i] = (gamma.data[c] / deviation[c]) * centred;
    }
    return [dx, dGamma, dBeta];
  },

  sumLength([x, gamma]) {
    return x.data.length / gamma.data.length;
  },
};

/** Inputs x, gamma, beta, moving mean, moving variance; the last two take no gradient. */
export const batchNormInference: Reference<BatchNormAttrs> = {
  forward([x, gamma, beta, mean, variance], { epsilon }) {
    return scaleAndShift(x, normalise(x, { mean, variance }, epsilon).normal, gamma, beta);
  },

  backward([x, gamma, , mean, variance], { epsilon }, gradient) {
    const { C, deviation, normal } = normalise(x, { mean, variance }, epsilon);
    const [dGamma, dBeta] = channelGradients(normal, gradient, C);
    const dx = zeros(x.shape);
    for (let i = 0; i < dx.data.length; i++) {
      dx.data[i] = (gamma.data[i % C] / deviation[i % C]) * gradient.data[i];
    }
    return [dx, dGamma, dBeta, null, null];
  },

  sumLength([x, gamma]) {
    return x.data.length / gamma.data.length;
  },
};
