import type { Layer } from '../../nn/layer.ts';
import { type Activation, layers } from '../../nn/layers/index.ts';
import type { SymbolicTensor } from '../../nn/symbolic.ts';
import type { OptimizerPlan } from '../optimizer.ts';

/* Layers with PyTorch's first weights and conventions, and the recipe of the project's comparison of networks. */

const initial = { kernelInitializer: 'fanInUniform', biasInitializer: 'fanInUniform' } as const;

export interface ConvOptions {
  kernelSize?: number;
  strides?: number;
  useBias?: boolean;
}

export const conv = (filters: number, { kernelSize = 3, ...options }: ConvOptions = {}) =>
  layers.conv2d({ filters, kernelSize, padding: (kernelSize - 1) / 2, ...initial, ...options });
export const linear = (units: number, activation: Activation = 'linear') =>
  layers.dense({ units, activation, ...initial });
export const norm = () => layers.batchNormalization({ convention: 'pytorch' });
export const relu = () => layers.activation({ activation: 'relu' });

/** A convolution, batch-norm and ReLU. */
export const convNormRelu = (filters: number, options?: ConvOptions) => [
  conv(filters, options),
  norm(),
  relu(),
];

/** One layer after the other. */
export const through = (x: SymbolicTensor, ...chain: Layer[]): SymbolicTensor =>
  chain.reduce((value, layer) => layer.apply(value), x);

/** PyTorch's SGD: the rate and momentum are its tutorials'. */
const optimizer: OptimizerPlan = {
  name: 'SGD',
  form: 'pytorch',
  learningRate: 0.01,
  momentum: 0.9,
  weightDecay: 5e-4,
};

/** How the networks were compared, as far as it is known: 50,000 images without augmentation. */
export const comparison = {
  batchSize: 512,
  optimizer,
  epochs: 50,
  batches: 'all',
  trainingImages: 50_000,
  validationImages: 10_000,
  patience: 18,
} as const;

/** What of it isn't known. */
export const comparisonChosen = [
  'SGD 0.01, momentum 0.9 and weight decay 5e-4: the comparison names no optimizer',
  'at most 50 epochs and patience 18 on the validation accuracy: the last best epoch that is reported is 50, the figure that was watched is unknown',
  '50,000 training images, as every row of the table has them; one slide says 40,000',
  'no dropout: none is mentioned',
];
