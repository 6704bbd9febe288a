import { layers } from '../../nn/layers/index.ts';
import { sequential } from '../../nn/sequential.ts';
import type { Experiment } from '../experiment.ts';
import type { Recipe } from '../plan.ts';

/*
 * Two convolutions and a hidden dense layer. The first version overfits; the improved one has fewer filters, and dropout.
 */

const conv = (filters: number) => layers.conv2d({ filters, kernelSize: 3, activation: 'relu' });
const pool = () => layers.maxPooling2d({ poolSize: 2 });
const drop = (rate: number) => layers.dropout({ rate });
const head = (rate: number) => [
  layers.flatten(),
  layers.dense({ units: 128, activation: 'relu' }),
  drop(rate),
  layers.dense({ units: 10, activation: 'softmax' }),
];

/** Keras' defaults, no callbacks, the weights of the last epoch; then the training part split again, three times over. */
const recipe: Recipe = {
  batchSize: 32,
  optimizer: { name: 'Adam', learningRate: 1e-3 },
  epochs: 50,
  batches: 'all',
  trainingImages: 48_000,
  validationImages: 12_000,
  tested: 'last',
};

export const twoConvFirst: Experiment = {
  name: 'twoConvFirst',
  title: 'two convolutions, first version',
  project: 'rasiaq',
  network: (seed, width = 64) =>
    sequential([conv(width), pool(), conv(width), pool(), ...head(0.2)], { inputShape: [28, 28, 1], seed }),
  parameters: 243_786,
  reported: { validation: 0.91 },
  recipe,
};

export const twoConv: Experiment = {
  name: 'twoConv',
  title: 'two convolutions, improved',
  project: 'rasiaq',
  network: (seed, width = 32) =>
    sequential([conv(width), pool(), drop(0.25), conv(2 * width), pool(), drop(0.3), ...head(0.3)], {
      inputShape: [28, 28, 1],
      seed,
    }),
  parameters: 225_034,
  reported: { validation: 0.921, test: 0.9133 },
  recipe: { ...recipe, repeats: 4, nested: { epochs: 10 } },
};
