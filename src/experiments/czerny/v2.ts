import { layers } from '../../nn/layers/index.ts';
import { sequential } from '../../nn/sequential.ts';
import type { Experiment } from '../experiment.ts';
import { classes, conv, hidden, pool, shiftsAndFlips } from './blocks.ts';

/*
 * v1 with four times the filters in the last pair, and with two hidden dense layers of which the second is dropped out.
 */

export const v2: Experiment = {
  name: 'v2',
  title: 'three pairs of convolutions, 64 filters at first',
  project: 'czerny',
  network: (seed, width = 64) =>
    sequential(
      [
        ...[...conv(width), ...conv(width), pool()],
        ...[...conv(2 * width), ...conv(2 * width), pool()],
        ...[...conv(4 * width), ...conv(4 * width), pool()],
        ...[layers.flatten(), layers.dense({ units: 4 * width, activation: 'relu' }), ...hidden(4 * width)],
        classes(),
      ],
      { inputShape: [28, 28, 1], seed },
    ),
  parameters: 1_802_698,
  reported: { test: 0.931, validation: 0.9385 },
  recipe: {
    batchSize: 64,
    optimizer: { name: 'Adam', learningRate: 3e-4 },
    epochs: 50,
    trainingImages: 50_000,
    validationImages: 10_000,
    augment: shiftsAndFlips,
    patience: 10,
    tested: 'last',
  },
  chosen: ['the run with a validation split; another one trained on all 60,000 images for 23 epochs'],
};

export const v2Narrow: Experiment = {
  ...v2,
  name: 'v2-32',
  title: 'v2 with 32 filters at first',
  network: (seed, width = 32) => v2.network(seed, width),
  parameters: 451_818,
  reported: { test: 0.926, validation: 0.9365 },
  chosen: [],
};
