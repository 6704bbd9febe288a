import { layers } from '../../nn/layers/index.ts';
import type { SymbolicTensor } from '../../nn/symbolic.ts';

/* Residual blocks without projection: what goes in must have as many channels as what comes out. */

type Step = (x: SymbolicTensor) => SymbolicTensor;

/** One step after the other. */
export const through = (x: SymbolicTensor, ...steps: Step[]): SymbolicTensor =>
  steps.reduce((value, step) => step(value), x);

export const relu: Step = (x) => layers.activation({ activation: 'relu' }).apply(x);

export const conv =
  (filters: number, kernelSize: number, activation?: 'relu'): Step =>
  (x) =>
    layers.conv2d({ filters, kernelSize, padding: 'same', activation }).apply(x);

const normed =
  (filters: number, kernelSize: number): Step =>
  (x) =>
    layers.batchNormalization().apply(conv(filters, kernelSize)(x));

const residual =
  (...steps: Step[]): Step =>
  (x) =>
    layers.add({ activation: 'relu' }).apply([through(x, ...steps), x]);

/** 1x1, 3x3 and 1x1 convolutions with a, b and c filters, each with batch-norm. */
export const bottleneck = (a: number, b: number, c: number): Step =>
  residual(normed(a, 1), relu, normed(b, 3), relu, normed(c, 1));

/** Two 3x3 convolutions, each with batch-norm. */
export const basic = (filters: number): Step => residual(normed(filters, 3), relu, normed(filters, 3));
