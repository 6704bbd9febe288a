import { layers } from '../../nn/layers/index.ts';
import { sequential } from '../../nn/sequential.ts';
import type { Experiment } from '../experiment.ts';
import { classes, conv, hidden, leaky, pool, shiftsAndFlips } from './blocks.ts';

/*
 * v2 with leaky rectifiers, as it was trained: the repository has had another last block since.
 */

export const v3: Experiment = {
  name: 'v3',
  title: 'v2 with leaky ReLU',
  project: 'czerny',
  network: (seed, width = 64) =>
    sequential(
      [
        ...[...conv(width, 'leaky'), ...conv(width, 'leaky'), pool()],
        ...[...conv(2 * width, 'leaky'), ...conv(2 * width, 'leaky'), pool()],
        ...[...conv(4 * width, 'leaky'), ...conv(4 * width, 'leaky'), pool()],
        ...[layers.flatten(), layers.dense({ units: 4 * width }), leaky(), ...hidden(4 * width, 'leaky')],
        classes(),
      ],
      { inputShape: [28, 28, 1], seed },
    ),
  parameters: 1_802_698,
  reported: { test: 0.9271 },
  recipe: {
    batchSize: 64,
    optimizer: { name: 'Adam', learningRate: 3e-4 },
    epochs: 25,
    trainingImages: 60_000,
    validationImages: 0,
    augment: shiftsAndFlips,
    tested: 'last',
  },
  chosen: ['no validation: the only run took the test images for it, which decide nothing here'],
};
