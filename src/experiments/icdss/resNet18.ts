import { functional } from '../../nn/functional.ts';
import { layers } from '../../nn/layers/index.ts';
import { input, type SymbolicTensor } from '../../nn/symbolic.ts';
import type { Experiment } from '../experiment.ts';

/*
 * ResNet-18 (K. He et al. 2016) without its first pool, for bytes as they are. Shortcuts are the identity, but for a 1x1 convolution
 * with a bias and without batch-norm where a stage begins with a stride.
 */

const init = { kernelInitializer: 'heNormal' } as const;

const conv = (x: SymbolicTensor, filters: number, kernelSize: number, strides = 1) =>
  layers
    .conv2d({ filters, kernelSize, strides, padding: 'same', ...init, kernelRegularizer: { l2: 1e-4 } })
    .apply(x);

const norm = (x: SymbolicTensor) => layers.batchNormalization().apply(x);
const relu = (x: SymbolicTensor) => layers.activation({ activation: 'relu' }).apply(x);

function block(x: SymbolicTensor, filters: number, strides = 1): SymbolicTensor {
  const inner = relu(norm(conv(x, filters, 3, strides)));
  const residual = norm(conv(inner, filters, 3));
  const shortcut = strides === 1 ? x : conv(x, filters, 1, strides);
  return layers.add({ activation: 'relu' }).apply([shortcut, residual]);
}

function network(seed: number, width = 64) {
  const images = input({ shape: [28, 28, 1] });
  let x = relu(norm(conv(images, width, 7, 2)));
  x = block(block(x, width), width);
  for (const filters of [2 * width, 4 * width, 8 * width]) x = block(block(x, filters, 2), filters);
  x = layers.flatten().apply(layers.averagePooling2d({ poolSize: 2 }).apply(x));
  const outputs = layers.dense({ units: 10, activation: 'softmax', ...init }).apply(x);
  return functional({ inputs: images, outputs, seed });
}

export const resNet18: Experiment = {
  name: 'resNet18',
  title: 'ResNet-18 without its first pool',
  project: 'icdss',
  network,
  parameters: 11_186_186,
  reported: { test: 0.9099, validation: 0.9102 },
  recipe: {
    batchSize: 100,
    optimizer: { name: 'Adam', learningRate: 1e-3 },
    epochs: 10,
    batches: 'all',
    trainingImages: 48_000,
    validationImages: 12_000,
    pixelScale: 255,
    reduceOnPlateau: { factor: 0.1, patience: 5, minLearningRate: 5e-7 },
  },
  chosen: [
    '10 epochs, as logged: they went on from an earlier training of unknown length',
    'a batch of 100, by the progress bar of the log',
  ],
};
