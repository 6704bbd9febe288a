import { layers } from '../../nn/layers/index.ts';
import { sequential } from '../../nn/sequential.ts';
import type { Experiment } from '../experiment.ts';
import { shiftsAndFlips } from './blocks.ts';

/*
 * VGG-like, batch-norm after the ReLU, the last convolution 'valid': as it was trained, not as the repository has it since.
 */

const conv = (filters: number, padding: 'same' | 'valid' = 'same') =>
  layers.conv2d({ filters, kernelSize: 3, padding, activation: 'relu' });
const norm = () => layers.batchNormalization();
const pool = () => [layers.maxPooling2d({ poolSize: 2 }), layers.dropout({ rate: 0.2 })];
const dense = (units: number, activation: 'relu' | 'softmax') =>
  layers.dense({ units, activation, kernelRegularizer: { l2: 1e-5 } });
const half = () => layers.dropout({ rate: 0.5 });

/** @param classes outputs */
export const vggLike =
  (classes: number): Experiment['network'] =>
  (seed, width = 64) =>
    sequential(
      [
        ...[conv(width), norm(), conv(2 * width), ...pool(), norm()],
        ...[conv(width), norm(), conv(2 * width), ...pool(), norm()],
        ...[conv(width), norm(), conv(2 * width, 'valid'), ...pool()],
        ...[layers.flatten(), norm()],
        ...[dense(8 * width, 'relu'), half(), dense(8 * width, 'relu'), half(), dense(classes, 'softmax')],
      ],
      { inputShape: [28, 28, 1], seed },
    );

export const v5 = {
  name: 'v5',
  title: 'VGG-like, batch-norm after each ReLU',
  project: 'czerny',
  network: vggLike(10),
  parameters: 904_074,
  reported: { test: 0.9422 },
  recipe: {
    batchSize: 512,
    optimizer: { name: 'Adam', learningRate: 3e-4 },
    epochs: 100,
    repeats: 5,
    trainingImages: 50_000,
    validationImages: 10_000,
    augment: shiftsAndFlips,
    patience: 20,
  },
} satisfies Experiment;
