import { layers } from '../../nn/layers/index.ts';
import { sequential } from '../../nn/sequential.ts';
import type { Experiment } from '../experiment.ts';
import { comparison, comparisonChosen, conv, convNormRelu, linear, relu } from './torch.ts';

/*
 * Twelve convolutions in five blocks, batch-norm once a block.
 */

const block = (convolutions: number, filters: number) => [
  ...Array.from({ length: convolutions - 1 }, () => [conv(filters), relu()]).flat(),
  ...convNormRelu(filters),
];

export const ownBaseline3: Experiment = {
  name: 'ownBaseline3',
  title: 'twelve convolutions in five blocks',
  project: 'quah',
  network: (seed, width = 32) =>
    sequential(
      [
        ...[...block(2, width), layers.maxPooling2d()],
        ...[...block(2, 2 * width), layers.maxPooling2d()],
        ...[...block(3, 4 * width), layers.maxPooling2d()],
        ...[...block(3, 8 * width), ...block(2, 8 * width), layers.flatten()],
        ...[linear(16 * width, 'relu'), linear(16 * width, 'relu'), linear(16 * width, 'relu')],
        linear(10, 'softmax'),
      ],
      { inputShape: [28, 28, 1], seed },
    ),
  parameters: 4_801_578,
  reported: { validation: 0.9257 },
  recipe: comparison,
  chosen: [
    ...comparisonChosen,
    "batch-norm after each block's last convolution, pools after the first three blocks: other layouts have as many parameters",
  ],
};
