import { layers } from '../../nn/layers/index.ts';
import { sequential } from '../../nn/sequential.ts';
import type { Experiment } from '../experiment.ts';
import { classes, conv, drop, hidden, norm, pool, shiftsAndFlips } from './blocks.ts';

/*
 * v3 with dropout and batch-norm before the dense layers, which are twice as wide.
 */

export const v4: Experiment = {
  name: 'v4',
  title: 'v3 with batch-norm before wider dense layers',
  project: 'czerny',
  network: (seed, width = 64) =>
    sequential(
      [
        ...[...conv(width, 'leaky'), ...conv(width, 'leaky'), pool()],
        ...[...conv(2 * width, 'leaky'), ...conv(2 * width, 'leaky'), pool()],
        ...[...conv(4 * width, 'leaky'), ...conv(4 * width, 'leaky'), pool(), drop(0.2)],
        ...[layers.flatten(), norm(), ...hidden(8 * width, 'leaky'), ...hidden(8 * width, 'leaky')],
        classes(),
      ],
      { inputShape: [28, 28, 1], seed },
    ),
  parameters: 2_601_418,
  reported: { test: 0.928, validation: 0.9337 },
  recipe: {
    batchSize: 64,
    optimizer: { name: 'Adam', learningRate: 1e-4 },
    epochs: 50,
    trainingImages: 50_000,
    validationImages: 10_000,
    augment: shiftsAndFlips,
    patience: 10,
    tested: 'last',
  },
};
