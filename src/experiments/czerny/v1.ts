import { layers } from '../../nn/layers/index.ts';
import { sequential } from '../../nn/sequential.ts';
import type { Experiment } from '../experiment.ts';
import { classes, conv, pool, shiftsAndFlips } from './blocks.ts';

/*
 * Three pairs of convolutions and a hidden dense layer. The last pair has three times the first one's filters, in v2 four times.
 */

export const v1: Experiment = {
  name: 'v1',
  title: 'three pairs of convolutions',
  project: 'czerny',
  network: (seed, width = 32) =>
    sequential(
      [
        ...[...conv(width), ...conv(width), pool()],
        ...[...conv(2 * width), ...conv(2 * width), pool()],
        ...[...conv(3 * width), ...conv(3 * width), pool()],
        ...[layers.flatten(), layers.dense({ units: 2 * width, activation: 'relu' }), classes()],
      ],
      { inputShape: [28, 28, 1], seed },
    ),
  parameters: 259_434,
  reported: { test: 0.92, validation: 0.9206 },
  recipe: {
    batchSize: 64,
    optimizer: { name: 'Adam', learningRate: 1e-4 },
    epochs: 30,
    trainingImages: 50_000,
    validationImages: 10_000,
    augment: shiftsAndFlips,
    patience: 10,
    tested: 'last',
  },
  chosen: ['of the three runs that are reported, the augmented one'],
};
