import { layers } from '../../nn/layers/index.ts';
import { sequential } from '../../nn/sequential.ts';
import type { Experiment } from '../experiment.ts';

/*
 * Outliers are the images that it gives back worst. Of the project's own only pictures are known.
 */

const down = (filters: number) =>
  layers.conv2d({ filters, kernelSize: 3, strides: 2, padding: 'same', activation: 'relu' });
const up = (filters: number, activation: 'relu' | 'sigmoid') =>
  layers.conv2dTranspose({ filters, kernelSize: 3, strides: 2, padding: 'same', activation });

export const autoencoder: Experiment = {
  name: 'autoencoder',
  title: 'convolutional autoencoder, for outliers',
  project: 'quah',
  task: 'reconstruct',
  network: (seed, width = 16) =>
    sequential(
      [
        ...[down(width), down(2 * width), layers.flatten(), layers.dense({ units: 2 * width })],
        ...[
          layers.dense({ units: 98 * width, activation: 'relu' }),
          layers.reshape({ targetShape: [7, 7, 2 * width] }),
        ],
        ...[up(width, 'relu'), up(1, 'sigmoid')],
      ],
      { inputShape: [28, 28, 1], seed },
    ),
  parameters: undefined,
  reported: {},
  recipe: {
    batchSize: 128,
    optimizer: { name: 'Adam', learningRate: 1e-3 },
    epochs: 20,
    batches: 'all',
    trainingImages: 50_000,
    validationImages: 10_000,
  },
  chosen: ['all of it: two strided convolutions to 32 numbers and back, mean squared error, Adam 0.001'],
};
